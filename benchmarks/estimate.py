"""How far off is the accuracy that a person is told, before anybody has labelled and after a review?

    python benchmarks/estimate.py [--datasets mnist,fashion_mnist] [--windows 8] [--samples 48,96]

A window of 200 images arrives from each family of MNIST-C and from scikit-learn's digits. The detector has
learnt from generic damages alone. For each dataset one line of JSON tells the mean absolute error in points
and how often the 95 % interval held the window's true accuracy.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from driftloop.checker.check import DriftReport, check_window
from driftloop.checker.exposure import expose
from driftloop.checker.fitted import FittedDetector, fit_detector
from driftloop.corruptions import SUITES, corrupt
from driftloop.estimate import Told, widened, with_labels
from driftloop.improver.lesson import Samples
from driftloop.models.predict import predict
from natural import WINDOW, Material, digits

CALIBRATION, DRAWS = 5000, 99


def fitted(material: Material) -> FittedDetector:
    """Return a detector that half of the clean images taught."""
    classifier, method = material.classifier, material.params["detector"]
    images, labels = (getattr(material.pool, name)[:CALIBRATION] for name in ("images", "labels"))
    most = method["reference"]
    return fit_detector(
        predict(classifier, material.train.images[:most]),
        predict(classifier, images),
        spec=method["method"],
        classes=material.train.labels[:most],
        exposure=expose(images, labels, lambda damaged: predict(classifier, damaged), seed=0),
        seed=0,
    )


def windows(material: Material, each: int) -> Iterator[tuple[str, int, Samples]]:
    """Yield the family, a seed and the images of so many windows of each family."""
    suite = material.params["corruptions"]
    for seed in range(each):
        if material.dataset == "mnist":
            yield "digits", seed, digits(material, 100 + seed).window
        for name in SUITES[suite]:
            rng = np.random.default_rng([seed, 7])
            rows = CALIBRATION + rng.choice(len(material.pool) - CALIBRATION, WINDOW, replace=False)
            severity = SUITES[suite][name].default_severity
            images = corrupt(material.pool.images[rows], suite, name, severity, rng)
            yield name, seed, Samples(images, material.pool.labels[rows])


def errors(report: DriftReport, window: Samples, samples: list[int], seed: int) -> dict[str, Any]:
    """Return error, and whether the interval held: without labels, and after so many samples were shown."""
    right = report.samples.predicted == window.labels
    if report.estimated_accuracy is None:
        raise SystemExit("Nothing taught the detector how accurate the model is.")
    before = widened(report.estimated_accuracy, report.novel_share)
    told = {"0": before}
    rng = np.random.default_rng(seed)
    for n in samples:
        random, strange = (
            [pick.index for pick in report.picks if pick.random == kind] for kind in (True, False)
        )
        random = rng.permutation(random)[: n // 2].tolist()
        index = np.array(sorted(random + strange[: n - len(random)]))
        signs = np.column_stack([report.samples.confidence, report.samples.drift_score])
        told[str(n)] = with_labels(before, Told(index, right[index], np.isin(index, random), signs))
    true = float(right.mean())
    return {n: (abs(found.estimate - true), found.low <= true <= found.high) for n, found in told.items()}


def main() -> None:
    """Print a line for each dataset."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", default="mnist,fashion_mnist")
    parser.add_argument("--windows", type=int, default=8, help="of each family")
    parser.add_argument("--samples", default="48,96", help="shown in a review; half of them at random")
    parser.add_argument("--work", type=Path, default=Path(".driftloop/benchmark"))
    given = parser.parse_args()
    samples = [int(n) for n in given.samples.split(",")]
    for dataset in given.datasets.split(","):
        material = Material(dataset, given.work)
        detector = fitted(material)
        found: dict[str, list[dict[str, Any]]] = {}
        for name, seed, window in windows(material, given.windows):
            features = predict(material.classifier, window.images)
            report = check_window(detector, features, draws=DRAWS, picks=max(samples), seed=seed)
            found.setdefault(name, []).append(errors(report, window, samples, seed))
        for n in ("0", *map(str, samples)):
            off = {name: 100 * np.mean([each[n][0] for each in cells]) for name, cells in found.items()}
            held = [each[n][1] for cells in found.values() for each in cells]
            row = {"dataset": dataset, "shown": int(n), "windows": len(held)}
            row |= {
                "error": round(float(np.mean(list(off.values()))), 2),
                "worst_family": max(off, key=off.get),
            }
            row |= {"its_error": round(max(off.values()), 2), "held": round(float(np.mean(held)), 3)}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
