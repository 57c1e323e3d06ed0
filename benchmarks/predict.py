"""How much of the bare network's speed is left in `driftloop predict`? On the same images, in turns.

    python benchmarks/predict.py

Takes the network of `benchmarks/improve.py` (made where it is missing), with and without a filter, and 4,000
MNIST images, half of them corrupted. Reading the file is left out on both sides; writing CSV is not. Writes
`benchmarks/results/predict.json`: images a second, median of five turns, and the ratio.
"""

from __future__ import annotations

import csv
import io
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from driftloop.commands.predict import predicted_rows
from driftloop.corruptions import corrupt
from driftloop.data.read_images import NamedImages
from driftloop.files import write_json
from driftloop.improver.imitate import Imitation
from driftloop.improver.lesson import Lesson
from driftloop.improver.train_filter import FilterSettings, train_filter
from driftloop.models.classifier import Classifier
from driftloop.models.predict import batch_size
from improve_material import Material

TURNS = 5
RESULTS = Path(__file__).parent / "results/predict.json"


def main() -> None:
    """Measure both, in turns."""
    material = Material("mnist", 0, Path(".driftloop/benchmark"))
    incumbent = material.classifier.to("cpu")
    clean = np.asarray(material.train.images[:4_000])
    images = clean.copy()
    images[::2] = corrupt(clean[::2], "mnist_c", "fog", None, np.random.default_rng(0))
    repaired = train_filter(
        incumbent,
        Lesson(
            material.train,
            Imitation("mnist_c", {("fog", 3): 1.0}),
            calibration=material.calibration.images,
        ),
        spec={"_target_": "driftloop.improver.filters.GatedDenoiser"},
        settings=FilterSettings(steps=50),
        seed=0,
    )
    found: dict[str, Any] = {
        name: compare(classifier, images)
        for name, classifier in (("plain", incumbent), ("with a filter", repaired))
    }
    found["environment"] = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "images": len(images),
        "turns": TURNS,
    }
    write_json(RESULTS, found)
    print(found)


def compare(classifier: Classifier, images: np.ndarray[Any, np.dtype[np.uint8]]) -> dict[str, float]:
    """Time the classifier alone, its filters included, against the rows that are printed."""
    named = NamedImages(images, tuple(f"images.npy[{place}]" for place in range(len(images))), ())

    size = batch_size(classifier, len(images))

    def bare() -> None:
        with torch.inference_mode():
            for start in range(0, len(images), size):
                classifier(torch.from_numpy(images[start : start + size])).numpy()

    def printed() -> None:
        writer = csv.DictWriter(io.StringIO(), ["name", "class", "confidence", "filters"])
        writer.writerows(predicted_rows(classifier, named))

    both: list[Callable[[], None]] = [bare, printed]
    times = np.array([[seconds(work) for work in both] for _ in range(TURNS + 1)])[1:]  # the first warms up
    speed = len(images) / np.median(times, axis=0)
    return {
        "bare": round(float(speed[0])),
        "predict": round(float(speed[1])),
        "ratio": round(float(speed[1] / speed[0]), 3),
    }


def seconds(work: Callable[[], None]) -> float:
    """Return how long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
