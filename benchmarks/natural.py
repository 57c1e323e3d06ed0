"""Drifts that no suite holds: how do the repairs fare where nobody can name what happened?

    python benchmarks/natural.py [--cases digits,glass_blur] [--methods retrain,finetune] [--labels 20,50,100]
        [--seeds 0,1,2] [--minutes 60]

A window of 200 images arrives. Every method gets the same labels of it, starts from the same model, and
is scored on images of the same kind that no window shows, and on clean ones. No method is told what
happened, and a corruption of a suite is withheld from all that a repair learns from.

Each figure is written to `benchmarks/results/natural.json` as soon as it is measured, and is not
measured again: a run that was cut short goes on. `--anew` forgets those that were asked for. The page
`docs/benchmark-natural.md` is made from all that is there; with `--minutes 0` that is all that is done.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from driftloop.checker.picks import pick_samples
from driftloop.corruptions import SUITES, corrupt
from driftloop.data.split import split_indices
from driftloop.files import read_json, write_json, write_text
from driftloop.improver.comparison import compare
from driftloop.improver.evidence import gather
from driftloop.improver.gate import judge
from driftloop.improver.imitate import Imitation, imitate
from driftloop.improver.lesson import Lesson, Samples
from driftloop.improver.margin import AUTO, clean_side
from driftloop.improver.refit import refit
from driftloop.improver.retrain import RetrainSettings, retrain
from driftloop.improver.reviewed import Parts, Reviewed, part
from driftloop.models.classifier import Classifier
from driftloop.models.predict import predict
from driftloop.params.compose import compose
from improve_anchors import align_statistics, fine_tune, head_then_all, linear_head, nearest_head, tent
from improve_cells import machine
from material import kept_classifier, kept_dataset
from natural_table import table

HERE = Path(__file__).parent
WINDOW, UNSEEN, CLEAN, TRAINED = 200, 1000, 2000, 16_000
"""Images: of a window, of its kind to score on, clean ones to score on, and those that trained the model."""
EPOCHS = 3
LABELS = (20, 50, 100)
ASKED = 100
"""Disagreements that a person labels for the gate at most."""


@dataclass(frozen=True)
class Material:
    """MNIST or Fashion-MNIST, and a model trained on a part of it. All seeds share both."""

    dataset: str
    work: Path

    @cached_property
    def params(self) -> dict[str, Any]:
        """The parameters of the dataset's preset, with a shorter training."""
        params = dict(compose([f"dataset={self.dataset}"]))
        return params | {"train": {**params["train"], "epochs": EPOCHS}}

    @cached_property
    def _parts(self) -> tuple[Any, Samples, Samples]:
        data = kept_dataset(self.params, self.work / self.dataset)
        rows = split_indices(len(data), {"clean": CLEAN, "pool": 10_000}, 0)
        held_out = (data.take(rows[name]) for name in ("clean", "pool"))
        clean, pool = (Samples(each.images, each.known_labels) for each in held_out)
        return data.take(rows["train"][:TRAINED]), clean, pool

    @property
    def train(self) -> Samples:
        """What the model was trained on."""
        return Samples(self._parts[0].images, self._parts[0].known_labels)

    @property
    def clean(self) -> Samples:
        """Clean images to score on."""
        return self._parts[1]

    @property
    def pool(self) -> Samples:
        """Clean images that drifts are done to."""
        return self._parts[2]

    @cached_property
    def classifier(self) -> Classifier:
        """The model before any repair."""
        return kept_classifier(self.params, self._parts[0], self.work / f"natural-{self.dataset}", 0)


@dataclass(frozen=True)
class Drift:
    """What arrives.

    Attributes:
        window: the images that may be reviewed.
        unseen: others of the same kind.
        many: labelled images of the kind, for the ceiling.
    """

    window: Samples
    unseen: Samples
    many: Samples


def digits(material: Material, seed: int) -> Drift:  # noqa: ARG001 (all cases take it)
    """Draw scikit-learn's digits: other writers, another scanner, 8 x 8 pixels enlarged to 28 x 28."""
    from sklearn.datasets import load_digits

    levels, labels = load_digits(return_X_y=True)
    small = torch.from_numpy(levels.reshape(-1, 1, 8, 8) / 16).float()
    large = torch.nn.functional.interpolate(small, size=28, mode="bilinear", align_corners=False)
    images = (large[:, 0, :, :, None] * 255).round().byte().numpy()
    order = np.random.default_rng(seed).permutation(len(images))
    return _cut(Samples(images[order], labels[order].astype(np.int64)), 700)


def corrupted(name: str, share: float = 1.0) -> Callable[[Material, int], Drift]:
    """Return what does a suite's corruption to a share of clean images, at the severity of the benchmarks."""

    def draw(material: Material, seed: int) -> Drift:
        rng, suite = np.random.default_rng(seed), material.params["corruptions"]
        order = rng.permutation(len(material.pool))
        images, labels = material.pool.images[order].copy(), material.pool.labels[order]
        hit = rng.random(len(images)) < share
        images[hit] = corrupt(images[hit], suite, name, SUITES[suite][name].default_severity, rng)
        return _cut(Samples(images, labels), UNSEEN)

    return draw


