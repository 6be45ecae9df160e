"""From stretches of speech to who said what: pure functions over times and words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from core.ports import SAMPLE_RATE_HZ, Diarizer, Span, Utterance, Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_WINDOW_S = 28.0
GAP_S = 0.4  # of a pause between two stretches in one window
_PHRASE_PAUSE_S = 0.25  # inside an utterance, where two stretches of speech meet
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
class Window:
    """Stretches of speech of one channel that are heard in one go, with pauses between them shortened to `GAP_S`.

    Whisper works on 30 s at a time, however little is said in them: full windows are what makes it fast.
    """

    channel: int
    spans: tuple[Span, ...]

    @property
    def speech_s(self) -> float:
        return sum(span.end_s - span.start_s for span in self.spans)

    def cut(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """The sound to be heard, from a call's int16 (channels, samples)."""
        import numpy as np

        ends_s = [span.end_s + _gap_s(span, following) for span, following in pairwise(self.spans)]
        parts = [
            pcm[self.channel, round(span.start_s * SAMPLE_RATE_HZ) : round(end_s * SAMPLE_RATE_HZ)]
            for span, end_s in zip(self.spans, [*ends_s, self.spans[-1].end_s], strict=True)
        ]
        return np.concatenate(parts)

    def locate(self, at_s: float) -> tuple[int, float]:
        """Which span a moment of the window lies in, and when in the call that is."""
        begin_s = 0.0
        for number, (span, following) in enumerate(pairwise(self.spans)):
            length_s, gap_s = span.end_s - span.start_s, _gap_s(span, following)
            if at_s < begin_s + length_s + gap_s / 2:
                return number, span.start_s + min(max(0.0, at_s - begin_s), length_s)
            begin_s += length_s + gap_s
        last = self.spans[-1]
        return len(self.spans) - 1, min(last.start_s + max(0.0, at_s - begin_s), last.end_s)


def _gap_s(span: Span, following: Span) -> float:
    """How much of the pause between two spans stays in a window."""
    return min(GAP_S, following.start_s - span.end_s)


@dataclass(frozen=True, slots=True)
class Piece:
    """What was heard in one window, with times from the window's start."""

    window: Window
    utterances: tuple[Utterance, ...]


def plan(channel: int, spans: Sequence[Span], most_s: float = MOST_WINDOW_S) -> list[Window]:
    """As few windows of at most `most_s` as hold all speech; a span is cut only where it is longer than a window."""
    windows: list[list[Span]] = []
    room_s = 0.0
    for span in _bounded(spans, most_s):
        length_s = span.end_s - span.start_s
        taken_s = _gap_s(windows[-1][-1], span) + length_s if windows else length_s
        if not windows or taken_s > room_s:
            windows.append([])
            room_s, taken_s = most_s, length_s
        windows[-1].append(span)
        room_s -= taken_s
    return [Window(channel, tuple(group)) for group in windows]


def _bounded(spans: Sequence[Span], most_s: float) -> list[Span]:
    cut: list[Span] = []
    for span in spans:
        start_s = span.start_s
        while span.end_s - start_s > most_s:
            cut.append(Span(start_s, start_s + most_s))
            start_s += most_s
        cut.append(Span(start_s, span.end_s))
    return cut


def stereo(pieces: Iterable[Piece], pcm: NDArray[np.int16], *, seller_channel: int) -> list[Turn]:
    """One side a channel; what a microphone heard of the other side is dropped."""
    said = [
        turn
        for piece in pieces
        for turn in _turns("seller" if piece.window.channel == seller_channel else "customer", piece)
    ]
    kept = [turn for turn in said if not any(_echo(turn, other, pcm, seller_channel) for other in said)]
    return join(kept)


def mono(pieces: Iterable[Piece], pcm: NDArray[np.int16], diarizer: Diarizer) -> list[Turn]:
    """Voices told apart by how they sound; roles by what is said, where that is clear."""
    said = [turn for piece in pieces for turn in _turns("?", piece)]
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


