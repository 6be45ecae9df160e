"""One side of a call becomes text while it is spoken.

Sound is taken in blocks of 32 ms, and every decision falls at a block: whether somebody speaks, when to decode again,
whether a turn is over. So the same sound gives the same words however it is cut into frames. Two successive hypotheses
that begin alike agree on those words; the next hypothesis must begin with them. When speech pauses the end is decoded
at once, while it is still open whether the turn is over: once it is, the final is there. Where more sound waits than a
frame, because it came late or decoding took long, only the ends of turns in it are decoded, and then what is new.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING

import numpy as np

from core.kit.errors import BadInput
from core.live import turns
from core.live.heard import Heard, Kind, Side, Word
from core.ports import SAMPLE_RATE_HZ
from core.ports_live import SpeechMeter, StreamTranscriber

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 512
"""Samples between two decisions: 32 ms."""

ALL, NO_PARTIALS, LONG_STEPS = 0, 1, 2
"""How much is left out under load."""


@dataclass(frozen=True, slots=True)
class HearingSettings:
    """Measured on real recordings by `make bench ONLY=live`."""

    steps_s: tuple[float, float, float] = (0.8, 1.8, 5.0)  # of new sound between two decodes, by pressure
    behind_s: float = 0.6  # of sound that waits, more than a frame: what is heard so late is only caught up with
    long_s: float = 6.0  # where more is heard at once, what is agreed of it is left behind, or else steps grow
    kept_s: float = 4.0  # of sound that is heard again where the rest is left behind
    speech: float = 0.5  # probability from which on a block is speech
    silence: float = 0.35  # and below which it is none
    onset_blocks: int = 3  # of speech in the last five begin an utterance
    lead_s: float = 0.35  # of sound before it belongs to it
    guess_s: float = 0.19  # of silence after which the end is decoded, in case it is one
    end_s: float = 0.5  # of silence that ends a turn whose text is whole
    open_end_s: float = 1.1  # the same, where it seems to go on
    whole_sure: float = 0.6  # mean confidence below which no text is whole: what was misheard goes on more often
    sure: float = 0.7  # words of less confidence are not agreed, nor what follows them
    edge_s: float = 2.0  # words that end so near to the edge of the sound are not agreed yet
    divide_s: float = 10.0  # a turn that is longer is divided at a sentence that is agreed
    late_s: float = 15.0  # and from here on between any two words, also those in doubt
    most_s: float = 24.0  # and here even where nothing is agreed
    prompt_s: float = 0.3  # what was said so long before tells what comes: a turn that was divided


@dataclass(slots=True)
class _Turn:
    """An utterance in hand. Samples count from the first of the side."""

    begin: int  # of what is heard; agreed words before it are left behind
    voiced: int  # end of the last block with speech
    agreed: tuple[Word, ...] = ()
    tail: tuple[Word, ...] = ()  # of the last hypothesis
    decoded: int = 0  # up to where the last hypothesis heard
    guessed: int = -1  # the `voiced` that the last decode in a pause was made for
    twice: int = 0  # words of the tail that were heard before, and are in doubt
    told: str = ""  # the last partial

    @property
    def words(self) -> tuple[Word, ...]:
        return (*self.agreed, *self.tail)

    @property
    def behind(self) -> int:
        """How many agreed words are left behind: they are heard no more."""
        return sum(1 for _ in takewhile(lambda word: _middle(word) < self.begin, self.agreed))

    @property
    def first(self) -> int:
        """Where the utterance begins."""
        return min([self.begin, *(_samples(word.start_s) for word in self.agreed[:1])])


class _Sound:
    """Samples `begin` to `end` of a side; those behind are added, those before are forgotten."""

    def __init__(self, begin: int = 0) -> None:
        self.begin = self.end = begin
        self._held = np.zeros(SAMPLE_RATE_HZ, np.float32)
        self._first = begin  # the sample that is held first

    def add(self, samples: NDArray[np.float32]) -> None:
        if self.end - self._first + len(samples) > len(self._held):
            kept = self.part(self.begin, self.end)
            self._held = np.concatenate([kept, np.zeros(len(kept) + len(samples) + SAMPLE_RATE_HZ, np.float32)])
            self._first = self.begin
        self._held[self.end - self._first :][: len(samples)] = samples
        self.end += len(samples)

    def part(self, begin: int, end: int) -> NDArray[np.float32]:
        return self._held[begin - self._first : end - self._first]

    def forget(self, until: int) -> None:
        self.begin = max(self.begin, min(until, self.end))


class Listener:
    """`hear` takes the sound of one side as it comes, and says what is new. One call at a time.

    `language` None: that of the first utterance, from then on. `pressure` says how much to leave out.
    """

    def __init__(
        self,
        transcriber: StreamTranscriber,
        meter: SpeechMeter,
        settings: HearingSettings | None = None,
        *,
        side: Side,
        language: str | None = None,
        hints: Sequence[str] = (),
        pressure: Callable[[], int] = lambda: ALL,
    ) -> None:
        self._transcriber = transcriber
        self._meter = meter
        self._settings = settings or HearingSettings()
        self._side = side
        self._language = language
        self._hints = tuple(hints)
        self._pressure = pressure
        self._utterance = 0
        self._sound = _Sound()  # the utterance in hand, or the lead of the next
        self._at = 0  # blocks up to here were decided on; what lies behind is less than one block
        self._recent: list[bool] = []
        self._turn: _Turn | None = None
        self._before: tuple[str, int] = ("", 0)  # the last final, and where it ended

    @classmethod
    def resume(
        cls,
        transcriber: StreamTranscriber,
        meter: SpeechMeter,
        settings: HearingSettings | None = None,
        *,
        side: Side,
        at_sample: int,
        utterance: int,
        stable: Sequence[Word] = (),
        language: str | None = None,
        hints: Sequence[str] = (),
        pressure: Callable[[], int] = lambda: ALL,
    ) -> Listener:
        """Goes on where another stopped, fed from `at_sample` (its `position()`) on: with the utterance of that number,
        of which `stable` was said."""
        found = cls(transcriber, meter, settings, side=side, language=language, hints=hints, pressure=pressure)
        found._utterance = utterance
        found._sound = _Sound(at_sample)
        found._at = at_sample
        if stable:
            found._turn = _Turn(at_sample, at_sample, agreed=tuple(stable), decoded=at_sample)
        return found

    def position(self) -> int:
        """The sample from which another must be fed to go on."""
        return self._sound.begin

    async def hear(self, samples: NDArray[np.float32]) -> list[Heard]:
        """`samples`: float32 (samples,) in [-1, 1], mono, 16 kHz, any number. Raises `BadInput` for other shapes."""
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise BadInput(f"Sound must be float32 (samples,), mono, 16 kHz; this is {samples.dtype} {samples.shape}.")
        self._sound.add(samples)
        said: list[Heard] = []
        while self._at + BLOCK <= self._sound.end:
            share = self._meter.share(self._sound.part(self._at, self._at + BLOCK))
            self._at += BLOCK
            said += await self._decide(share)
        return said

    async def finish(self) -> list[Heard]:
        """There is no more sound: the rest of it, and the final of the utterance in hand."""
        rest = self._sound.end - self._at
        said = await self.hear(np.zeros(BLOCK - rest, np.float32)) if rest else []
        if self._turn is None:
            return said
        if self._turn.guessed != self._turn.voiced:
            said += await self._decode(self._turn, guess=True)
        return said + self._final(self._turn)

    async def _decide(self, share: float) -> list[Heard]:
        if self._turn is None:
            return self._wait(share)
        turn, how = self._turn, self._settings
        if share >= how.silence:
            turn.voiced = self._at
        silent_s = (self._at - turn.voiced) / SAMPLE_RATE_HZ
        pressure = self._pressure()
        if silent_s == 0:
            return await self._decode(turn, guess=False) if self._is_due(turn, pressure) else []
        guess_s = how.guess_s if pressure < LONG_STEPS and not self._is_behind() else how.end_s
        said = []
        if turn.guessed != turn.voiced and silent_s >= guess_s:
            said = await self._decode(turn, guess=True)
        open_end = silent_s >= how.open_end_s
        whole = turn.guessed == turn.voiced and turns.is_whole(turn.words, sure=how.whole_sure)
        over = open_end or (whole and silent_s >= how.end_s)
        return said + self._final(turn) if over else said

    def _is_due(self, turn: _Turn, pressure: int) -> bool:
        """Whether enough is new for another hypothesis while somebody speaks."""
        how = self._settings
        if self._is_behind():
            return self._at - turn.begin >= _samples(how.most_s)
        heard_s = (turn.decoded - turn.begin) / SAMPLE_RATE_HZ
        new_s = (self._at - max(turn.decoded, turn.begin)) / SAMPLE_RATE_HZ
        return new_s >= how.steps_s[pressure] * max(1.0, heard_s / how.long_s) ** 2

    def _is_behind(self) -> bool:
        return self._sound.end - self._at > _samples(self._settings.behind_s)

    def _wait(self, share: float) -> list[Heard]:
        """For somebody to speak."""
        how = self._settings
        self._recent = [*self._recent[-4:], share >= how.speech]
        if sum(self._recent) < how.onset_blocks:
            self._sound.forget(self._at - len(self._recent) * BLOCK - _samples(how.lead_s))
            return []
        onset = self._at - (len(self._recent) - self._recent.index(True)) * BLOCK
        self._sound.forget(onset - _samples(how.lead_s))
        self._turn = _Turn(self._sound.begin, self._at, decoded=self._sound.begin)
        self._recent = []
        return [self._heard("speech_started", "", ())]

    async def _decode(self, turn: _Turn, *, guess: bool) -> list[Heard]:
        """A new hypothesis, and what is new by it. `guess`: speech may have ended here."""
        count = len(turn.agreed)
        words = await self._words(turn, urgent=guess)
        tail = words[count:]
        edge_s = self._at / SAMPLE_RATE_HZ - self._settings.edge_s
        more = turns.agreed(turn.tail, tail, until_s=edge_s, sure=self._settings.sure)
        turn.twice = turns.agreed(turn.tail, tail, until_s=edge_s, sure=0.0) - more
        turn.agreed, turn.tail = words[: count + more] or turn.agreed, tail[more:]
        turn.decoded = self._at
        turn.guessed = turn.voiced if guess else -1
        if not guess and (place := self._division(turn, count)) is not None:
            return self._divided(turn, place)
        self._leave(turn)
        return self._news(turn, grown=more > 0)

    async def _words(self, turn: _Turn, *, urgent: bool) -> tuple[Word, ...]:
        """What the transcriber hears in the turn up to now."""
        before, ended = self._before
        recent = turn.begin - ended <= _samples(self._settings.prompt_s)
        left, agreed = turn.agreed[: turn.behind], turn.agreed[turn.behind :]
        found = await self._transcriber.decode(
            self._sound.part(turn.begin, self._at),
            language=self._language,
            prompt=_text(left) or (before if recent else ""),
            agreed=_text(agreed),
            draft=_text(turn.tail),
            hints=self._hints,
            urgent=urgent,
        )
        if found.words:
            self._language = self._language or found.language
        begin_s = turn.begin / SAMPLE_RATE_HZ
        words = [
            replace(word, start_s=round(word.start_s + begin_s, 3), end_s=round(word.end_s + begin_s, 3))
            for word in found.words
        ]
        if [word.text for word in words[: len(agreed)]] != [word.text for word in agreed]:
            # It did not do as it was told: what was said stays, and what is heard behind it follows.
            edge = _samples(agreed[-1].end_s)
            return (*turn.agreed, *(word for word in words if _middle(word) > edge))
        return (*left, *words)

    def _leave(self, turn: _Turn) -> None:
        """What was agreed some time ago is heard no more, it leads into what follows as text: a long turn costs no more
        than a short one."""
        how = self._settings
        if self._at - turn.begin < _samples(how.long_s):
            return
        until = self._at - _samples(how.kept_s)
        gaps = [_samples((word.end_s + after.start_s) / 2) for word, after in pairwise(turn.agreed)]
        if places := [gap for gap in gaps if turn.begin < gap <= until]:
            turn.begin = places[-1]
            self._sound.forget(turn.begin)

    def _news(self, turn: _Turn, *, grown: bool) -> list[Heard]:
        said = [self._heard("stable", _text(turn.agreed), turn.agreed)] if grown else []
        rest = _text(turn.tail)
        if rest and rest != turn.told and self._pressure() < NO_PARTIALS:
            turn.told = rest
            said.append(self._heard("partial", rest, ()))
        return said

    def _division(self, turn: _Turn, told: int) -> int | None:
        """After how many words the turn is divided, if it is; 0: all of it ends here. The first `told` words were said
        to belong to it and stay."""
        how = self._settings
        length_s = (self._at - turn.first) / SAMPLE_RATE_HZ
        if length_s < how.divide_s:
            return None
        late = length_s >= how.late_s
        place = turns.division(turn.agreed, least=told, anywhere=late)
        if not place and late:
            # A word in doubt holds up all behind it, and the whole of it is decoded again and again.
            heard = turn.words[: len(turn.agreed) + turn.twice]
            place = turns.division(heard, least=max(told, len(turn.agreed)), anywhere=True)
        return place if place or length_s >= how.most_s else None

    def _divided(self, turn: _Turn, place: int) -> list[Heard]:
        """A turn that goes on and on ends, and the next begins there with what is agreed of it."""
        if not place:
            final = self._final(replace(turn, voiced=self._at))
            self._turn = following = _Turn(self._at, self._at, decoded=self._at)
        else:
            said, words = turn.words[:place], turn.words[place:]
            rest = turn.agreed[place:]
            edge_s = (said[-1].end_s + words[0].start_s) / 2 if words else said[-1].end_s
            begin = min(max(_samples(edge_s), turn.begin), self._at)
            final = self._final(replace(turn, agreed=said, tail=(), voiced=begin))
            tail = words[len(rest) :]
            self._turn = following = _Turn(begin, turn.voiced, agreed=rest, tail=tail, decoded=turn.decoded)
        begun = self._heard("speech_started", "", ())
        return [*final, begun, *self._news(following, grown=bool(following.agreed))]

    def _final(self, turn: _Turn) -> list[Heard]:
        """The utterance is over; what was heard behind its last word leads into the next."""
        said = self._heard("final", _text(turn.words), turn.words)
        if turn.words:
            self._before = (said.text, turn.voiced)
        self._turn = None
        self._utterance += 1
        self._sound.forget(turn.voiced)
        return [said]

    def _heard(self, kind: Kind, text: str, words: tuple[Word, ...]) -> Heard:
        return Heard(kind, self._side, self._utterance, text, words, round(self._at / SAMPLE_RATE_HZ, 3))


def _samples(length_s: float) -> int:
    return round(length_s * SAMPLE_RATE_HZ)


def _middle(word: Word) -> int:
    """Its sample."""
    return _samples((word.start_s + word.end_s) / 2)


def _text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
