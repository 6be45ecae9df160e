"""The one tree of errors.

    SalesEdgeError
    ├── BadInput                 400  the request cannot be understood
    │   ├── Invalid              422  understood, but fields are wrong (names each)
    │   ├── BadAudio             422  the file is no audio that we take
    │   ├── UnsupportedMediaType 415  the body is of a kind that no route takes
    │   ├── SlowRequest          408  the body came too slowly
    │   └── TooLarge             413  over a limit of size or length
    ├── BadEvent                 500  an event does not fit the schema of its type
    ├── Unauthenticated          401
    │   └── SecondFactorNeeded   401  the password is right, the code is missing
    ├── Forbidden                403
    │   └── ReauthenticationNeeded 403  the log-in is too old for what is sensitive
    ├── LimitReached             402  over the plan's limit
    ├── NotFound                 404
    ├── Conflict                 409  the state does not allow it, or a key was used for something else
    │   └── NotPublic            409  an address that was given leads into a private network
    ├── PreconditionFailed       412  `If-Match` names a version that is no longer the present one
    ├── TooManyRequests          429  (retryable)
    ├── Timeout                  504  (retryable)
    └── Unavailable              503  (retryable) a part that we need does not answer
        └── BadAnswer            502  (retryable) it answered, with nonsense

Status and `retryable` sit on the class: the HTTP layer and the workers read them there and nowhere else. The message
is for the person who reads it and says what to do; it never holds personal data or content.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field; `field` is its path, as in `body.participants.0.email`."""

    field: str
    message: str


class SalesEdgeError(Exception):
    """Root of the tree."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, problems: Sequence[FieldProblem] = (), **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = tuple(problems)
        self.extra = extra

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.detail, self.problems, self.extra)


def _rebuild(
    kind: type[SalesEdgeError], detail: str, problems: tuple[FieldProblem, ...], extra: dict[str, Any]
) -> SalesEdgeError:
    return kind(detail, problems=problems, **extra)


class BadInput(SalesEdgeError):
    status = 400
    title = "The request cannot be understood"


class Invalid(BadInput):
    status = 422
    title = "Some fields are wrong"


class BadAudio(BadInput):
    status = 422
    title = "The file cannot be used as audio"


class UnsupportedMediaType(BadInput):
    status = 415
    title = "The body is of a kind that is not taken"


class SlowRequest(BadInput):
    status = 408
    title = "The request came too slowly"


class TooLarge(BadInput):
    status = 413
    title = "Over a limit of size"


class BadEvent(SalesEdgeError):
    title = "An event does not fit its schema"


class Unauthenticated(SalesEdgeError):
    status = 401
    title = "Log in first"


class SecondFactorNeeded(Unauthenticated):
    title = "A second factor is needed"


class Forbidden(SalesEdgeError):
    status = 403
    title = "Not allowed"


class ReauthenticationNeeded(Forbidden):
    title = "Prove that it is you"


class LimitReached(SalesEdgeError):
    status = 402
    title = "The plan's limit is reached"


class NotFound(SalesEdgeError):
    status = 404
    title = "Not found"


class Conflict(SalesEdgeError):
    status = 409
    title = "The present state does not allow it"


class NotPublic(Conflict):
    title = "The address is not on the public internet"


class PreconditionFailed(SalesEdgeError):
    status = 412
    title = "It was changed in the meantime"


class TooManyRequests(SalesEdgeError):
    status = 429
    title = "Too many requests"
    retryable = True


class Timeout(SalesEdgeError):
    status = 504
    title = "It took too long"
    retryable = True


class Unavailable(SalesEdgeError):
    status = 503
    title = "A part of the service does not answer"
    retryable = True


class BadAnswer(Unavailable):
    status = 502
    title = "A part of the service answered badly"