# What one side says and the other hardly does, with how much it tells.
_SELLS = {
    r"\b(this is|my name is|i'm|i am) .{2,40}\b(from|with|at|calling)\b": 2.0,
    r"\bthank(s| you) for (calling|taking|making|joining|your (time|interest))\b": 2.0,
    r"\bhow (can|may) i help\b": 3.0,
    r"\b(i'm|i am|i was|we're) (just )?calling (you )?(to|about|because|from|regarding)\b": 1.5,
    r"\bour (product|platform|solution|software|service|customers|clients|pricing|plans?|onboarding)\b": 1.0,
    r"\b(we|i) (can |could |would |'d |will |'ll )*(offer|provide|show you|walk you|send you|get you|include)\b": 1.5,
    r"\b(would|do|did|are|have|which|what) .{0,30}\byou .{0,30}(like|looking|using|interested|prefer|need)\b": 1.0,
    r"\b(anything|something) else .{0,20}(help|like|need)\b": 2.0,
    r"\b(certainly|absolutely|no problem)\b": 0.5,
    r"\b(aqui|quem fala|aqui quem fala) é .{2,40}\bd[aoe]\b": 2.5,
    r"\b(meu nome é .{2,40}\b(d[aoe]|sou)|falo d[aoe])\b": 2.0,
    r"\bobrigad[oa] (por|pel[oa]) (\w+ ){0,3}(ligar|ligação|atender|contato|tempo|interesse|disponibilidade)\b": 2.0,
    r"\b(como|em que|no que) (eu )?(posso|podemos) (te |lhe |o |a )?ajudar\b": 3.0,
    r"\b(estou|tô|to) (te )?(ligando|entrando em contato)\b": 1.5,
    r"\bnoss[ao]s? (\w+ )?(produto|plataforma|solução|clientes|planos?|serviço|software)\b": 1.0,
    r"\b(oferecemos|a gente oferece|(posso|vou|consigo) (te |lhe )?(enviar|mandar|oferecer|mostrar|apresentar))\b": 1.5,
    r"\b(vocês?|o senhor|a senhora) (já |hoje |atualmente )*(usam?|utilizam?|gostaria|prefere|precisam?)\b.*\?": 1.0,
    r"\bmais alguma (coisa|dúvida)\b": 2.0,
}
_BUYS = {
    r"\bi('d| would) like to (buy|order|purchase|know|cancel|return)\b": 3.0,
    r"\bi('m| am| was) (wondering|looking for|interested in)\b": 1.5,
    r"\bhow much (does|is|would|do|will)\b": 1.5,
    r"\b(too|very|quite|so) expensive\b": 1.5,
    r"\b(our|my|the) (budget|boss|board|current (vendor|provider|tool|system))\b": 1.5,
    r"\bwe('re| are)? (currently |already |now )(use|using|work|working|have)\b": 1.5,
    r"\b(can|could) you (help|tell|send|explain|offer|do)\b": 1.0,
    r"\bi (need|have) to (think|talk|check|discuss|run it)\b": 1.5,
    r"\b(gostaria|queria|quero) (de )?(comprar|saber|contratar|cancelar|entender|pedir)\b": 2.5,
    r"\bquanto (custa|fica|sai|é|seria)\b": 1.5,
    r"\b((muito|meio|bem|tão|está|tá|ficou|achei) caro)\b": 1.5,
    r"\b(nosso|meu) (orçamento|chefe|diretor|sócio|fornecedor|sistema atual)\b": 1.5,
    r"\b(hoje|atualmente|já) (nós |a gente )?(usamos|usa|utilizamos|trabalhamos|temos)\b": 1.5,
    r"\bpreciso (pensar|falar|conversar|ver|consultar|discutir)\b": 1.5,
    r"\b(você|vocês) (pode|podem|conseguem?|poderiam?) (me )?(ajudar|dizer|enviar|mandar|explicar|dar)\b": 1.0,
}
_SURE = 2.0


def guess_seller(turns: Sequence[Turn]) -> str | None:
    """Which of two voices sells, by what they say and who asks more; None where it is not clear."""
    texts: dict[str, list[str]] = {}
    for turn in turns:
        texts.setdefault(turn.speaker, []).append(turn.text.lower().replace("\u2019", "'"))
    if len(texts) != 2:
        return None
    a, b = texts
    asked = {name: sum(text.count("?") for text in said) for name, said in texts.items()}
    total = sum(asked.values())
    # Who asks more leads the call: a hint, never enough alone.
    lead = (asked[a] - asked[b]) / total if total >= 3 else 0.0
    lead += _sells(texts[a]) - _sells(texts[b])
    if abs(lead) < _SURE:
        return None
    return a if lead > 0 else b


def _sells(texts: Sequence[str]) -> float:
    """Each pattern counts once, however often it is said."""

    def score(patterns: Mapping[str, float]) -> float:
        return sum(weight for pattern, weight in patterns.items() if any(re.search(pattern, text) for text in texts))

    return score(_SELLS) - score(_BUYS)


def _turns(speaker: str, piece: Piece) -> list[Turn]:
    """The utterances of a window at their times in the call, cut where a stretch of speech ends or a pause is long."""
    found: list[Turn] = []
    for utterance in piece.utterances:
        group: list[Word] = []
        last_span = -1
        for word in utterance.words:
            span, start_s = piece.window.locate(word.start_s)
            end_s = max(start_s, piece.window.locate(max(word.start_s, word.end_s - 0.01))[1])
            placed = replace(word, start_s=round(start_s, 3), end_s=round(end_s, 3))
            pause_s = placed.start_s - group[-1].end_s if group else 0.0
            if pause_s > (_PHRASE_PAUSE_S if span != last_span else _SAME_TURN_S):
                found.append(_of_words(speaker, group))
                group = []
            group.append(placed)
            last_span = span
        if group:
            found.append(_of_words(speaker, group))
    return found


def _of_words(speaker: str, words: Sequence[Word]) -> Turn:
    confidence = sum(word.confidence for word in words) / len(words)
    end_s = max(word.end_s for word in words)
    return Turn(speaker, words[0].start_s, end_s, " ".join(w.text for w in words), tuple(words), confidence)


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
