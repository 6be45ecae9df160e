"""What the product needs from outside itself, as protocols and the plain values that cross them.

Engines (plain classes that hold a model), Serve handles and fakes all implement the same ports, so the one who asks
never knows which of them answers. Values are frozen dataclasses of plain types: they pickle between our own processes
and turn into JSON with `dataclasses.asdict`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol, runtime_checkable
from uuid import UUID

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.kit.db import Tx
    from core.kit.events import Event

SAMPLE_RATE_HZ = 16_000
"""The one sample rate inside the house."""


class Side(StrEnum):
    """Who speaks. A mono call whose voices cannot be told apart by role keeps `UNKNOWN`."""

    SELLER = "seller"
    CUSTOMER = "customer"
    UNKNOWN = "unknown"


# ── speech ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word; times in seconds from the start of the audio handed in, confidence in [0, 1]."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one engine call heard in one stretch of speech of one channel."""

    text: str
    start_s: float
    end_s: float
    words: tuple[Word, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class Heard:
    """The answer of a `Transcriber` for one window of audio."""

    language: str  # "pt" | "en"
    language_confidence: float
    utterances: tuple[Utterance, ...]
    engine: str


class Transcriber(Protocol):
    """Speech to text for one window of one channel."""

    async def transcribe(
        self, pcm: NDArray[np.int16], *, language: str | None = None, hints: Sequence[str] = ()
    ) -> Heard:
        """`pcm`: int16 (samples,), mono, 16 kHz, at most 30 s. `language` None: detect it. `hints`: names to expect."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in seconds, half open."""

    start_s: float
    end_s: float


class SpeechDetector(Protocol):
    """Voice activity detection (CPU-cheap, synchronous: runs in a worker thread beside its caller)."""

    def speech(self, pcm: NDArray[np.int16]) -> list[Span]:
        """`pcm`: int16 (samples,), mono, 16 kHz → the spans that hold speech, in order, not overlapping."""
        ...


class Diarizer(Protocol):
    """Tells voices apart in one mono channel."""

    def label(self, pcm: NDArray[np.int16], spans: Sequence[Span]) -> list[int]:
        """One voice number (0, 1, … in order of first appearance) for each span."""
        ...


# ── language ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Embedder(Protocol):
    """Text → vectors of unit length."""

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """float32 (len(texts), dimensions)."""
        ...


class Emotion(StrEnum):
    JOY = "joy"
    TRUST = "trust"
    SURPRISE = "surprise"
    NEUTRAL = "neutral"
    FEAR = "fear"
    SADNESS = "sadness"
    FRUSTRATION = "frustration"


class Intention(StrEnum):
    """What a speaker is doing with a sentence."""

    BUYING_SIGNAL = "buying_signal"
    OBJECTION = "objection"
    REQUEST = "request"
    COMMITMENT = "commitment"
    QUESTION = "question"
    INFORMATION = "information"
    SMALL_TALK = "small_talk"


@dataclass(frozen=True, slots=True)
class Mood:
    """How one stretch of text sounds. `valence` in [-1, 1], `arousal` in [0, 1], confidences in [0, 1]."""

    valence: float
    valence_confidence: float
    arousal: float
    emotion: Emotion
    emotion_confidence: float
    intention: Intention
    intention_confidence: float


class SentimentAnalyzer(Protocol):
    async def analyze(self, texts: Sequence[str]) -> list[Mood]:
        """One mood for each text, any mix of Portuguese and English."""
        ...


# ── predictions ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Question:
    """One row to be predicted. `features` by name, None: unknown. `segment` of the customer; `deal_id`, where it is
    about a deal; `events` (steps × channels), where there is a sequence."""

    features: Mapping[str, float | None]
    segment: str | None = None
    deal_id: UUID | None = None
    events: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature's share in a prediction. `impact` is in log-odds; `value` is what the feature was (None: unknown)."""

    feature: str
    value: float | None
    impact: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Something that could be done, and the odds were it done."""

    action: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one question, as the model sees it from the features alone. Intervals are 90 %."""

    probability: float
    low: float
    high: float
    days_to_close: float  # expected, from the moment of prediction
    days_low: float
    days_high: float
    reasons: tuple[Reason, ...]  # all features, largest absolute impact first
    model: str  # its algorithm, or "base_rate", or "rule"
    version: str  # of the model; "0" where there is none
    basis: str  # "tenant" | "segment" | "global" | "base_rate" | "rule": what it rests on
    context: str = "forecast"
    outside: tuple[str, ...] = ()  # features beyond what the model was fitted on
    amount: float = 1.0  # of what the deal is said to be worth, where it is won
    amount_low: float = 1.0
    amount_high: float = 1.0
    what_ifs: tuple[WhatIf, ...] = ()  # largest gain first


class Predictor(Protocol):
    async def predict(
        self, tenant_id: UUID, rows: Sequence[Question], *, context: str = "forecast", source: str = "flow",
        strict: bool = False, what_if: bool = False,
    ) -> list[Prediction]:  # fmt: skip
        """One prediction for each row. `source`: who asks, for the log. `strict`: raise `Invalid` for features that
        nobody knows. `what_if`: also say what could be done about it."""
        ...


class DealInputs(Protocol):
    """What a model is asked about deals, without knowing how their features are built. Raises `NotFound`."""

    async def __call__(self, tx: Tx, deal_ids: Sequence[UUID]) -> list[Question]: ...


# ── content ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Fact:
    """A thing that a draft may say, and where it is known from (`call:<id>@12.5`, `deal:<id>.value`)."""

    name: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Brief:
    """What a draft shall be. Facts are data: nothing in them is ever read as an instruction."""

    kind: str  # follow_up | objection | re_engage | meeting_recap | proposal
    language: str  # pt | en
    tone: str  # friendly | formal | direct
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A written draft. `used` names each fact that appears in it."""

    subject: str
    body: str
    written_by: str
    used: tuple[str, ...]


class TextGenerator(Protocol):
    async def write(self, brief: Brief) -> Text: ...


# ── agents ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Agents(Protocol):
    """The residents of each tenant (its follow-up agent, its pipeline health), wherever they live."""

    async def handle(self, event: Event, resident: str = "agent") -> None:
        """Let one of the tenant's residents take one event. Safe to repeat: a repeated event changes nothing."""
        ...


# ── infrastructure ───────────────────────────────────────────────────────────────────────────────────────────────────


class ObjectStore(Protocol):
    """Bytes by key. A key is a relative posix path; `NotFound` where there is none."""

    async def put(self, key: str, data: bytes | BinaryIO) -> None: ...
    async def get(self, key: str) -> bytes: ...
    async def exists(self, key: str) -> bool: ...
    async def delete(self, key: str) -> None: ...
    async def keys(self, prefix: str) -> list[str]: ...


@runtime_checkable
class Progress(Protocol):
    """How far a running stage is: ephemeral, shown to people, never relied upon."""

    async def set(self, call_id: UUID, stage: str, share: float) -> None: ...
    async def get(self, call_id: UUID) -> tuple[str, float] | None: ...
    async def clear(self, call_id: UUID) -> None: ...


class Limits(Protocol):
    """Asked before something metered is accepted; raises `LimitReached` (402). Billing implements it."""

    async def check(self, tenant_id: UUID, meter: str, amount: int = 1) -> None: ...


@dataclass(frozen=True, slots=True)
class Rate:
    """Where one subject stands: `remaining` of `most` requests in a window of `window_s` seconds, of which some come
    back in `reset_s` seconds."""

    kind: str
    most: int
    window_s: int
    remaining: int
    reset_s: int
    allowed: bool


class RateLimiter(Protocol):
    async def take(self, *subjects: tuple[str, str]) -> list[Rate]:
        """Counts one request of each subject, which is a kind (`address user key tenant`) and who it is. Empty where
        nothing is counted."""
        ...


@dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail of plain text; `id` is the same however often it is sent. `invitation`: a meeting, as iCalendar."""

    id: UUID
    to: str
    subject: str
    text: str
    reply_to: str | None = None
    invitation: str | None = None


class Mailer(Protocol):
    async def send(self, mail: Mail) -> bool:
        """False: nobody is known under that address. Raises `BadInput` for what breaks its header, `Unavailable`."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees; within `radius_km` of it, as far as is known."""

    name: str | None
    latitude: float
    longitude: float
    radius_km: float


class Places(Protocol):
    def find(self, address: str | None) -> Place | None:
        """Where an address is; None where nobody knows."""
        ...


class FindDeal(Protocol):
    """How calls ask for a deal without knowing deals. Raises `NotFound`."""

    async def __call__(self, tx: Tx, deal_id: UUID) -> None: ...


ConsentPurpose = Literal["recording", "analysis", "marketing"]


class MayRecord(Protocol):
    """Is there a basis to keep a recording of the customers who are on it? Raises `Conflict`."""

    async def __call__(
        self, tx: Tx, deal_id: UUID | None, emails: Sequence[str], *,
        purposes: Sequence[ConsentPurpose] = ("recording",),
    ) -> None:  # fmt: skip
        """`emails`: of the customers, as far as they are named. `purposes`: all that is to be done with it."""
        ...


class Consents(Protocol):
    """Is there a legal basis (LGPD art. 7, GDPR art. 6) for a purpose?"""

    async def allows(self, tx: Tx, contact_id: UUID | None, purpose: ConsentPurpose) -> bool:
        """The contact's own word, else what the tenant states for all; `contact_id` None: somebody who is not known."""
        ...

    async def objects(self, tx: Tx, contact_id: UUID, purpose: ConsentPurpose) -> bool:
        """He said no, or was erased before and has not been asked again."""
        ...


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def today(self) -> date: ...


JSON = Mapping[str, Any]
"""A JSON object."""
