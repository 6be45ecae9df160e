"""The result of a call, laid out so that a person enjoys reading it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_BARS = "▁▂▃▄▅▆▇█"
_COLOURS = {"seller": "cyan", "customer": "magenta"}
_INTENTIONS = {
    "objection": "red", "buying_signal": "green", "commitment": "blue", "request": "yellow", "question": "white",
}  # fmt: skip


def show(
    console: Console, *, call: dict[str, Any], transcript: dict[str, Any], sentiment: dict[str, Any],
    insights: dict[str, Any], forecast: dict[str, Any], task: dict[str, Any] | None,
) -> None:  # fmt: skip
    """Everything that came of one call; each argument is the API's answer."""
    found = insights["insights"]
    console.rule(f"[bold]call[/]  {call['duration_s']:.0f} s, {call['channels']} channel(s), {transcript['language']}")
    console.print(_transcript(transcript, sentiment))
    console.rule("[bold]what it showed[/]")
    console.print(_insights(insights["score"], found))
    console.rule("[bold]forecast[/]")
    console.print(_forecast(forecast))
    if task is not None:
        console.rule("[bold]follow-up[/]")
        _task(console, task)


def sparkline(values: Sequence[float], low: float = -1.0, high: float = 1.0) -> str:
    """One block a value."""
    step = (high - low) / len(_BARS)
    return "".join(_BARS[min(len(_BARS) - 1, max(0, math.floor((value - low) / step)))] for value in values)


def _transcript(transcript: dict[str, Any], sentiment: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1))
    table.add_column(justify="right", style="dim", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(no_wrap=True)
    for turn, mood in zip(transcript["turns"], sentiment["segments"], strict=True):
        minutes, seconds = divmod(int(turn["start_s"]), 60)
        colour = _COLOURS.get(turn["speaker"], "white")
        intention = mood["intention"].replace("_", " ")
        table.add_row(
            f"{minutes}:{seconds:02d}", f"[{colour}]{turn['speaker']}[/]", Text(turn["text"]),
            f"{_face(mood['valence'])} [{_INTENTIONS.get(mood['intention'], 'dim')}]{intention}[/]",
        )  # fmt: skip
    return table


def _face(valence: float) -> str:
    return "[green]+[/]" if valence > 0.25 else "[red]-[/]" if valence < -0.25 else "[dim]·[/]"


def _insights(score: int, found: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    reasons = ", ".join(f"{r['key'].replace('_', ' ')} {r['points']:+d}" for r in found["score"]["reasons"])
    table.add_row("score", f"{score} / 100  [dim]{reasons}[/]")
    shares = "  ".join(f"{who} {share:.0%}" for who, share in found["metrics"]["talk_ratio"].items())
    table.add_row("talk share", shares)
    for who, mood in found["sentiment"].items():
        line = sparkline([point["valence"] for point in mood["timeline"]])
        colour = _COLOURS.get(who, "white")
        table.add_row(f"mood of {who}", f"[{colour}]{line}[/]  mean {mood['valence']:+.2f}, trend {mood['trend']:+.2f}")
    for objection in found["objections"]:
        met = "[green]met[/]" if objection["met"] else "[red]not met[/]"
        table.add_row("objection", f"{objection['kind']} ({met})  [dim]“{_short(objection['text'])}”[/]")
    for naming in found["competitors"]:
        said = f"[dim]“{_short(naming['said'])}”[/]"
        table.add_row("competitor", f"{naming['name']}, named by the {naming['by']}  {said}")
    for step in found["next_steps"]:
        due = f" by {step['due_on']}" if step["due_on"] else ""
        table.add_row("next step", f"{step['owner']}{due}: {_short(step['text'])}")
    topics = ", ".join(f"{topic['name']} {topic['share']:.0%}" for topic in found["topics"][:5])
    table.add_row("topics", topics or "none")
    return table


def _short(text: str) -> str:
    return text if len(text) <= 90 else text[:88].rsplit(" ", 1)[0] + " …"


def _forecast(forecast: dict[str, Any]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for name in ("", "before the call", "after the call"):
        table.add_column(name, no_wrap=not name)
    before, now = forecast["before"], forecast["now"]
    pair = (before, now)

    def row(name: str, say: Any) -> None:
        table.add_row(f"[bold]{name}[/]", *(say(one) if one else "-" for one in pair))

    row("will close", lambda f: f"{f['probability']:.0%}  [dim]{f['low']:.0%} to {f['high']:.0%}[/]")
    row("risk", lambda f: f["risk"])
    row("expected", lambda f: f"{f['expected_close_on']}  [dim]{f['close_on_low']} to {f['close_on_high']}[/]")
    row("value", lambda f: f"{f['expected_value_cents'] / 100:,.0f}")
    row("basis", lambda f: f"[dim]{f['basis_text']}, version {f['version']}[/]")
    for reason in forecast["changed_by"]:
        table.add_row("[bold]changed by[/]", "", f"{_signed(reason['impact'])}  {reason['text']}")
    for reason in now["reasons"]:
        table.add_row("[bold]because[/]", "", f"{_signed(reason['impact'])}  {reason['text']}")
    return table


def _signed(impact: float) -> str:
    return f"[{'green' if impact > 0 else 'red'}]{impact:+.2f}[/]"


def _task(console: Console, task: dict[str, Any]) -> None:
    why = ", ".join(f"{reason['key'].replace('_', ' ')} ({reason['evidence']})" for reason in task["reasons"])
    console.print(f"[bold]{task['title']}[/]  [yellow]{task['status']} for approval[/]  due {task['due_at'][:16]}")
    console.print(f"[dim]because: {why}[/]")
    draft = task["draft"]
    if draft is None:
        return
    console.print(Padding(Panel(Text(draft["body"]), title=draft["subject"], title_align="left"), (1, 2)))
    sources = Table(box=None, show_header=False, padding=(0, 2))
    for fact in draft["facts"]:
        sources.add_row(f"[dim]{fact['text']}[/]", f"[dim]{fact['source']}[/]")
    console.print(Padding(sources, (0, 2)))
    console.print(f"[dim]approve: POST /v1/tasks/{task['id']}/approve[/]")
