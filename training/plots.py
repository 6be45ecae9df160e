"""What a person looks at before he trusts a model: five pictures, drawn from the rows that only measured."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from core.datascience.models.bundle import unpack
from core.datascience.models.scorers import Inputs, open_scorer
from training.metrics import confusion, reliability

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from training.forecasting import Report

    Floats = NDArray[np.float64]

_MOST_ROWS = 400
_MOST_SEQUENCES = 12
"""Shapley values of sequences are sampled, and take their time."""
_MOST_FEATURES = 15


def pictures(report: Report) -> dict[str, bytes]:
    """Name → PNG: confusion matrix, ROC and precision-recall curve, calibration, and SHAP summary."""
    won, said = report.held_out.evidence.won, report.held_out.evidence.said
    return {
        "plots/confusion.png": _drawn(lambda ax: _confusion(ax, won, said)),
        "plots/roc.png": _drawn(lambda ax: _roc(ax, won, said)),
        "plots/precision_recall.png": _drawn(lambda ax: _precision_recall(ax, won, said)),
        "plots/calibration.png": _drawn(lambda ax: _calibration(ax, won, said)),
        "plots/shap.png": _drawn(lambda ax: _shap(ax, report), size=(8, 6)),
    }


def _drawn(draw: Any, size: tuple[float, float] = (5, 4.5)) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    draw(figure.subplots())
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out, metadata={"Software": None})
    return out.getvalue()


def _confusion(ax: Axes, won: Floats, said: Floats) -> None:
    import numpy as np

    counts = confusion(won, said)
    ax.imshow(counts, cmap="Blues")
    for (row, column), count in np.ndenumerate(counts):
        dark = count > counts.max() / 2
        ax.text(column, row, f"{count:,}", ha="center", va="center", color="white" if dark else "black")
    ax.set_xticks([0, 1], ["said: no", "said: yes"])
    ax.set_yticks([0, 1], ["was: no", "was: yes"])
    ax.set_title("Moments, at one half")


def _roc(ax: Axes, won: Floats, said: Floats) -> None:
    from sklearn.metrics import roc_auc_score, roc_curve

    false, true, _ = roc_curve(won, said)
    ax.plot(false, true)
    ax.plot([0, 1], [0, 1], "--", color="grey")
    ax.set(xlabel="false positives", ylabel="true positives", title=f"ROC, AUC {roc_auc_score(won, said):.3f}")


def _precision_recall(ax: Axes, won: Floats, said: Floats) -> None:
    from sklearn.metrics import average_precision_score, precision_recall_curve

    precision, recall, _ = precision_recall_curve(won, said)
    ax.plot(recall, precision)
    ax.axhline(won.mean(), ls="--", color="grey")
    area = average_precision_score(won, said)
    ax.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02), title=f"Precision and recall, PR-AUC {area:.3f}")


def _calibration(ax: Axes, won: Floats, said: Floats) -> None:
    """Of ten equal bins: what was said against what came, the size of a point being how much was said there."""
    means = reliability(won, said)
    ax.plot([0, 1], [0, 1], "--", color="grey")
    ax.plot(means[:, 0], means[:, 1])
    ax.scatter(means[:, 0], means[:, 1], s=30 + 600 * means[:, 2], alpha=0.6)
    ax.set(xlabel="said", ylabel="came", xlim=(0, 1), ylim=(0, 1), title="Calibration")


def _shap(ax: Axes, report: Report) -> None:
    """Each point is one moment: how far right it lies is how much the feature spoke for the outcome there."""
    import numpy as np

    scorer, inputs = open_scorer(unpack(report.bundle)), report.held_out.inputs
    rows = np.linspace(0, len(inputs.x) - 1, min(len(inputs.x), _MOST_SEQUENCES if scorer.channels else _MOST_ROWS))
    some = _some(inputs, rows.astype(int))
    shares = scorer.contributions(some)[:, :-1]
    order = np.argsort(-np.abs(shares).mean(axis=0))[:_MOST_FEATURES]
    jitter = np.random.default_rng(7).uniform(-0.28, 0.28, len(some.x))
    for height, column in enumerate(order):
        values = some.x[:, column] if column < some.x.shape[1] else np.full(len(some.x), np.nan)
        ax.scatter(shares[:, column], jitter - height, c=_ranks(values), cmap="coolwarm", s=8, vmin=0, vmax=1)
    ax.axvline(0, color="grey", lw=0.8)
    ax.set_yticks([-height for height in range(len(order))], [scorer.columns[column] for column in order])
    ax.set(xlabel="share in the log-odds", title="SHAP; red: high values, blue: low or unknown ones")


def _some(inputs: Inputs, rows: NDArray[np.int64]) -> Inputs:
    if inputs.events is None or inputs.lengths is None:
        return Inputs(inputs.x[rows])
    return Inputs(inputs.x[rows], inputs.events[rows], inputs.lengths[rows])


def _ranks(values: NDArray[np.float32]) -> Floats:
    """In [0, 1]; what is unknown is 0."""
    import numpy as np

    known = ~np.isnan(values)
    found = np.zeros(len(values))
    if known.any():
        different = np.unique(values[known])
        found[known] = np.searchsorted(different, values[known]) / max(1, len(different) - 1)
    return found