def _cut(samples: Samples, unseen: int) -> Drift:
    parts = [slice(WINDOW), slice(WINDOW, WINDOW + unseen), slice(WINDOW + unseen, None)]
    return Drift(*(Samples(samples.images[part], samples.labels[part]) for part in parts))


CASES: dict[str, tuple[str, str | None, Callable[[Material, int], Drift]]] = {
    "digits": ("mnist", None, digits),
    "digits_30_percent": ("mnist", None, lambda material, seed: mixed(material, seed, 0.3)),
    **{
        f"mnist_{name}": ("mnist", name, corrupted(name))
        for name in ("glass_blur", "zigzag", "stripe", "fog", "rotate", "canny_edges")
    },
    **{
        f"fashion_{name}": ("fashion_mnist", name, corrupted(name))
        for name in ("glass_blur", "zigzag", "stripe", "fog", "rotate", "canny_edges")
    },
}
"""Name → dataset, the family that is withheld, and what draws a drift."""


def mixed(material: Material, seed: int, share: float) -> Drift:
    """Mix scikit-learn's digits into clean images."""
    drift = digits(material, seed)
    rng = np.random.default_rng([seed, 1])
    clean = rng.permutation(len(material.pool))

    def mix(samples: Samples) -> Samples:
        other = rng.random(len(samples)) > share
        rows = clean[: len(samples)]
        images = np.where(other[:, None, None, None], material.pool.images[rows], samples.images)
        return Samples(images, np.where(other, material.pool.labels[rows], samples.labels))

    return Drift(*(mix(each) for each in (drift.window, drift.unseen, drift.many)))


@dataclass(frozen=True)
class Case:
    """A drift under a seed, and what all methods share."""

    name: str
    seed: int
    work: Path

    @cached_property
    def material(self) -> Material:
        """The clean data and the model."""
        return _material(CASES[self.name][0], self.work)

    @cached_property
    def drift(self) -> Drift:
        """What arrives."""
        return CASES[self.name][2](self.material, self.seed)

    def picks(self, n: int) -> dict[int, bool]:
        """Return the samples that are labelled, and whether each was drawn at random: half of them."""
        features = predict(self.material.classifier, self.drift.window.images)
        shifted = features.logits - features.logits.max(1, keepdims=True)
        picked = pick_samples(
            np.exp(shifted.astype(np.float64)).sum(1),
            features.embeddings,
            count=n,
            surely_novel=1.0,
            random_share=0.5,
            seed=self.seed,
        )
        return {pick.index: pick.random for pick in picked}

    @cached_property
    def imitation(self) -> Imitation:
        """The drift as it is read off the window by whoever knows no name for it."""
        suite, withheld = self.material.params["corruptions"], CASES[self.name][1]
        return imitate(
            self.material.classifier,
            self.material.train.images,
            self.drift.window.images,
            suite=suite,
            corruptions=[name for name in SUITES[suite] if name != withheld],
            seed=self.seed,
        )

    def labelled(self, n: int) -> Samples:
        """Return n labelled samples."""
        return self._samples(np.array(sorted(self.picks(n))))

    def _samples(self, rows: Any) -> Samples:
        return Samples(self.drift.window.images[rows], self.drift.window.labels[rows])

    @cached_property
    def answers(self) -> Any:
        """What the model makes of the window before any repair."""
        return predict(self.material.classifier, self.drift.window.images).logits.argmax(1)

    def reviewed(self, n: int) -> tuple[Reviewed, Parts]:
        """Return n labelled samples, and what the window's samples are for."""
        index = np.array(sorted(picks := self.picks(n)))
        reviewed = Reviewed(index, self.drift.window.labels[index])
        return reviewed, part(reviewed, picks, WINDOW, answers=self.answers)

    def promotes(self, candidate: Classifier, n: int) -> bool:
        """Send a candidate that n labels have taught through the gate, with as many labels as it asks for."""
        (reviewed, parts), window = self.reviewed(n), self.drift.window
        learnt = np.union1d(parts.taught.index, parts.unlabelled)
        answers = predict(candidate, window.images).logits.argmax(1)
        evidence = gather(reviewed, self.picks(n), learnt, self.answers, answers, self.seed)
        asked = {int(index): int(window.labels[index]) for index in evidence.ask(ASKED, {})}
        clean, alpha = self.material.clean, self.material.params["gate"]["alpha"]
        before, after = (
            predict(model, clean.images).logits.argmax(1) == clean.labels
            for model in (self.material.classifier, candidate)
        )
        margin = clean_side(len(clean), float(before.mean()), AUTO, alpha).margin
        on_clean, tally = compare(before, after, alpha), evidence.tally(asked)
        drift = evidence.compare(asked, alpha)
        return judge(drift, on_clean, tally=tally, alpha=alpha, margin=margin).promote

    def repaired(self, how: str, n: int) -> Classifier:
        """Repair as the pipeline does, on n labels."""
        _, parts = self.reviewed(n)
        unlabelled = self.drift.window.images[parts.unlabelled]
        taught = self._samples(parts.taught.index)
        lesson = Lesson(self.material.train, self.imitation, reviewed=taught, window=unlabelled)
        if how == "refit":
            return refit(self.material.classifier, lesson, seed=self.seed)
        settings = RetrainSettings(**self.material.params["retrain"])
        return retrain(self.material.classifier, lesson, settings=settings, seed=self.seed)


