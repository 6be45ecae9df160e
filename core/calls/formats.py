"""A transcript for people: SubRip, WebVTT (https://www.w3.org/TR/webvtt1/), plain text."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from core.calls.turns import Turn
from core.ports import Word

_MOST_CHARACTERS = 84  # two lines of 42, as subtitle guides have it
_MOST_S = 7.0


def to_srt(turns: Sequence[Turn]) -> str:
    return _subtitles(turns, "srt")


def to_vtt(turns: Sequence[Turn]) -> str:
    """With a voice tag for each speaker."""
    return _subtitles(turns, "vtt")


def to_text(turns: Sequence[Turn]) -> str:
    """One line a turn: `[00:12] seller: …`."""
    return "\n".join(f"[{_clock(turn.start_s)}] {turn.speaker}: {turn.text}" for turn in turns) + "\n"


def _clock(at_s: float) -> str:
    minutes, seconds = divmod(int(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes:02d}:{seconds:02d}"


def _subtitles(turns: Sequence[Turn], form: str) -> str:
    blocks = ["WEBVTT\n"] if form == "vtt" else []
    for number, (speaker, words) in enumerate(((t.speaker, cue) for t in turns for cue in _cues(t)), start=1):
        text = " ".join(word.text for word in words)
        said = f"<v {speaker}>{html.escape(text, quote=False)}" if form == "vtt" else f"{speaker}: {text}"
        start_ms = round(words[0].start_s * 1000)
        end_ms = max(start_ms + 1, round(max(word.end_s for word in words) * 1000))
        mark = "." if form == "vtt" else ","
        blocks.append(f"{number}\n{_stamp(start_ms, mark)} --> {_stamp(end_ms, mark)}\n{said}\n")
    return "\n".join(blocks)


def _stamp(at_ms: int, mark: str) -> str:
    seconds, ms = divmod(at_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{ms:03d}"


def _cues(turn: Turn) -> Iterator[list[Word]]:
    """The words of a turn in pieces that can be read: short in time and in letters."""
    cue: list[Word] = []
    for word in turn.words:
        letters = sum(len(w.text) + 1 for w in cue) + len(word.text)
        if cue and (letters > _MOST_CHARACTERS or word.end_s - cue[0].start_s > _MOST_S):
            yield cue
            cue = []
        cue.append(word)
    if cue:
        yield cue
