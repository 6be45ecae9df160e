"""Exact TreeSHAP shares of boosted trees by tables, for a few rows at a time.

What a leaf gives to each feature of its path depends on nothing but which of the path's conditions hold, and a path of
d features has 2^d such cases (Yang, arXiv:2109.09847). They are worked out when a model is opened; a row then takes
comparisons and a look-up, where the libraries walk every tree anew. Trees too deep for that stay with their library.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_TABLE_BYTES = 8 << 20
_WIDTHS = (4, 6, 8)  # features of a path: its cases are the bits of a byte


@dataclass(frozen=True, slots=True)
class Condition:
    """What a path asks of one feature: `low` ≤ value < `high`, or unknown where `missing`. `share`: how many of the
    samples that came to the path's splits by this feature went its way."""

    low: float = -math.inf
    high: float = math.inf
    missing: bool = True
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Leaf:
    value: float
    path: dict[int, Condition]


@dataclass(frozen=True, slots=True)
class Node:
    """A split as both libraries mean it: below `threshold` to the left. A leaf has no children."""

    cover: float
    value: float = 0.0
    feature: int = -1
    threshold: float = 0.0
    missing_left: bool = False
    left: int = -1
    right: int = -1


class TooDeep(Exception):
    """These trees do not fit into tables."""


