"""A network over sequences, by ONNX Runtime. Shares are Shapley values by sampling: permutations of the features, each
walked forwards and backwards (antithetic sampling, Mitchell et al., arXiv:2104.12199), unknown features filled in from
the samples of `background.npz`.

A sequence counts as one feature. The shares add up to the margin exactly, since every walk ends there; how far each is
from its true value is measured in the tests. Walks are drawn from one seed, so the same input has the same reasons.

A network with an input `which`, int64 (rows,), reads each sequence once, however many rows share it: explaining takes
some thousand rows over a few sequences.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from core.datascience.models.bundle import Bundle
from core.datascience.models.scorers import EVENTS, Inputs
from core.kit.errors import BadAnswer, BadInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WALKS = 64
"""Pairs of walks for each row."""
_MOST_ROWS = 4096  # in one run of the network


class SequenceScorer:
    def __init__(self, bundle: Bundle, *, walks: int = WALKS) -> None:
        import numpy as np
        import onnxruntime

        self.columns = (*bundle.meta.names, EVENTS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        model = bundle.files["model.onnx"]
        self._session = onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
        inputs = {given.name for given in self._session.get_inputs()}
        with np.load(io.BytesIO(bundle.files["background.npz"]), allow_pickle=False) as held:
            self._background = Inputs(
                held["static"].astype(np.float32), held["events"].astype(np.float32), held["lengths"].astype(np.int64)
            )
        if not inputs <= {"events", "lengths", "static", "which"} or self._background.x.shape[1] != len(
            bundle.meta.names
        ):
            raise BadAnswer("The network takes other inputs than its bundle names. Train it again.")
        self.channels = _given(self._background)[0].shape[2]
        self._inputs = inputs
        self._walks = walks
        self.nbytes = 3 * len(model) + self._background.x.nbytes + _given(self._background)[0].nbytes

    def warm(self) -> None:
        return None

    def margins(self, inputs: Inputs) -> NDArray[np.float64]:
        import numpy as np

        events, lengths = _given(inputs)
        parts = [
            self._run(inputs.x[at : at + _MOST_ROWS], events[at : at + _MOST_ROWS], lengths[at : at + _MOST_ROWS])
            for at in range(0, len(inputs.x), _MOST_ROWS)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _run(
        self, x: NDArray[np.float32], events: NDArray[np.float32], lengths: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        import numpy as np

        fed = {"static": x, "events": events, "lengths": lengths, "which": np.arange(len(x))}
        [margin] = self._session.run(["margin"], {name: fed[name] for name in self._inputs})
        return np.asarray(margin, np.float64).ravel()

    def contributions(self, inputs: Inputs) -> NDArray[np.float64]:
        import numpy as np

        events, lengths = _given(inputs)
        rows = [self._row(inputs.x[n], events[n], lengths[n]) for n in range(len(inputs.x))]
        return np.array(rows).reshape(len(rows), len(self.columns) + 1)

    def _row(self, x: NDArray[np.float32], events: NDArray[np.float32], length: np.int64) -> NDArray[np.float64]:
        """Each walk starts from a sample of the background and takes the row's own features in one after another."""
        import numpy as np

        rng, players, back = np.random.default_rng(7), len(self.columns), self._background
        taken = rng.permutation(np.resize(np.arange(len(back.x)), self._walks))
        order = rng.permuted(np.tile(np.arange(players), (self._walks, 1)), axis=1)
        order = np.concatenate([order, order[:, ::-1]])
        start = np.concatenate([taken, taken])
        # place[w, f]: when walk w takes f in; known[w, s, f]: is it in after s steps?
        place = np.argsort(order, axis=1)
        known = place[:, None, :] < np.arange(players + 1)[None, :, None]
        if "which" in self._inputs:
            values = self._shared(x, events, length, start, known)
        else:
            values = self.margins(_mixed(x, events, length, back, start, known))
        values = values.reshape(len(order), players + 1)
        shares = np.zeros(players)
        np.add.at(shares, order.ravel(), np.diff(values, axis=1).ravel())
        return np.append(shares / len(order), values[:, 0].mean())

    def _shared(
        self, x: NDArray[np.float32], events: NDArray[np.float32], length: np.int64, start: NDArray[np.int64],
        known: NDArray[np.bool_],
    ) -> NDArray[np.float64]:  # fmt: skip
        """Margins of the same rows as `_mixed` makes: the row's own sequence is the last."""
        import numpy as np

        back_events, back_lengths = _given(self._background)
        steps = max(events.shape[0], back_events.shape[1])
        every = np.zeros((len(back_events) + 1, steps, self.channels), np.float32)
        every[:-1, : back_events.shape[1]], every[-1, : events.shape[0]] = back_events, events
        fed = {
            "events": every, "lengths": np.append(back_lengths, length),
            "static": np.where(known[:, :, :-1], x, self._background.x[start][:, None, :]).reshape(-1, len(x)),
            "which": np.where(known[:, :, -1], len(back_events), start[:, None]).ravel(),
        }  # fmt: skip
        [margin] = self._session.run(["margin"], fed)
        return np.asarray(margin, np.float64).ravel()


def _given(inputs: Inputs) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if inputs.events is None or inputs.lengths is None:
        raise BadInput("This model reads sequences; send `events` and `lengths` beside the features.")
    return inputs.events, inputs.lengths


def _mixed(
    x: NDArray[np.float32], events: NDArray[np.float32], length: np.int64, back: Inputs, start: NDArray[np.int64],
    known: NDArray[np.bool_],
) -> Inputs:  # fmt: skip
    """The row where `known` (walks, steps, features + 1) says so, elsewhere the sample that its walk starts from."""
    import numpy as np

    back_events, back_lengths = _given(back)
    steps = max(events.shape[0], back_events.shape[1])
    own = np.pad(events, ((0, steps - events.shape[0]), (0, 0)))
    others = np.pad(back_events, ((0, 0), (0, steps - back_events.shape[1]), (0, 0)))
    heard = known[:, :, -1]
    static = np.where(known[:, :, :-1], x, back.x[start][:, None, :])
    mixed = np.where(heard[:, :, None, None], own, others[start][:, None])
    lengths = np.where(heard, length, back_lengths[start][:, None])
    return Inputs(
        static.reshape(-1, len(x)), mixed.reshape(-1, steps, own.shape[1]).astype(np.float32), lengths.ravel()
    )  # fmt: skip
