"""What is said of a pipeline's health, in both languages."""

from __future__ import annotations

from core.pipeline_health.repository import Dimension
from core.pipeline_health.turns import Turn

_NOBODY: dict[Dimension, tuple[str, str]] = {
    "all": ("todos os negócios", "all deals"),
    "seller": ("sem vendedor", "no seller"),
    "team": ("sem equipe", "no team"),
    "segment": ("sem segmento", "no segment"),
    "region": ("sem região", "no region"),
    "stage": ("sem etapa", "no stage"),
}
_STAGES = {
    "prospecting": ("prospecção", "prospecting"),
    "qualification": ("qualificação", "qualification"),
    "discovery": ("descoberta", "discovery"),
    "proposal": ("proposta", "proposal"),
    "negotiation": ("negociação", "negotiation"),
}
_TURNED: dict[tuple[str, str], tuple[str, str]] = {
    ("stalled_share", "bad"): ("{percent} % do valor aberto está parado", "{percent} % of the open value has stalled"),
    ("stalled_share", "good"): (
        "o valor parado voltou a {percent} %", "what has stalled is back to {percent} % of the open value"
    ),
    ("overdue_share", "bad"): (
        "{percent} % do valor aberto passou da data prevista", "{percent} % of the open value is past its expected day"
    ),
    ("overdue_share", "good"): (
        "o valor fora do prazo voltou a {percent} %", "what is past its day is back to {percent} % of the open value"
    ),
    ("velocity_cents", "bad"): (
        "o funil anda bem mais devagar que há quatro semanas", "the pipeline is much slower than four weeks ago"
    ),
    ("velocity_cents", "good"): ("o funil voltou ao seu ritmo", "the pipeline is back at its pace"),
    ("coverage", "bad"): (
        "o que vence no trimestre cobre só {times} vezes o que falta para a meta",
        "what is due this quarter covers only {times} times what the target still needs",
    ),
    ("coverage", "good"): (
        "o que vence no trimestre cobre de novo {times} vezes o que falta para a meta",
        "what is due this quarter covers {times} times what the target still needs again",
    ),
}  # fmt: skip


def name(by: Dimension, key: str, sellers: dict[str, str], language: str) -> str:
    """A group as a person calls it."""
    place = _place(language)
    if not key:
        return _NOBODY[by][place]
    if by == "stage":
        return _STAGES[key][place] if key in _STAGES else key
    return sellers.get(key, key) if by == "seller" else key


def turned(group: str, turn: Turn, language: str) -> str:
    said = _TURNED[(turn.figure, turn.level)][_place(language)]
    times = f"{turn.value:.1f}"
    if language.startswith("pt"):
        times = times.replace(".", ",")
    return f"{group}: {said.format(percent=round(100 * turn.value), times=times)}"


def _place(language: str) -> int:
    return 0 if language.startswith("pt") else 1
