"""How a stay in a stage ends, where some stays have not ended yet: Kaplan and Meier (1958), with several ends told
apart as Aalen and Johansen (1978) do.

Left-out open deals would make a stage look faster and better than it is; counted as lost, worse. A loss is no open deal
either: it ends the stay, so it takes away from what can still go ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ends:
    """Of all who came into a stage: the share that went `ahead`, was lost (`behind`), went `back`, and of which it is
    open (`undecided`). `median_days`: within which half of them left; None where fewer than half did."""

    ahead: float
    behind: float
    back: float
    undecided: float
    median_days: int | None
    stays: int


def ends(over: Mapping[tuple[str, int], int], lasting: Mapping[int, int]) -> Ends | None:
    """`over`: (end, length in days) → how many. `lasting`: days so far → how many. None where there are none."""
    at_risk = stays = sum(over.values()) + sum(lasting.values())
    if stays == 0:
        return None
    shares = {"ahead": 0.0, "behind": 0.0, "back": 0.0}
    staying, median_days = 1.0, None
    for length in sorted({length for _, length in over} | set(lasting)):
        left = {end: over.get((end, length), 0) for end in shares}
        for end, count in left.items():
            shares[end] += staying * count / at_risk
        gone = sum(left.values())
        staying *= 1 - gone / at_risk
        if median_days is None and staying <= 0.5:
            median_days = length
        at_risk -= gone + lasting.get(length, 0)
        if at_risk == 0:
            break
    return Ends(shares["ahead"], shares["behind"], shares["back"], staying, median_days, stays)
