"""How good a probability is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def classification(
    truth: NDArray[np.float64], odds: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> dict[str, float]:
    """AUC, PR-AUC, Brier, ECE (ten equal bins); accuracy, precision, recall, F1 and MCC at one half; all (samples,)."""
    from sklearn import metrics as sk

    said = odds >= 0.5
    return {
        "auc": float(sk.roc_auc_score(truth, odds, sample_weight=weights)),
        "pr_auc": float(sk.average_precision_score(truth, odds, sample_weight=weights)),
        "brier": float(sk.brier_score_loss(truth, odds, sample_weight=weights)),
        "ece": ece(truth, odds, weights),
        "accuracy": float(sk.accuracy_score(truth, said, sample_weight=weights)),
        "precision": float(sk.precision_score(truth, said, sample_weight=weights, zero_division=0)),
        "recall": float(sk.recall_score(truth, said, sample_weight=weights, zero_division=0)),
        "f1": float(sk.f1_score(truth, said, sample_weight=weights, zero_division=0)),
        "mcc": float(sk.matthews_corrcoef(truth, said, sample_weight=weights)),
    }


def ece(truth: NDArray[np.float64], odds: NDArray[np.float64], weights: NDArray[np.float64] | None = None) -> float:
    """Expected calibration error (Naeini et al., 2015)."""
    import numpy as np

    w = np.ones_like(odds) if weights is None else weights
    place = np.minimum((odds * 10).astype(int), 9)
    gaps = [
        abs(np.average(truth[here], weights=w[here]) - np.average(odds[here], weights=w[here])) * w[here].sum()
        for bin_ in range(10)
        if (here := place == bin_).any()
    ]
    return float(sum(gaps) / w.sum())


def confusion(truth: NDArray[np.float64], odds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts (2, 2): a row for what was (no, yes), a column for what was said of it at one half (no, yes)."""
    import numpy as np

    counts = np.zeros((2, 2), np.int64)
    np.add.at(counts, (truth.astype(int), (odds >= 0.5).astype(int)), 1)
    return counts


def reliability(truth: NDArray[np.float64], odds: NDArray[np.float64], bins: int = 10) -> NDArray[np.float64]:
    """A row for each of `bins` equal bins that holds something: what was said there on average, the share that came
    true, and the bin's share of all. The calibration error is the mean gap between the first two."""
    import numpy as np

    place = np.minimum((odds * bins).astype(int), bins - 1)
    held = [place == number for number in np.unique(place)]
    return np.array([[odds[here].mean(), truth[here].mean(), here.mean()] for here in held])
