"""Fit the heads for valence, arousal, emotion and intention on the sentences of this folder, and measure them.

python -m training.sentiment            fits, writes core/engines/heads/sentiment.npz, prints its quality
python -m training.sentiment --measure  only measures what is there on sets that it never saw
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from core.engines.embeddings import ENCODERS, Encoder
from core.engines.sentiment import HEADS, SentimentHead
from core.ports import Emotion, Intention

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SENTENCES = Path(__file__).parent / "sentences"
DEFAULT = "e5"


@dataclass(frozen=True, slots=True)
class Sentence:
    """`intention` None: an opinion, labelled with valence alone."""

    text: str
    language: str
    valence: float
    arousal: float | None = None
    emotion: str | None = None
    intention: str | None = None


def sentences() -> list[Sentence]:
    found = []
    for language in ("pt", "en"):
        for group in yaml.safe_load((SENTENCES / f"{language}.yaml").read_text("utf-8")):
            labels = (group["valence"], group["arousal"], group["emotion"], group["intention"])
            found += [Sentence(text, language, *labels) for text in group["sentences"]]
    opinions = yaml.safe_load((SENTENCES / "opinions.yaml").read_text("utf-8"))
    for language, sides in opinions.items():
        for side, texts in sides.items():
            found += [Sentence(text, language, 0.8 if side == "positive" else -0.8) for text in texts]
    return found


def fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(SENTENCES.glob("*.yaml")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def train(encoder: Encoder, target: Path = HEADS) -> dict[str, Any]:
    """Fit on everything, write the arrays, and return the quality that cross-validation found."""
    import numpy as np

    data = sentences()
    vectors = encoder.encode([s.text for s in data])
    whole = [n for n, s in enumerate(data) if s.intention is not None]
    charged = [n for n, s in enumerate(data) if abs(s.valence) >= 0.2]
    tasks: dict[str, tuple[list[int], list[Any], float]] = {
        "intention": (whole, [data[n].intention for n in whole], 30.0),
        "emotion": (whole, [data[n].emotion for n in whole], 30.0),
        "valence": (charged, [data[n].valence > 0 for n in charged], 12.0),
    }
    arrays: dict[str, Any] = {}
    quality: dict[str, Any] = {"encoder": encoder.name, "sentences": len(data)}
    for task, (rows, labels, strength) in tasks.items():
        weights, bias, quality[task] = _logistic(vectors[rows], labels, strength, [data[n].language for n in rows])
        arrays[f"{task}_w"], arrays[f"{task}_b"] = weights, bias
    arrays["arousal_w"], arrays["arousal_b"] = _ridge(vectors[whole], [data[n].arousal or 0.0 for n in whole])
    meta = {
        "encoder": encoder.name, "fingerprint": fingerprint(), "quality": quality,
        "emotions": sorted({str(data[n].emotion) for n in whole}),
        "intentions": sorted({str(data[n].intention) for n in whole}),
    }  # fmt: skip
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez(target, meta=np.array(json.dumps(meta)), **{k: v.astype(np.float32) for k, v in arrays.items()})
    return quality


def _logistic(x: NDArray[np.float32], labels: Sequence[Any], strength: float, languages: Sequence[str]) -> Any:
    """Weights, bias and cross-validated quality of one classifier; scores are logits for a softmax."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    y = np.array(labels)
    model = LogisticRegression(C=strength, max_iter=3000, class_weight="balanced")
    said = cross_val_predict(model, x, y, cv=StratifiedKFold(5, shuffle=True, random_state=7))
    quality = {"accuracy": float(accuracy_score(y, said)), "macro_f1": float(f1_score(y, said, average="macro"))}
    for language in ("pt", "en"):
        here = np.array([name == language for name in languages])
        quality[f"accuracy_{language}"] = float(accuracy_score(y[here], said[here]))
    model.fit(x, y)
    weights, bias = model.coef_.T, model.intercept_
    if weights.shape[1] == 1:  # two classes: one logit, said as two
        weights, bias = np.concatenate([0 * weights, weights], 1), np.array([0.0, float(bias[0])])
    return weights, bias, quality


def _ridge(x: NDArray[np.float32], y: Sequence[float]) -> Any:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=0.3).fit(x, y)
    return model.coef_[:, None], model.intercept_.reshape(1)


def evaluate_real(encoder: Encoder, head: SentimentHead, folder: Path) -> Iterator[dict[str, Any]]:
    """Quality on sets that nobody here wrote and nothing was fitted on; what is missing is left out."""
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score, roc_auc_score

    for name, texts, truth in _opinions(folder):
        moods = head.moods(encoder.encode([text[:600] for text in texts]))
        scores = [mood.valence for mood in moods]
        accuracy = accuracy_score(truth, [score > 0 for score in scores])
        yield {
            "set": name,
            "task": "valence",
            "n": len(texts),
            "accuracy": accuracy,
            "auc": roc_auc_score(truth, scores),
        }
    path = folder / "resper" / "negotiations.csv"
    if path.is_file():
        texts, truth = _resistance(path)
        moods = head.moods(encoder.encode([text[:600] for text in texts]))
        said = [mood.intention is Intention.OBJECTION for mood in moods]
        yield {
            "set": "resper", "task": "objection", "n": len(texts), "share": sum(truth) / len(truth),
            "precision": precision_score(truth, said), "recall": recall_score(truth, said), "f1": f1_score(truth, said),
        }  # fmt: skip


def _opinions(folder: Path) -> Iterator[tuple[str, list[str], list[bool]]]:
    path = folder / "sst2" / "dev.tsv"
    if path.is_file():
        pairs = [line.rsplit("\t", 1) for line in path.read_text("utf-8").splitlines()]
        yield "sst2 (en)", [text for text, _ in pairs], [label == "1" for _, label in pairs]
    reviews = folder / "books_reviews_pt"
    if reviews.is_dir():
        good = (reviews / "pos.txt").read_text("utf-8").splitlines()
        bad = (reviews / "neg.txt").read_text("utf-8").splitlines()
        yield "books_reviews_pt", good + bad, [True] * len(good) + [False] * len(bad)


def _resistance(path: Path) -> tuple[list[str], list[bool]]:
    """Turns of negotiations; any kind of resistance counts as an objection."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Text"].strip()]
    neutral = ("", "not_a_resistance_strategy", "not-a-resistance-strategy")
    return [row["Text"] for row in rows], [row["Resistance Labels"].strip().lower() not in neutral for row in rows]


def main() -> None:
    encoder = ENCODERS[os.environ.get("SALESEDGE_MODELS__EMBEDDER", DEFAULT)]()
    if "--measure" not in sys.argv:
        print(json.dumps(train(encoder)))
    head = SentimentHead()
    assert {Emotion(name) for name in head.meta["emotions"]} <= set(Emotion)
    for line in evaluate_real(encoder, head, Path(os.environ.get("SALESEDGE_DATA", "../shared/data"))):
        print(json.dumps(line))


if __name__ == "__main__":
    main()
