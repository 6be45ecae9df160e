"""Point-in-time joins: for each question (which entity, at which moment, knowing what was known by when) the newest row
that answers it. What happened later, and what was only known later, is never in an answer.

Vectorised, and bounded also where much was written late: O((rows + questions) · log rows).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]

_LATEST = 2**62
_STEPS = 3


@dataclass(frozen=True, slots=True)
class Log:
    """What was written, each int64 (rows,): about which entity, when it was so, from when on it was known, in
    microseconds since 1970. Of rows that agree in all three the last one counts."""

    entity: Whole
    event_us: Whole
    known_us: Whole


@dataclass(frozen=True, slots=True)
class Questions:
    """Each int64 (questions,). `known_us` None: everything that is known today may answer."""

    entity: Whole
    at_us: Whole
    known_us: Whole | None = None


def as_of(log: Log, questions: Questions, *, most_age_us: int | None = None) -> Whole:
    """int64 (questions,): the place in the log of the row that answers, -1 where nothing does. It is the one with the
    latest event up to the moment that was known by then; of several at that event the one known last.
    `most_age_us`: older events answer nothing."""
    import numpy as np

    if not len(log.entity) or not len(questions.entity):
        return np.full(len(questions.entity), -1, np.int64)
    keys, wanted = _keys(log, questions)
    order = _order(keys, log.known_us)
    place = _last_up_to(keys[order], wanted)
    if questions.known_us is not None:
        place = _last_known(log.known_us[order], place, questions.known_us)
    row = order[place]  # the last one where there is none; told apart below
    found = (place >= 0) & (log.entity[row] == questions.entity)
    if most_age_us is not None:
        found &= questions.at_us - log.event_us[row] <= most_age_us
    return np.where(found, row, -1)


def _keys(log: Log, questions: Questions) -> tuple[Whole, Whole]:
    """One number for entity and time, of each row and of each question: numbers sort faster than pairs."""
    import numpy as np

    entity, wanted, count = _small(log.entity, questions.entity)
    first_us, last_us = np.full(count, _LATEST), np.full(count, -_LATEST)
    np.minimum.at(first_us, entity, log.event_us)
    np.maximum.at(last_us, entity, log.event_us)
    first_us, last_us = np.minimum(first_us, last_us), np.maximum(first_us, last_us)
    # Each entity gets a stretch of numbers as long as its own history: all of them fit where one for all would not.
    width = np.where(last_us == _LATEST, 1, last_us - first_us + 2)
    if width.astype(np.float64).sum() < _LATEST:
        base = np.cumsum(width) - width + 1 - first_us
        at_us = np.clip(questions.at_us, first_us[wanted] - 1, last_us[wanted])
        return base[entity] + log.event_us, base[wanted] + at_us
    times, event = np.unique(log.event_us, return_inverse=True)
    at = np.searchsorted(times, questions.at_us, side="right")
    return entity * (len(times) + 1) + event + 1, wanted * (len(times) + 1) + at


def _small(entity: Whole, wanted: Whole) -> tuple[Whole, Whole, int]:
    """Entities as numbers from nought on, and how many those are. One that is not there gets some number."""
    import numpy as np

    low, high = int(entity.min()), int(entity.max())
    if high - low < 4 * len(entity):
        return entity - low, np.clip(wanted, low, high) - low, high - low + 1
    names, codes = np.unique(entity, return_inverse=True)
    return codes, np.minimum(np.searchsorted(names, wanted), len(names) - 1), len(names)


def _order(keys: Whole, known_us: Whole) -> Whole:
    """Places of the log by key, knowledge, and as they stood."""
    import numpy as np

    order = np.argsort(keys)
    found = keys[order]
    same = np.concatenate([[False], found[1:] == found[:-1], [False]])
    twins = np.flatnonzero(same[1:] | same[:-1])
    if len(twins):
        rows = order[twins]
        order[twins] = rows[np.lexsort((rows, known_us[rows], keys[rows]))]
    return order


def _last_up_to(keys: Whole, wanted: Whole) -> Whole:
    """The last place of a key that is not above the wanted one, -1 where all are. Sorted questions look near each
    other, which is several times faster than jumping about."""
    import numpy as np

    asked = np.argsort(wanted)
    place = np.empty(len(wanted), np.int64)
    place[asked] = np.searchsorted(keys, wanted[asked], side="right") - 1
    return place


def _last_known(known_us: Whole, place: Whole, by_us: Whole) -> Whole:
    """The last place up to `place` whose row was known in time, -1 where there is none, by a tree of minima: most
    questions are answered by the row they first look at or one near it, and the others climb and descend the tree."""
    import numpy as np

    found = place.copy()
    late = np.flatnonzero((place >= 0) & (known_us[place] > by_us))
    for _ in range(_STEPS):  # mostly the one before was in time
        if not len(late):
            return found
        found[late] -= 1
        late = late[(found[late] >= 0) & (known_us[found[late]] > by_us[late])]
    tree, size = _minima(known_us)
    node, by = found[late] + size, by_us[late]
    open_ = np.arange(len(late))
    while len(open_):  # up, and to the left wherever there is a left, until a subtree holds a row known in time
        at = node[open_]
        is_left = (at & 1) == 0
        at = np.where(is_left, at >> 1, at - 1)
        node[open_] = np.where(at > 1, at, 0)
        arrived = ~is_left & (tree[at] <= by[open_])
        open_ = open_[~arrived & (at > 1)]
    while (inner := (node > 0) & (node < size)).any():
        right = 2 * node + 1
        fits = tree[np.minimum(right, len(tree) - 1)] <= by
        node = np.where(inner, np.where(fits, right, right - 1), node)
    found[late] = np.where(node > 0, node - size, -1)
    return found


def _minima(values: Whole) -> tuple[Whole, int]:
    """A complete binary tree in an array: the leaves from `size` on, each other node the lower of its two children."""
    import numpy as np

    size = 1 << max(1, (len(values) - 1).bit_length())
    tree = np.full(2 * size, np.iinfo(np.int64).max)
    tree[size : size + len(values)] = values
    level = size
    while level > 1:
        half = level >> 1
        np.minimum(tree[level : 2 * level : 2], tree[level + 1 : 2 * level : 2], out=tree[half:level])
        level = half
    return tree, size
