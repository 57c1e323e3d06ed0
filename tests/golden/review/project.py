"""A small checked project of real images, for the tests and the benchmark of the review.

The images are the first 24 test images of MNIST and of CIFAR-10, clean and with the benchmarks' own impulse
noise and fog (Mu and Gilmer 2019; Hendrycks and Dietterich 2019). What the model and the check say about them
is made up, but the same each time: the model is wrong about every other sample.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import numpy as np

from driftloop.checker.previews import Preview, make_previews
from driftloop.corruptions import SUITES, corrupt
from driftloop.data.dataset import Dataset, save_dataset
from driftloop.data.window import Answers
from driftloop.estimate import Estimate
from driftloop.findings.drift import Drift, LabelShift, Pick
from driftloop.findings.evaluation import Comparison, DriftComparison, Evaluation, Evaluations, Strip
from driftloop.findings.verdict import Verdict
from driftloop.params.compose import compose, render
from driftloop.review.previews import save_previews

IMAGES = Path(__file__).with_name("images.npz")
CLASSES = {
    "mnist": tuple("0123456789"),
    "cifar10": (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ),
}  # fmt: skip


def build_project(
    folder: Path, dataset: str = "mnist", *, n: int = 24, picks: int = 24, drifted: bool = True
) -> None:
    """Write params.yaml, the train split, window w02 of `n` images as its check left it, and its answers."""
    stored = np.load(IMAGES, allow_pickle=False)
    classes, labels = CLASSES[dataset], stored[f"{dataset}_labels"]
    images = np.resize(stored[f"{dataset}_drifted"], (n, *stored[dataset].shape[1:]))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(render(compose([f"corruptions={dataset}_c"]), []), encoding="utf-8")
    save_dataset(folder / "data/splits/train", Dataset(stored[dataset], labels, dataset, classes))
    save_dataset(folder / "data/windows/w02", Dataset(images, None, "w02", classes))
    predicted = [(int(label) + place % 2) % 10 for place, label in enumerate(np.resize(labels, n))]
    _write_samples(folder / "results/w02/samples.csv", [classes[code] for code in predicted])
    _report(n, picks, drifted).write(folder / "results/w02/drift.json")
    save_previews(folder / "results/w02/previews.safetensors", _previews(dataset, min(n, picks)))
    _write_answers(folder / "answers/w02", np.resize(labels, n), stored, dataset)


@cache
def _previews(dataset: str, picks: int) -> list[Preview]:
    stored, suite = np.load(IMAGES, allow_pickle=False), f"{dataset}_c"
    drifted = stored[f"{dataset}_drifted"]
    return make_previews(
        np.resize(drifted, (picks, *drifted.shape[1:])),
        range(int(0.75 * picks)),
        stored[dataset],
        tuple(SUITES[suite]),
        lambda clean, name: corrupt(clean, suite, name),
        undoable=lambda name: not SUITES[suite][name].geometric,
        seed=0,
    )


def _write_samples(path: Path, predicted: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["index", "predicted", "confidence", "drift_score", "p_value", "kind"])
        for place, name in enumerate(predicted):
            rank = place % 24
            writer.writerow(
                [place, name, 0.99 - 0.02 * rank, 9.5 - 0.3 * rank, 0.001 + 0.003 * rank, "clean"]
            )


def _report(n: int, picks: int, drifted: bool) -> Drift:
    return Drift(
        window="w02",
        n=n,
        statistic=41.5,
        p_value=0.001,
        alpha=0.01,
        drifted=drifted,
        stream=None,
        novel_share=Estimate(0.92, 0.84, 0.97),
        moves=(),
        estimated_accuracy=Estimate(0.41, 0.33, 0.5),
        known_as=None,
        label_shift=LabelShift(0.4, 0.1, "7", 0.2, 0.1),
        kinds=("clean",),
        kind_shares=(1.0,),
        picks=tuple(
            Pick(place, place >= 0.75 * picks, tuple((place + step) % 24 for step in range(5)))
            for place in range(min(n, picks))
        ),
    )


def evaluation_of(verdict: Verdict, *, before: float, after: float) -> Evaluations:
    """What the gate may have found where the only candidate, a filter, won."""
    clean = Comparison(2000, 0.99, 0.99, 0, 0, 0.0, 0.0, 0.0)
    drift = DriftComparison(80, before, after, 40, 0, after - before, 0.1, 0.9, 120, 60, 40, 20, 0)
    won = Evaluation(True, 0.001, 0.02, 0.005, 0.02, drift, clean, clean, {}, None, "Promoted: it helps.")
    strip = Strip((3,), (8,), (3,), taught=False)
    return Evaluations(verdict.window, verdict.digest, "filter", {"filter": won}, (), {}, {}, strip)


def _write_answers(folder: Path, labels: np.ndarray, stored: np.lib.npyio.NpzFile, dataset: str) -> None:
    from driftloop.data.answers import save_answers

    corruption = {"mnist": "impulse_noise", "cifar10": "fog"}[dataset]
    answers = Answers(
        labels=labels.astype(np.int64),
        corrupted=np.ones(len(labels), dtype=bool),
        population_labels=stored[f"{dataset}_labels"].astype(np.int64),
        corruption=corruption,
        severity=None,
        share=1.0,
        wrapped=False,
    )
    save_answers(folder, answers)
