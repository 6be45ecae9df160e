"""An LSTM over what happened to a deal, with the features of the moment beside it (Hochreiter and Schmidhuber, 1997).

    events  (sequences, steps, channels) → LSTM → the state after the last event (sequences, hidden)
    which   (rows,)                      → that state of each row's sequence              ┐
    static  (rows, features)             → unknown filled in, scaled, what was unknown    ┴→ 2 layers → margin (rows,)

Many rows can share a sequence, as explanations need it: the LSTM runs once for each sequence, the layers for each row.

It learns in epochs and can be stopped after any that was kept: the weights, the optimizer and the place are one state,
and the order of the rows follows from the seed and the epoch alone. The result is `model.onnx`, which ONNX Runtime
scores without torch, and samples to explain against.
"""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.algorithms.table import Fitted, Table, both_outcomes

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

BACKGROUND = 32
"""Rows that explanations start from."""
_ROWS_AT_ONCE = 4096
Kept = Callable[[int, bytes], None]
"""Takes the number of epochs done, and the state."""


class Lstm:
    """Recipe: `epochs batch hidden dropout learning_rate weight_decay checkpoint_every_epochs seed`."""

    def fit(self, table: Table, how: Mapping[str, Any]) -> Fitted:
        return fit(table, how)

    def margins(self, fitted: Fitted, table: Table) -> NDArray[np.float64]:
        import numpy as np
        import onnxruntime

        assert table.events is not None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(fitted.files["model.onnx"], options, providers=["CPUExecutionProvider"])
        found = [np.zeros(0)]
        for start in range(0, len(table.x), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            x = table.x[rows]
            given = {
                "events": table.events[rows], "lengths": _lengths(table)[rows], "static": x, "which": np.arange(len(x)),
            }  # fmt: skip
            found.append(np.asarray(session.run(["margin"], given)[0], np.float64))
        return np.concatenate(found)


def fit(table: Table, how: Mapping[str, Any], *, keep: Path | None = None) -> Fitted:
    """In this process, on one thread. `keep`: a folder in which the state is kept; what lies there already goes on."""
    both_outcomes(table)
    at = keep / "state.pt" if keep is not None else None
    state = at.read_bytes() if at is not None and at.exists() else None

    def kept(_: int, raw: bytes) -> None:
        if at is not None:
            at.parent.mkdir(parents=True, exist_ok=True)
            at.with_suffix(".new").write_bytes(raw)
            os.replace(at.with_suffix(".new"), at)

    return exported(learn(table, how, state=state, kept=kept), table)


def learn(
    table: Table, how: Mapping[str, Any], *, state: bytes | None = None, kept: Kept = lambda _epoch, _state: None,
    rank: int = 0, world: int = 1, wrap: Callable[[Any], Any] = lambda net: net,
) -> Any:  # fmt: skip
    """The network after all epochs. Worker `rank` of `world` learns from every so many-th row; `wrap` makes the workers
    learn together."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(how["seed"])
        net = network(table, how)
        optimizer = torch.optim.AdamW(net.parameters(), how["learning_rate"], weight_decay=how["weight_decay"])
        first = _restore(state, net, optimizer) if state is not None else 0
        together = wrap(net)
        for epoch in range(first, how["epochs"]):
            _epoch(together, optimizer, table, how, epoch, rank, world)
            if (epoch + 1) % how["checkpoint_every_epochs"] == 0 or epoch + 1 == how["epochs"]:
                kept(epoch + 1, _state(net, optimizer, epoch + 1))
        return net.eval()
    finally:
        torch.set_num_threads(threads)


def network(table: Table, how: Mapping[str, Any]) -> Any:
    """Untaught, with the scale of the features in it."""
    import numpy as np
    import torch
    from torch import nn

    assert table.events is not None, "an LSTM learns from events"
    known = np.where(np.isnan(table.x).all(axis=0), 0.0, table.x)  # a column that is never known says nothing
    fill, spread = np.nanmedian(known, axis=0), np.nanstd(known, axis=0)

    class Network(nn.Module):
        fill: torch.Tensor
        scale: torch.Tensor

        def __init__(self, channels: int, features: int, hidden: int, dropout: float) -> None:
            super().__init__()
            self.lstm = nn.LSTM(channels, hidden, batch_first=True)
            self.head = nn.Sequential(
                nn.Dropout(dropout), nn.Linear(hidden + 2 * features, hidden), nn.ReLU(), nn.Linear(hidden, 1)
            )
            self.register_buffer("fill", torch.tensor(fill, dtype=torch.float32))
            self.register_buffer("scale", torch.tensor(np.where(spread > 1e-6, spread, 1.0), dtype=torch.float32))

        def forward(
            self, events: torch.Tensor, lengths: torch.Tensor, static: torch.Tensor, which: torch.Tensor
        ) -> torch.Tensor:  # fmt: skip
            unknown = torch.isnan(static)
            x = ((torch.where(unknown, self.fill, static) - self.fill) / self.scale).clamp(-8, 8)
            # (sequences, steps, hidden); what is behind the last event changes nothing before it
            out, _ = self.lstm(events)
            last = (lengths - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, out.shape[2])
            seen = out.gather(1, last).squeeze(1)[which]
            margin: torch.Tensor = self.head(torch.cat([seen, x, unknown.to(x.dtype)], 1)).squeeze(1)
            return margin

    return Network(table.events.shape[2], table.x.shape[1], how["hidden"], how["dropout"])


def _lengths(table: Table) -> NDArray[np.int64]:
    assert table.lengths is not None, "an LSTM is told how many events there are"
    return table.lengths


def _epoch(
    net: Any, optimizer: Any, table: Table, how: Mapping[str, Any], epoch: int, rank: int, world: int
) -> None:  # fmt: skip
    import numpy as np
    import torch

    assert table.events is not None
    order = np.random.default_rng((how["seed"], epoch)).permutation(len(table.y))[rank::world]
    order = order[: len(table.y) // world] if world > 1 else order  # as many steps for each worker
    torch.manual_seed(how["seed"] * 1_000 + epoch)
    weight = table.weight / table.weight.mean()
    net.train()
    for start in range(0, len(order), how["batch"]):
        rows = order[start : start + how["batch"]]
        long = _lengths(table)[rows]
        margin = net(
            torch.from_numpy(table.events[rows][:, : max(1, int(long.max()))]), torch.from_numpy(long),
            torch.from_numpy(table.x[rows]), torch.arange(len(rows)),
        )  # fmt: skip
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            margin, torch.from_numpy(table.y[rows].astype(np.float32)),
            torch.from_numpy(weight[rows].astype(np.float32)),
        )  # fmt: skip
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()


def _state(net: Any, optimizer: Any, epochs: int) -> bytes:
    import torch

    out = io.BytesIO()
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epochs": epochs}, out)
    return out.getvalue()


def _restore(state: bytes, net: Any, optimizer: Any) -> int:
    """The number of epochs done."""
    import torch

    held = torch.load(io.BytesIO(state), weights_only=True)
    net.load_state_dict(held["net"])
    optimizer.load_state_dict(held["optimizer"])
    return int(held["epochs"])


def restored(state: bytes, table: Table, how: Mapping[str, Any]) -> Any:
    """The network of a state, as it was learnt by somebody else."""
    import torch

    net = network(table, how)
    _restore(state, net, torch.optim.AdamW(net.parameters()))
    return net.eval()


def exported(net: Any, table: Table) -> Fitted:
    """`model.onnx` for any number of rows, sequences and steps, and a background of evenly spread rows."""
    import numpy as np
    import torch

    assert table.events is not None
    columns = (table.events[:2], _lengths(table)[:2], table.x[:3], np.array([0, 1, 0]))
    axes = {
        "events": {0: "sequences", 1: "steps"}, "lengths": {0: "sequences"}, "static": {0: "rows"},
        "which": {0: "rows"}, "margin": {0: "rows"},
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="salesedge-onnx-") as folder, warnings.catch_warnings():
        at = Path(folder) / "model.onnx"
        warnings.simplefilter("ignore")
        # Torch's older exporter: its newer one fixes axes by chance, and names nodes by a count that goes on.
        torch.onnx.export(
            net, tuple(torch.from_numpy(column) for column in columns), at,
            input_names=["events", "lengths", "static", "which"], output_names=["margin"], dynamic_axes=axes,
            dynamo=False, opset_version=18,
        )  # fmt: skip
        model = at.read_bytes()
    picked = np.linspace(0, len(table.y) - 1, min(BACKGROUND, len(table.y))).astype(int)
    background = io.BytesIO()
    np.savez(background, static=table.x[picked], events=table.events[picked], lengths=_lengths(table)[picked])
    return Fitted("lstm", {"model.onnx": model, "background.npz": background.getvalue()})
