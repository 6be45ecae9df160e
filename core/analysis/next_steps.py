"""What was agreed to happen next, by whom and when."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from core.analysis.lexicon import lexicon
from core.calls.turns import Turn

_SENTENCES = re.compile(r"(?<=[.!?])\s+")
_DAYS = {
    "pt": ["segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo"],
    "en": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
}
_RELATIVE = {
    "pt": [
        (r"\bdepois de amanhã\b", 2),
        (r"\bamanhã\b", 1),
        (r"\bhoje\b", 0),
        (r"\bsemana que vem\b|\bpróxima semana\b", 7),
    ],
    "en": [(r"\bday after tomorrow\b", 2), (r"\btomorrow\b", 1), (r"\btoday\b", 0), (r"\bnext week\b", 7)],
}
_IN_DAYS = {"pt": re.compile(r"\bem (\d{1,4}) dias?\b"), "en": re.compile(r"\bin (\d{1,4}) days?\b")}
_THEIRS = {
    "pt": re.compile(r"\b(você|vocês) (pode|me|envia|manda)|\bme (manda|envia)|pode me (mandar|enviar)", re.I),
    "en": re.compile(r"\b(send me|can you|could you|would you|you(['’]ll| will) (send|get))\b", re.I),
}


@dataclass(frozen=True, slots=True)
class NextStep:
    """`owner`: the speaker who will do it. `due_on` is null where no day was named."""

    owner: str
    text: str
    turn: int
    due_on: date | None


def find(turns: Sequence[Turn], language: str, called_on: date) -> list[NextStep]:
    cues = lexicon(language).next_steps
    found: list[NextStep] = []
    for number, turn in enumerate(turns):
        for sentence in _SENTENCES.split(turn.text):
            if cues.search(sentence) is None:
                continue
            asks = _THEIRS[language].search(sentence) is not None
            owner = _other(turn.speaker, turns) if asks else turn.speaker
            found.append(NextStep(owner, sentence.strip(), number, due_date(sentence, language, called_on)))
    return found


def due_date(text: str, language: str, said_on: date) -> date | None:
    """The day that a phrase such as "by Friday" or "até sexta" names, seen from the day on which it was said."""
    lower = text.lower()
    if (match := _IN_DAYS[language].search(lower)) is not None:
        return said_on + timedelta(days=int(match.group(1)))
    for number, name in enumerate(_DAYS[language]):
        if re.search(rf"\b{name}\b|\b{name}-feira\b", lower):
            ahead = (number - said_on.weekday()) % 7 or 7
            return said_on + timedelta(days=ahead)
    for pattern, days in _RELATIVE[language]:
        if re.search(pattern, lower):
            return said_on + timedelta(days=days)
    return None


def _other(speaker: str, turns: Sequence[Turn]) -> str:
    return next((turn.speaker for turn in turns if turn.speaker != speaker), speaker)
