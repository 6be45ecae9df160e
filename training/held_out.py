"""The rows that a training only measures on: what its own model says of them, and what any other bundle would say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.datascience.models.bundle import unpack
from core.datascience.models.calibration import Calibration
from core.datascience.models.evidence import Evidence
from core.datascience.models.scorers import Inputs, open_scorer
from core.kit.errors import BadAnswer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """`inputs` of all rows, their columns by `names`; `evidence`: outcomes, and what the own model said. `base_rate`:
    the share won among the deals that were learnt from."""

    names: tuple[str, ...]
    inputs: Inputs
    evidence: Evidence
    base_rate: float

    def said_by(self, bundle: bytes) -> Floats:
        """Probabilities (rows,). Raises `BadAnswer` for a bundle that reads other features."""
        import numpy as np

        opened = unpack(bundle)
        if strange := set(opened.meta.names) - set(self.names):
            raise BadAnswer(f"The model reads {', '.join(sorted(strange))}, which nobody builds any more.")
        scorer = open_scorer(opened)
        if scorer.channels and self.inputs.events is None:
            raise BadAnswer("The model reads sequences, and these rows have none.")
        x = self.inputs.x[:, [self.names.index(name) for name in opened.meta.names]]
        inputs = Inputs(np.ascontiguousarray(x), self.inputs.events, self.inputs.lengths)
        return Calibration.from_json(opened.meta.calibration).probability(scorer.margins(inputs))