class LeafTables:
    """`base` is what the shares add to. Raises `TooDeep`."""

    def __init__(self, leaves: Sequence[Leaf], features: int, base: float) -> None:
        self._features, self._base = features, base
        by_width: dict[int, list[Leaf]] = {}
        for leaf in leaves:
            width = next((width for width in _WIDTHS if len(leaf.path) <= width), None)
            if width is None:
                raise TooDeep
            by_width.setdefault(width, []).append(leaf)
        if sum(len(some) * 2**width * width * 4 for width, some in by_width.items()) > MOST_TABLE_BYTES:
            raise TooDeep
        self._groups = [_Group(some, features, width) for width, some in by_width.items()]

    @property
    def nbytes(self) -> int:
        return sum(group.nbytes for group in self._groups)

    def shares(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """float32 (rows, features) → float64 (rows, features + 1); each row adds up to its margin."""
        import numpy as np

        found = np.zeros((len(x), self._features + 1))
        rows = np.zeros((len(x), self._features + 1), np.float32)
        rows[:, :-1] = x
        unknown = np.asarray(np.isnan(x).any(axis=1), np.bool_)
        for row, into, some in zip(rows, found, unknown, strict=True):
            for group in self._groups:
                into += group.shares(row, bool(some))
        found[:, -1] = self._base
        return found


class _Group:
    """Leaves whose paths are about as wide; shorter ones are filled up with what always holds and shares nothing."""

    def __init__(self, leaves: Sequence[Leaf], features: int, width: int) -> None:
        import numpy as np

        shape = (len(leaves), width)
        self._size = features + 1
        self._feature = np.full(shape, features, np.intp)
        self._low, self._high = np.full(shape, -np.inf, np.float32), np.full(shape, np.inf, np.float32)
        self._missing, share = np.ones(shape, np.bool_), np.ones(shape, np.float64)
        for number, leaf in enumerate(leaves):
            for place, (feature, asked) in enumerate(leaf.path.items()):
                self._feature[number, place] = feature
                self._low[number, place], self._high[number, place] = asked.low, asked.high
                self._missing[number, place], share[number, place] = asked.missing, asked.share
        values = np.array([leaf.value for leaf in leaves], np.float64)
        self._table = _cases(values, share).reshape(-1, width)
        self._first = np.arange(len(leaves)) << width
        self._bits = (1 << np.arange(width)).astype(np.uint8)
        self._flat = self._feature.ravel()

    @property
    def nbytes(self) -> int:
        arrays = (self._feature, self._low, self._high, self._missing, self._table, self._first)
        return sum(array.nbytes for array in arrays)

    def shares(self, row: NDArray[np.float32], unknown: bool) -> NDArray[np.float64]:
        """`row`: one row with a 0 behind it; `unknown`: does it hold NaN?"""
        import numpy as np

        values = row.take(self._feature)
        holds = (values >= self._low) & (values < self._high)
        if unknown:
            holds |= self._missing & np.isnan(values)
        case = holds.view(np.uint8) @ self._bits
        given = self._table.take(self._first + case, axis=0)
        return np.bincount(self._flat, given.ravel(), self._size).astype(np.float64, copy=False)


def _cases(values: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float32]:
    """(leaves,), (leaves, width) → what each feature gets in each case, (leaves, 2^width, width)."""
    import numpy as np

    leaves, width = share.shape
    orders = [math.factorial(s) * math.factorial(width - 1 - s) / math.factorial(width) for s in range(width)]
    table = np.empty((leaves, 2**width, width), np.float32)
    for case in range(2**width):
        holds = [float(case >> place & 1) for place in range(width)]
        for mine in range(width):
            # Coefficient s: over all sets of s other features, known ones as they hold and the rest by their share.
            sets = np.zeros((leaves, width))
            sets[:, 0] = 1
            for other in (place for place in range(width) if place != mine):
                known = sets[:, :-1] * holds[other]
                sets *= share[:, other, None]
                sets[:, 1:] += known
            table[:, case, mine] = values * (sets @ orders) * (holds[mine] - share[:, mine])
    return table


def leaves_of(nodes: Sequence[Node]) -> Iterator[Leaf]:
    """The leaves of one tree, whose root comes first."""
    waiting: list[tuple[int, dict[int, Condition]]] = [(0, {})]
    while waiting:
        at, path = waiting.pop()
        node = nodes[at]
        if node.left < 0:
            yield Leaf(node.value, path)
            continue
        before = path.get(node.feature, Condition())
        for child, left in ((node.left, True), (node.right, False)):
            share = before.share * nodes[child].cover / node.cover if node.cover else 0.0
            missing = before.missing and node.missing_left == left
            low, high = (before.low, node.threshold) if left else (node.threshold, before.high)
            asked = Condition(max(before.low, low), min(before.high, high), missing, share)
            waiting.append((child, {**path, node.feature: asked}))


def of_xgboost(model: bytes) -> list[list[Node]]:
    """The trees of a booster saved as JSON. Raises `TooDeep` for what is no plain sum of numeric trees."""
    learner = json.loads(model)["learner"]
    booster, about = learner["gradient_booster"], learner["learner_model_param"]
    if booster["name"] != "gbtree" or int(about["num_class"]) > 1 or int(about.get("num_target", 1)) > 1:
        raise TooDeep
    return [_xgboost_tree(tree) for tree in booster["model"]["trees"]]


def _xgboost_tree(tree: dict[str, Any]) -> list[Node]:
    if any(tree["split_type"]):
        raise TooDeep
    columns = zip(
        tree["sum_hessian"], tree["split_conditions"], tree["split_indices"], tree["default_left"],
        tree["left_children"], tree["right_children"], strict=True,
    )  # fmt: skip
    return [
        Node(cover, value=at) if left < 0 else Node(cover, 0.0, feature, at, bool(default), left, right)
        for cover, at, feature, default, left, right in columns
    ]


def of_lightgbm(model: dict[str, Any]) -> list[list[Node]]:
    """The trees of `Booster.dump_model()`. Raises `TooDeep` for what is no plain sum of numeric trees."""
    if model["num_class"] > 1:
        raise TooDeep
    return [_lightgbm_tree(tree["tree_structure"]) for tree in model["tree_info"]]


def _lightgbm_tree(root: dict[str, Any]) -> list[Node]:
    nodes: list[Node] = []

    def walk(tree: dict[str, Any]) -> int:
        at = len(nodes)
        if "leaf_value" in tree:
            nodes.append(Node(tree.get("leaf_count", 1), value=tree["leaf_value"]))
            return at
        if tree["decision_type"] != "<=" or tree["missing_type"] == "Zero":
            raise TooDeep
        # Without unknown values in training, an unknown one counts as 0.
        missing_left = tree["default_left"] if tree["missing_type"] == "NaN" else tree["threshold"] >= 0
        nodes.append(Node(tree["internal_count"]))
        left, right = walk(tree["left_child"]), walk(tree["right_child"])
        threshold = _above(tree["threshold"])
        nodes[at] = Node(tree["internal_count"], 0.0, tree["split_feature"], threshold, missing_left, left, right)
        return at

    walk(root)
    return nodes


def _above(threshold: float) -> float:
    """The smallest float32 above it: there `value <= threshold` is `value < that`."""
    import numpy as np

    near = np.float32(threshold)
    return float(near if float(near) > threshold else np.nextafter(near, np.float32(np.inf)))
