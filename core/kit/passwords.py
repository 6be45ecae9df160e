"""What is a good password (NIST SP 800-63B, 5.1.1.2): long enough, and none of the first guesses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated

from pydantic import StringConstraints

from core.kit.errors import FieldProblem, Invalid

NewPassword = Annotated[str, StringConstraints(min_length=10, max_length=200)]
_LEAST_SCORE = 3  # of 0 to 4: 10^8 guesses and more
_JUDGED = 72  # characters; what is longer is not weaker


async def check_password(password: str, *known: str) -> None:
    """`known`: names and addresses that a guesser would try first. Raises `Invalid`."""
    if await asyncio.to_thread(_score, password, known) < _LEAST_SCORE:
        says = "is guessed too easily: take several words that do not belong together, none of them a name"
        raise Invalid("The password is too weak.", problems=[FieldProblem("body.password", says)])


def _score(password: str, known: Iterable[str]) -> int:
    from zxcvbn import zxcvbn  # lists of common words, read when first needed

    words = [part for text in known for part in [text, *text.replace("@", " ").replace(".", " ").split()] if part]
    return int(zxcvbn(password[:_JUDGED], user_inputs=words)["score"])
