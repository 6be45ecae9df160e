"""What goes over the socket `/v1/live`, in both directions.

The client speaks in JSON, and in binary messages for sound: four bytes with the running number of the frame (unsigned,
most significant byte first, counted from 1), then the frame. The server speaks in JSON. Its events bear a running
`number` of the session, which rises by one for each and with which a client comes back; answers (`ack`, `resumed`,
`pong`, `error`) bear none. All times are seconds from the first sample of the session.
"""

from __future__ import annotations

import json
import struct
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError, model_validator

from core.calls.schemas import Participant
from core.kit.errors import BadInput, FieldProblem, Invalid
from core.ports import Side

_NUMBER = struct.Struct(">I")
MOST_TEXT = 16_384  # characters of one message in JSON
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]

# ── from the client ──────────────────────────────────────────────────────────────────────────────────────────────────


class FromClient(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Start(FromClient):
    """Begin a session. One channel: of whom it is, where that is known. Two: whose each is, interleaved in PCM16.
    Opus comes as bare packets (RFC 6716), one in each frame. Without a language the company's is taken."""

    type: Literal["start"]
    encoding: Literal["pcm16", "opus"] = "pcm16"
    sample_rate_hz: Literal[8_000, 16_000, 24_000, 48_000] = 16_000
    channels: list[Side] = Field([Side.UNKNOWN], min_length=1, max_length=2)
    language: Literal["pt", "en"] | None = None
    deal_id: UUID | None = None
    title: Annotated[str, StringConstraints(max_length=200)] | None = None
    participants: list[Participant] = Field([], max_length=20)

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if len(self.channels) == 2 and set(self.channels) != {Side.SELLER, Side.CUSTOMER}:
            raise ValueError("of two channels one is the seller's and one the customer's")
        if self.encoding == "opus" and self.sample_rate_hz != 48_000:
            raise ValueError("Opus has 48000 Hz: set sample_rate_hz to it")
        return self


class Resume(FromClient):
    """Go on with a session after the connection was lost, on any server: all events after `last_event` come (partial
    ones only where nothing newer is known), and `resumed` says which frame was taken last."""

    type: Literal["resume"]
    session: UUID
    last_event: int = Field(0, ge=0)


class Ask(FromClient):
    """Suggest something now. `text`: about what; without it, about what was said last."""

    type: Literal["ask"]
    text: Text | None = None


class Feedback(FromClient):
    """What the seller thinks of a suggestion. `rating` of 1 to 5 goes with `rate` alone."""

    type: Literal["feedback"] = "feedback"
    suggestion: UUID
    verdict: Literal["accept", "dismiss", "rate"]
    rating: int | None = Field(None, ge=1, le=5)

    @model_validator(mode="after")
    def _rated(self) -> Self:
        if (self.verdict == "rate") != (self.rating is not None):
            raise ValueError("send `rating` with the verdict `rate`, and only with it")
        return self


class End(FromClient):
    """The call is over. `session_ended` follows once all that was sent is heard."""

    type: Literal["end"]


class Ping(FromClient):
    """Answered by `pong`, for clients that cannot ping by the protocol."""

    type: Literal["ping"]


Opening = Annotated[Start | Resume, Field(discriminator="type")]
Said = Annotated[Ask | Feedback | End | Ping, Field(discriminator="type")]
OPENING: TypeAdapter[Start | Resume] = TypeAdapter(Opening)
SAID: TypeAdapter[Ask | Feedback | End | Ping] = TypeAdapter(Said)


def parsed(kind: TypeAdapter[Any], text: str) -> Any:
    """Raises `Invalid`, naming each wrong field, or `BadInput`."""
    if len(text) > MOST_TEXT:
        raise BadInput(f"A message in JSON has at most {MOST_TEXT} characters. Sound goes in binary messages.")
    try:
        return kind.validate_json(text)
    except ValidationError as error:
        problems = [FieldProblem(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
        raise Invalid("Mend the fields named in `errors` and send it again.", problems=problems) from None


def frame(number: int, payload: bytes) -> bytes:
    """A binary message."""
    return _NUMBER.pack(number) + payload


def unframed(message: bytes) -> tuple[int, bytes]:
    """Number and payload of a binary message. Raises `BadInput`."""
    if len(message) <= _NUMBER.size:
        raise BadInput("A frame is four bytes with its number, and then its sound.")
    number: int = _NUMBER.unpack_from(message)[0]
    if number == 0:
        raise BadInput("Frames are counted from 1.")
    return number, message[_NUMBER.size :]


# ── from the server ──────────────────────────────────────────────────────────────────────────────────────────────────


class Event(BaseModel):
    """`number` is set where the event is kept."""

    number: int = 0
    at_s: float = Field(description="Where in the sound it belongs")


class SessionStarted(Event):
    """Send frames from 1 on. After a lost connection the session waits `resumable_s` for its client."""

    type: Literal["session_started"] = "session_started"
    session: UUID
    language: Literal["pt", "en"]
    channels: list[Side]
    resumable_s: float


class SpeechStarted(Event):
    type: Literal["speech_started"] = "speech_started"
    side: Side
    utterance: int = Field(description="Counts up from 0 for each side")


class SpokenWord(BaseModel):
    text: str
    start_s: float
    end_s: float
    confidence: float


class Partial(Event):
    """The tail of an utterance that may yet change; it stands behind the utterance's stable text."""

    type: Literal["partial"] = "partial"
    side: Side
    utterance: int
    text: str


class Stable(Event):
    """All of an utterance that will not change any more. It only ever grows."""

    type: Literal["stable"] = "stable"
    side: Side
    utterance: int
    text: str
    words: list[SpokenWord]


class Final(Event):
    """The whole of an utterance that is over."""

    type: Literal["final"] = "final"
    side: Side
    utterance: int
    text: str
    words: list[SpokenWord]


class Intent(Event):
    """What somebody is doing with what he says."""

    type: Literal["intent"] = "intent"
    side: Side
    utterance: int
    intent: str
    confidence: float
    text: str


class Objection(Event):
    type: Literal["objection"] = "objection"
    side: Side
    utterance: int
    kind: str
    confidence: float
    text: str


class Suggestion(Event):
    """Something to say or do. `source`: where it is known from. Tell what came of it by `feedback`."""

    type: Literal["suggestion"] = "suggestion"
    id: UUID
    kind: Literal["objection", "technique", "impact_phrase", "question"]
    text: str
    source: str
    confidence: float
    asked: bool = Field(False, description="It answers an `ask`")


class Battlecard(Event):
    """What to know of a competitor that was named. Feedback as of a suggestion."""

    type: Literal["battlecard"] = "battlecard"
    id: UUID
    kind: Literal["battlecard"] = "battlecard"
    text: str
    source: str
    confidence: float
    asked: bool = False


class Metrics(Event):
    """How the talk goes. `talk_share` of each side sums to 1; pace in words a minute of speech; `longest_monologue_s`
    of each side."""

    type: Literal["metrics"] = "metrics"
    talk_share: dict[Side, float]
    words_per_minute: dict[Side, float]
    longest_monologue_s: dict[Side, float]


class Mood(Event):
    """The customer's of late, or of all who are heard on one channel. `valence` in [-1, 1]; `trend`: how much better it
    is than some sentences ago."""

    type: Literal["mood"] = "mood"
    side: Side
    utterance: int
    valence: float
    trend: float
    emotion: str


class Warned(Event):
    """Something is not as it should be, and the session goes on."""

    type: Literal["warning"] = "warning"
    code: Literal["damaged_audio", "behind", "no_answer", "monologue", "ending_soon"]
    detail: str


class SessionEnded(Event):
    """The last event. `call_id`: the recorded call that it became; None where there was no sound worth keeping."""

    type: Literal["session_ended"] = "session_ended"
    reason: Literal["ended", "client_gone", "too_long", "consent_withdrawn", "failed"]
    duration_s: float
    call_id: UUID | None
    detail: str | None = None


class Ack(BaseModel):
    """All frames up to this one are kept: they need not be held any longer."""

    type: Literal["ack"] = "ack"
    frame: int


class Resumed(BaseModel):
    """Send frames after `frame`; events after `last_event` follow."""

    type: Literal["resumed"] = "resumed"
    session: UUID
    frame: int
    last_event: int


class Pong(BaseModel):
    type: Literal["pong"] = "pong"


class Refused(BaseModel):
    """Why the socket is closed at once after this, with the code 4000 + `status`; see RFC 9457."""

    type: Literal["error"] = "error"
    status: int
    detail: str
    problem: str


FROM_CLIENT: tuple[type[BaseModel], ...] = (Start, Resume, Ask, Feedback, End, Ping)
EVENTS: tuple[type[Event], ...] = (
    SessionStarted, SpeechStarted, Partial, Stable, Final, Intent, Objection, Suggestion, Battlecard, Metrics, Mood,
    Warned, SessionEnded,
)  # fmt: skip
ANSWERS: tuple[type[BaseModel], ...] = (Ack, Resumed, Pong, Refused)


def reason_of(payload: bytes) -> str:
    """Why a session ends, of what was noted in the store."""
    reason: str = json.loads(payload)["reason"]
    return reason


def asked(payload: bytes) -> str | None:
    """What a suggestion was asked about."""
    text: str | None = json.loads(payload).get("text")
    return text
