"""Finds competitors' names in what was heard, also where speech recognition spelt them in its own way.

A name is compared with every run of one to three words: letter by letter once both are folded to how they sound, and
by Jaro-Winkler likeness where the name is long enough for that to mean something.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from rapidfuzz.distance import JaroWinkler, Levenshtein

from core.calls.turns import Turn

_MOST_WORDS = 3
_LEAST_FUZZY = 6  # letters: shorter names must be heard exactly
_THRESHOLD = 0.92


@dataclass(frozen=True, slots=True)
class Competitor:
    id: UUID
    name: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mention:
    """One naming: in which turn, when, how it was heard, how sure we are, and by which rule (`exact`, `fuzzy`)."""

    competitor_id: UUID
    name: str
    turn: int
    start_s: float
    heard_as: str
    score: float
    by: str


def detect(turns: Sequence[Turn], competitors: Iterable[Competitor]) -> list[Mention]:
    """Every naming, in order of time; where runs overlap, the surest and shortest counts."""
    names = [(rival, _fold(name)) for rival in competitors for name in (rival.name, *rival.aliases)]
    found: list[Mention] = []
    for number, turn in enumerate(turns):
        heard = [
            (-score, end - start, start, end, run, rival)
            for start, end, run in _runs(turn)
            for rival, name in names
            if (score := _likeness(_fold(run), name, run)) > 0
        ]
        taken: set[int] = set()
        for minus, _, start, end, run, rival in sorted(heard, key=lambda h: h[:4]):
            if taken.isdisjoint(range(start, end)):
                taken.update(range(start, end))
                by = "exact" if minus == -1 else "fuzzy"
                found.append(Mention(rival.id, rival.name, number, _start_s(turn, start), run, -minus, by))
    return sorted(found, key=lambda m: (m.start_s, m.name))


_CUE = re.compile(
    r"\b(?i:looking at|evaluating|compared (?:to|with)|switching from|talking to|using|quote from|proposal from|"
    r"avaliando|comparando com|usamos|usando|migrar d[aoe]|conversando com|proposta d[aoe]|cotação d[aoe])"
    r"\s+(?:the |a |o |com )?([A-ZÀ-Ý][\w&.-]+(?:(?<!\.)\s+[A-ZÀ-Ý][\w&.-]+)?)"
)


def propose(turns: Sequence[Turn], known: Iterable[Competitor]) -> list[str]:
    """Names after words such as "we are also looking at", that nobody has entered as a competitor yet."""
    names = {_fold(name) for rival in known for name in (rival.name, *rival.aliases)}
    found: dict[str, None] = {}
    for turn in turns:
        if turn.speaker == "seller":
            continue
        for match in _CUE.finditer(turn.text):
            name = match.group(1).strip(".,!?")
            # "HubSpot Brasil" is HubSpot.
            heard = {name, name.split()[0]}
            if all(_likeness(_fold(run), other, run) <= 0 for run in heard for other in names):
                found.setdefault(name)
    return list(found)


def _runs(turn: Turn) -> Iterator[tuple[int, int, str]]:
    words = [word.strip(".,!?;:\"'()…") for word in turn.text.split()]
    for start in range(len(words)):
        for end in range(start + 1, min(len(words), start + _MOST_WORDS) + 1):
            yield start, end, " ".join(words[start:end])


def _start_s(turn: Turn, word: int) -> float:
    return turn.words[word].start_s if word < len(turn.words) else turn.start_s


def _likeness(folded: str, name: str, run: str) -> float:
    """1 for the same sound, 0 for another name, between for what recognition may have made of it."""
    if not folded or not name:
        return 0.0
    if folded == name:
        return 1.0
    if len(name) < _LEAST_FUZZY or abs(len(folded) - len(name)) > 2 or folded[0] != name[0]:
        return 0.0
    score = JaroWinkler.similarity(folded, name)
    apart = Levenshtein.distance(folded, name)
    # A run of ordinary lower-case words must come closer than one that was written as a name.
    most = 2 if run[:1].isupper() and len(name) >= 8 else 1
    return score if score >= _THRESHOLD and apart <= most else 0.0


def _fold(text: str) -> str:
    """Letters as they sound, without spaces: `Pipe Drive` and `pipedrive` are one."""
    plain = unicodedata.normalize("NFKD", text.lower())
    plain = "".join(letter for letter in plain if letter.isalnum() and not unicodedata.combining(letter))
    for heard, said in (("ph", "f"), ("ck", "k"), ("qu", "k"), ("c", "k"), ("z", "s"), ("y", "i"), ("w", "v")):
        plain = plain.replace(heard, said)
    return re.sub(r"(.)\1+", r"\1", plain)