_material = lru_cache(maxsize=2)(Material)
Method = Callable[[Case, int], Classifier]
WITHOUT_LABELS: dict[str, Method] = {
    "none": lambda case, _: case.material.classifier,
    "batch_norm": lambda case, _: align_statistics(case.material.classifier, case.drift.window.images),
    "tent": lambda case, _: tent(case.material.classifier, case.drift.window.images, seed=case.seed),
    "ceiling": lambda case, _: fine_tune(
        case.material.classifier, case.material.train, case.drift.many, steps=600, seed=case.seed
    ),
}
WITH_LABELS: dict[str, Method] = {
    "finetune": lambda case, n: fine_tune(
        case.material.classifier, case.material.train, case.labelled(n), steps=300, seed=case.seed
    ),
    "lp_ft": lambda case, n: head_then_all(
        case.material.classifier, case.material.train, case.labelled(n), steps=300, seed=case.seed
    ),
    "linear_head": lambda case, n: linear_head(
        case.material.classifier, case.material.train, case.labelled(n), steps=300, seed=case.seed
    ),
    "3_nn_head": lambda case, n: nearest_head(case.material.classifier, case.labelled(n), neighbours=3),
    "refit": lambda case, n: case.repaired("refit", n),
    "retrain": lambda case, n: case.repaired("retrain", n),
}
METHODS = WITHOUT_LABELS | WITH_LABELS
PIPELINE = ("refit", "retrain")


def main() -> None:
    """Measure what was asked for, and write it down."""
    given = _arguments()
    stop = time.monotonic() + 60 * given.minutes
    methods, labels = given.methods.split(","), [int(n) for n in given.labels.split(",")]
    for name in given.cases.split(","):
        for seed in map(int, given.seeds.split(",")):
            case = Case(name, seed, given.work)
            for method in methods:
                for n in labels if method in WITH_LABELS else [0]:
                    if time.monotonic() < stop and (given.anew or not _kept(given.results, case, method, n)):
                        _keep(given.results, case, method, n, _measure(case, method, n))
    write_text(given.table, table(read_json(given.results)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--labels", default=",".join(map(str, LABELS)))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--minutes", type=float, default=np.inf, help="begin nothing later")
    parser.add_argument("--anew", action="store_true", help="measure again what is there")
    parser.add_argument("--work", type=Path, default=Path(".driftloop/benchmark"))
    parser.add_argument("--results", type=Path, default=HERE / "results/natural.json")
    parser.add_argument("--table", type=Path, default=HERE.parent / "docs/benchmark-natural.md")
    return parser.parse_args()


def _measure(case: Case, method: str, n: int) -> dict[str, Any]:
    _ = case.material.classifier, case.drift  # made once, in no method's time
    started = time.process_time()
    repaired = METHODS[method](case, n)
    seconds = time.process_time() - started
    accuracy, clean = (_right(repaired, each) for each in (case.drift.unseen, case.material.clean))
    promoted = case.promotes(repaired, n) if method in PIPELINE else None
    said = f"{accuracy:.4f} {clean:.4f} {seconds:.1f} s {promoted}"
    print(case.name, method, n, case.seed, said, flush=True)
    return {"accuracy": accuracy, "clean": clean, "seconds": round(seconds, 1), "promoted": promoted}


def _right(classifier: Classifier, samples: Samples) -> float:
    return round(float((predict(classifier, samples.images).logits.argmax(1) == samples.labels).mean()), 5)


def _kept(results: Path, case: Case, method: str, n: int) -> bool:
    found = read_json(results) if results.exists() else {}
    return str(case.seed) in found.get(case.name, {}).get(method, {}).get(str(n), {})


def _keep(results: Path, case: Case, method: str, n: int, cell: dict[str, Any]) -> None:
    """Write a figure down; several processes may do so at once."""
    folder = os.open(results.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        found = read_json(results) if results.exists() else {"n": {}}
        seeds = found.setdefault(case.name, {}).setdefault(method, {}).setdefault(str(n), {})
        seeds[str(case.seed)] = cell
        unseen = len(case.drift.unseen)
        found["n"][case.name] = {"window": WINDOW, "unseen": unseen, "clean": CLEAN, "trained": TRAINED}
        found["versions"] = {"torch": torch.__version__, "python": platform.python_version()}
        found["machine"] = machine()
        write_json(results, found)
    finally:
        os.close(folder)


if __name__ == "__main__":
    main()
