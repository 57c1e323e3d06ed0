"""The test on labels that arrive later: its false alarms, and after how many labels it finds a fall.

`python benchmarks/late_labels.py` writes benchmarks/results/late_labels.json. Each stream draws the errors on
clean images anew, since the reference rate is estimated, too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from driftloop.checker.realised import accuracy_fell

STREAMS, SEED, ALPHA, FALL = 1000, 0, 0.05, 0.05
CALM, FALLEN = 2000, 1000
"""Late labels of a stream whose accuracy has not fallen, and of one where it has."""
ACCURACIES, CLEAN = (0.99, 0.97, 0.95, 0.9), (1000, 5000)
"""Accuracies on clean images, and numbers of clean held-out images."""
BEFORE, USUAL = (200, 1000), (0.95, 1000)
"""Labels before a fall that comes late; accuracy and clean images of these streams."""
MODELS, LEARNT, HELD_OUT = 20, 600, 500
SWAPPED = (3, 8)
RESULT = Path(__file__).parent / "results/late_labels.json"


def main() -> None:
    """Measure and write the figures."""
    generator = np.random.default_rng(SEED)
    drawn = [cell(accuracy, clean, generator) for accuracy in ACCURACIES for clean in CLEAN]
    facts = {"streams": STREAMS, "seed": SEED, "alpha": ALPHA, "fall": FALL, "calm_labels": CALM}
    result = {**facts, "fallen_labels": FALLEN, "drawn": drawn, "digits": digits(generator)}
    result["delayed"] = [delayed(before, np.random.default_rng(SEED)) for before in BEFORE]
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


def cell(accuracy: float, clean: int, generator: np.random.Generator) -> dict[str, Any]:
    """Return the figures of streams that are drawn at one accuracy on clean images."""
    calm = [found(generator.random(CALM) > accuracy, accuracy, clean, generator) for _ in range(STREAMS)]
    worse = accuracy - FALL
    fallen = [found(generator.random(FALLEN) > worse, accuracy, clean, generator) for _ in range(STREAMS)]
    return {
        "accuracy": accuracy,
        "clean_images": clean,
        "false_alarms": float(np.mean(np.isfinite(calm))),
        "power": float(np.mean(np.isfinite(fallen))),
        "median_labels": told(np.median(fallen)),
    }


def delayed(before: int, generator: np.random.Generator) -> dict[str, Any]:
    """Return the figures of streams whose accuracy falls after some labels."""
    accuracy, clean = USUAL
    streams = [
        np.concatenate([generator.random(before) > accuracy, generator.random(FALLEN) > accuracy - FALL])
        for _ in range(STREAMS)
    ]
    alarms = np.array([found(stream, accuracy, clean, generator) for stream in streams])
    after = alarms[alarms > before] - before
    facts = {"before": before, "accuracy": accuracy, "clean_images": clean}
    return {
        **facts,
        "power": float(np.isfinite(after).sum() / (alarms > before).sum()),
        "median_labels": told(np.median(after)),
    }


def digits(generator: np.random.Generator) -> dict[str, Any]:
    """Return the figures of scikit-learn's digits: as they are, and with two classes renamed.

    The images are the same in both. Each model splits the digits anew into images that it learns from, clean
    ones and late ones. A stream has the late ones in an order of its own.
    """
    images, truth = load_digits(return_X_y=True)
    first, second = SWAPPED
    renamed = np.select([truth == first, truth == second], [second, first], truth)
    calm, swapped, accuracies = [], [], []
    for _ in range(MODELS):
        learnt, clean, late = np.split(generator.permutation(len(truth)), [LEARNT, LEARNT + HELD_OUT])
        said = (
            LogisticRegression(max_iter=50, C=0.1)
            .fit(images[learnt] / 16, truth[learnt])
            .predict(images / 16)
        )
        wrong = said != truth
        accuracies.append(1 - wrong[clean].mean())
        for _ in range(STREAMS // MODELS):
            order = generator.permutation(late)
            calm.append(first_alarm(wrong[order], int(wrong[clean].sum()), len(clean)))
            swapped.append(first_alarm((said != renamed)[order], int(wrong[clean].sum()), len(clean)))
    return {
        "models": MODELS,
        "accuracy": float(np.mean(accuracies)),
        "clean_images": HELD_OUT,
        "late_labels": len(truth) - LEARNT - HELD_OUT,
        "swapped": SWAPPED,
        "false_alarms": float(np.mean(np.isfinite(calm))),
        "power": float(np.mean(np.isfinite(swapped))),
        "median_labels": told(np.median(swapped)),
    }


def found(wrong: npt.NDArray[np.bool_], accuracy: float, clean: int, generator: np.random.Generator) -> float:
    """Return the label at which a stream alarms; its reference is drawn."""
    return first_alarm(wrong, int(generator.binomial(clean, 1 - accuracy)), clean)


def first_alarm(wrong: npt.NDArray[np.bool_], errors: int, clean: int) -> float:
    """Return the label at which a stream alarms, infinity where it never does."""
    result = accuracy_fell(wrong, reference_errors=errors, reference_n=clean, alpha=ALPHA)
    return float("inf") if result.alarmed_at is None else result.alarmed_at


def told(labels: np.floating[Any]) -> float | None:
    """Return a number of labels, None where most streams never alarmed."""
    return float(labels) if np.isfinite(labels) else None


if __name__ == "__main__":
    main()
