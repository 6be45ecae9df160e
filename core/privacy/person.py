"""Who somebody is to the house: the rows that are his, and the words that mean nobody else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

_LEAST_PHONE = 7  # letters: a shorter number is found in other numbers


@dataclass(frozen=True, slots=True)
class Person:
    """`deal_ids`: whose contact he is. `call_ids`: in which he took part. `emails` in lower case.

    `words` mean him wherever they stand; `common` are names of one word, or that others bear too, and mean him only in
    his own deals.
    """

    contact_ids: tuple[UUID, ...] = ()
    user_ids: tuple[UUID, ...] = ()
    deal_ids: tuple[UUID, ...] = ()
    call_ids: tuple[UUID, ...] = ()
    emails: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    common: tuple[str, ...] = ()


def tell_apart(
    names: Collection[str], emails: Collection[str], phones: Collection[str], *, taken: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(words that mean this person alone, names that do so only in his own deals). `taken`: what others of the tenant
    are called, in lower case."""
    full = {name for name in names if len(name.split()) > 1}
    long = {phone for phone in phones if len(phone) >= _LEAST_PHONE}
    words = {word for word in full | long | set(emails) if word.lower() not in taken}
    return tuple(sorted(words)), tuple(sorted(set(names) - words))
