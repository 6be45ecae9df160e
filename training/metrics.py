"""How good a probability is."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def classification(
    truth: NDArray[np.float64], odds: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> dict[str, float]:
    """AUC, PR-AUC, Brier, ECE (ten equal bins), accuracy, F1 and MCC at one half; all (samples,)."""
    from sklearn import metrics as sk

    said = odds >= 0.5
    return {
        "auc": float(sk.roc_auc_score(truth, odds, sample_weight=weights)),
        "pr_auc": float(sk.average_precision_score(truth, odds, sample_weight=weights)),
        "brier": float(sk.brier_score_loss(truth, odds, sample_weight=weights)),
        "ece": ece(truth, odds, weights),
        "accuracy": float(sk.accuracy_score(truth, said, sample_weight=weights)),
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
