"""Six drifts one after another, each repaired: what is forgotten of them, and of clean data?

Repairs are made as the pipeline makes them, earlier drifts among what they learn from, but nothing is
refused: there is no gate. The corruption is named, a window is all corrupted, and 100 random labels teach.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from digests import digest_of
from driftloop.commands.repair import join
from driftloop.corruptions import SUITES, corrupt
from driftloop.improver.imitate import Imitation, imitate
from driftloop.improver.lesson import Samples
from driftloop.improver.reviewed import draw_unlabelled
from driftloop.models.classifier import Classifier
from driftloop.models.predict import predict
from improve_cells import POPULATION, WINDOW, code_of, filtered, machine, retrained
from improve_material import Material
from improve_store import Store

DRIFTS = {
    "impulse_noise": "filter",
    "rotate": "retrain",
    "fog": "filter",
    "scale": "retrain",
    "motion_blur": "retrain",
    "stripe": "filter",
}
"""In order, each with the repair that suits it: a filter for what can be taken out of an image."""
WAYS: dict[str, Callable[[str], str]] = {
    "retrain": lambda _: "retrain",
    "filter": lambda _: "filter",
    "as suits each": lambda drift: DRIFTS[drift],
}
LABELS = 100


@dataclass(frozen=True)
class _Step:
    """A drift that has come and was repaired: how it is imitated, what was labelled of it, others of it."""

    imitation: Imitation
    reviewed: Samples
    unlabelled: npt.NDArray[np.uint8]


def measure_sequences(material: Material, store: Store, stop: float = np.inf) -> None:
    """Measure, for each way of repairing, what accuracy is before any repair, and right after each.

    What is in the store is not measured again, and nothing is begun after `stop`, by the monotonic clock. The
    windows are disjoint parts of the pool; accuracy is that on 2,000 others, and on clean data.
    """
    kept = kept_sequences(material, store)
    for way, choose in WAYS.items():
        if way not in kept and time.monotonic() <= stop:
            run = _run(material, choose) | {"code": _code(material, way), "machine": machine()}
            store.put_sequence(way, run)


def kept_sequences(material: Material, store: Store) -> dict[str, dict[str, Any]]:
    """Return what is in the store, by way of repairing, as far as the code of today gave it."""
    runs = {way: store.sequence(way) for way in WAYS}
    return {way: run for way, run in runs.items() if run and run["code"] == _code(material, way)}


def _code(material: Material, way: str) -> str:
    sources = [inspect.getsource(each) for each in (_run, _retrained, _filtered, _drawn, _measured)]
    return digest_of(sources, [list(DRIFTS.items()), LABELS, way, code_of(material, "both_100")])


def _run(material: Material, choose: Callable[[str], str]) -> dict[str, Any]:
    classifier, steps = material.classifier, list[_Step]()
    history = [_measured(material, classifier, [])]
    for number, drift in enumerate(DRIFTS):
        window = _drawn(material, drift, slice(number * WINDOW, (number + 1) * WINDOW), number)
        imitation = imitate(
            classifier,
            material.train.images,
            window.images,
            suite=material.suite,
            corruptions=[drift],
            seed=material.seed,
        )
        others = draw_unlabelled(WINDOW, range(LABELS))
        reviewed = Samples(window.images[:LABELS], window.labels[:LABELS])
        step = _Step(imitation, reviewed, window.images[others])
        repair = _retrained if choose(drift) == "retrain" else _filtered
        classifier = repair(material, classifier, step, steps)
        steps.append(step)
        history.append(_measured(material, classifier, list(DRIFTS)[: number + 1]))
    return {"order": list(DRIFTS), "history": history}


def _retrained(material: Material, classifier: Classifier, step: _Step, before: list[_Step]) -> Classifier:
    taught = join([each.reviewed for each in before]) if before else None
    earlier = [each.imitation for each in before]
    return retrained(
        material,
        classifier,
        step.reviewed,
        step.imitation,
        window=step.unlabelled,
        earlier=earlier,
        earlier_reviewed=taught,
    )


def _filtered(material: Material, classifier: Classifier, step: _Step, before: list[_Step]) -> Classifier:
    return filtered(material, classifier, step.imitation, [each.imitation for each in before])


def _drawn(material: Material, drift: str, rows: slice, draw: int) -> Samples:
    severity = SUITES[material.suite][drift].default_severity
    rng = np.random.default_rng([material.seed, draw, 7])
    images = corrupt(material.pool.images[rows], material.suite, drift, severity, rng)
    return Samples(images, material.pool.labels[rows])


def _measured(material: Material, classifier: Classifier, drifts: list[str]) -> dict[str, float]:
    others = slice(len(material.pool) - POPULATION, None)
    sets: Mapping[str, Samples] = {
        "clean": material.test,
        **{drift: _drawn(material, drift, others, 99) for drift in drifts},
    }
    return {
        name: float((predict(classifier, each.images).logits.argmax(1) == each.labels).mean())
        for name, each in sets.items()
    }
