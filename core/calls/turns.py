"""From stretches of speech to who said what: pure functions over times and words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from core.ports import SAMPLE_RATE_HZ, Diarizer, Span, Utterance, Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_WINDOW_S = 28.0
_JOIN_GAP_S = 0.8  # windows: speech this close is heard together
_SAME_TURN_S = 1.2  # turns: one speaker goes on after a pause this long


@dataclass(frozen=True, slots=True)
class Turn:
    """What one speaker said until somebody else spoke or a pause came. Times in seconds from the start of the call.

    `speaker`: seller, customer, or speaker_1, speaker_2 … where the voices of a mono call have no role.
    """

    speaker: str
    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...]
    confidence: float

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Turn:
        return cls(**{**raw, "words": tuple(Word(**word) for word in raw["words"])})


@dataclass(frozen=True, slots=True)
class Piece:
    """What was heard in one window: utterances with times from its start at `start_s` of the call."""

    channel: int
    start_s: float
    utterances: tuple[Utterance, ...]


def plan(spans: Sequence[Span], most_s: float = MOST_WINDOW_S) -> list[Span]:
    """Windows of at most `most_s` that hold all speech: neighbours joined, cut in the middle of speech only at need."""
    windows: list[Span] = []
    for span in spans:
        start_s = span.start_s
        if windows and start_s - windows[-1].end_s <= _JOIN_GAP_S and span.end_s - windows[-1].start_s <= most_s:
            windows[-1] = Span(windows[-1].start_s, span.end_s)
            continue
        while span.end_s - start_s > most_s:
            windows.append(Span(start_s, start_s + most_s))
            start_s += most_s
        windows.append(Span(start_s, span.end_s))
    return windows


def stereo(pieces: Iterable[Piece], pcm: NDArray[np.int16], *, seller_channel: int) -> list[Turn]:
    """One side a channel; what a microphone heard of the other side is dropped."""
    said = [
        _turn("seller" if piece.channel == seller_channel else "customer", piece, utterance)
        for piece in pieces
        for utterance in piece.utterances
    ]
    kept = [turn for turn in said if not any(_echo(turn, other, pcm, seller_channel) for other in said)]
    return join(_by_pause(kept))


def mono(pieces: Iterable[Piece], pcm: NDArray[np.int16], diarizer: Diarizer) -> list[Turn]:
    """Voices told apart by how they sound; roles by what is said, where that is clear."""
    said = _by_pause([_turn("?", piece, utterance) for piece in pieces for utterance in piece.utterances])
    labels = diarizer.label(pcm, [Span(turn.start_s, turn.end_s) for turn in said])
    named = join([replace(turn, speaker=f"speaker_{label + 1}") for turn, label in zip(said, labels, strict=True)])
    seller = guess_seller(named)
    if seller is None or len({turn.speaker for turn in named}) != 2:
        return named
    return [replace(turn, speaker="seller" if turn.speaker == seller else "customer") for turn in named]


def join(turns: Sequence[Turn]) -> list[Turn]:
    """In order of time, with neighbours of one speaker made one unless a pause lies between."""
    joined: list[Turn] = []
    for turn in sorted(turns, key=lambda t: (t.start_s, t.end_s)):
        last = joined[-1] if joined else None
        if last is not None and last.speaker == turn.speaker and turn.start_s - last.end_s <= _SAME_TURN_S:
            weight = len(last.words) + len(turn.words) or 1
            confidence = (last.confidence * len(last.words) + turn.confidence * len(turn.words)) / weight
            joined[-1] = Turn(
                last.speaker, last.start_s, max(last.end_s, turn.end_s), f"{last.text} {turn.text}",
                last.words + turn.words, confidence,
            )  # fmt: skip
        else:
            joined.append(turn)
    return joined


_SELLER = re.compile(
    r"how can i help|thank you for calling|thanks for calling|this is \w+ (from|at|with|calling)|our (platform|product|"
    r"solution|team|plan)|we (offer|provide|can offer)|i('ll| will) send you|i can (offer|show|send)|"
    r"como posso (te |lhe )?ajudar|aqui é (a |o )?\w+ d[aoe]|falo d[aoe]|nossa (plataforma|solução|equipe)|"
    r"nosso (produto|sistema|plano)|a gente oferece|nós oferecemos|vou te (mandar|enviar|mostrar)",
    re.IGNORECASE,
)


def guess_seller(turns: Sequence[Turn]) -> str | None:
    """Which voice sells, by what only sellers say; None where it is not clear."""
    counts: dict[str, int] = {}
    for turn in turns:
        counts[turn.speaker] = counts.get(turn.speaker, 0) + len(_SELLER.findall(turn.text))
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    if not ranked or ranked[0][1] == 0 or (len(ranked) > 1 and ranked[0][1] <= ranked[1][1]):
        return None
    return ranked[0][0]


def _turn(speaker: str, piece: Piece, utterance: Utterance) -> Turn:
    at = piece.start_s
    words = tuple(replace(w, start_s=round(w.start_s + at, 3), end_s=round(w.end_s + at, 3)) for w in utterance.words)
    start_s = words[0].start_s if words else round(utterance.start_s + at, 3)
    end_s = words[-1].end_s if words else round(utterance.end_s + at, 3)
    return Turn(speaker, start_s, max(start_s, end_s), utterance.text, words, utterance.confidence)


def _by_pause(turns: Iterable[Turn]) -> list[Turn]:
    """Cut where a speaker pauses long: the other side may have spoken in between."""
    cut: list[Turn] = []
    for turn in turns:
        group: list[Word] = []
        for word in turn.words:
            if group and word.start_s - group[-1].end_s > _SAME_TURN_S:
                cut.append(_of_words(turn, group))
                group = []
            group.append(word)
        cut.append(_of_words(turn, group) if group and len(group) < len(turn.words) else turn)
    return cut


def _of_words(turn: Turn, words: Sequence[Word]) -> Turn:
    text = " ".join(word.text for word in words)
    return Turn(turn.speaker, words[0].start_s, words[-1].end_s, text, tuple(words), turn.confidence)


def _echo(turn: Turn, other: Turn, pcm: NDArray[np.int16], seller_channel: int) -> bool:
    """Is `turn` the quieter copy of what the other side said at that moment?"""
    if turn is other or turn.speaker == other.speaker:
        return False
    overlap_s = min(turn.end_s, other.end_s) - max(turn.start_s, other.start_s)
    if overlap_s < 0.5 * max(0.1, turn.end_s - turn.start_s):
        return False
    mine, theirs = set(_plain(turn.text)), set(_plain(other.text))
    if not mine or len(mine & theirs) / len(mine) < 0.6:
        return False
    return _rms(pcm, turn, seller_channel) < 0.5 * _rms(pcm, other, seller_channel)


def _plain(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _rms(pcm: NDArray[np.int16], turn: Turn, seller_channel: int) -> float:
    import numpy as np

    channel = seller_channel if turn.speaker == "seller" else 1 - seller_channel
    cut = pcm[channel, round(turn.start_s * SAMPLE_RATE_HZ) : round(turn.end_s * SAMPLE_RATE_HZ)].astype(np.float32)
    return float(np.sqrt(np.mean(cut**2))) if cut.size else 0.0
