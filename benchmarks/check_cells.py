"""The measurements of the checker on one dataset, each small enough to be kept and not repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from check_data import CALIBRATION, SHOWN, Material, digest_sources
from check_rivals import RIVALS, accuracy_rivals
from check_windows import Index, Placed, Scored
from driftloop.checker.autoencoder import Autoencoder
from driftloop.checker.check import check_window, estimate_accuracy
from driftloop.checker.combined import DEFAULT_MEMBERS, Combined
from driftloop.checker.detector import Detector, rows
from driftloop.checker.exposure import DAMAGES, Exposure, expose
from driftloop.checker.fitted import FittedDetector, fit_detector
from driftloop.checker.mahalanobis import Mahalanobis
from driftloop.checker.neighbours import NearestNeighbours
from driftloop.checker.scores import score_samples
from driftloop.checker.softmax import SoftmaxConfidence
from driftloop.checker.store import load_detector, save_detector
from driftloop.errors import ModelError
from driftloop.files import read_array, write_array
from driftloop.models.features import Features
from driftloop.models.predict import predict

ALPHAS, SIZES, POWER_SIZES = (0.01, 0.05), (20, 100, 500), (10, 20, 50)
TEACHING = ("checker/accuracy.py", "checker/exposure.py", "checker/fitted.py")
CALIBRATIONS, WINDOWS, POWER_WINDOWS, CLEAN_WINDOWS = 500, 20, 200, 2000
DEFAULT = "driftloop"
DETECTORS: dict[str, Callable[[], Detector]] = {
    "nearest neighbours": NearestNeighbours,
    "Mahalanobis": Mahalanobis,
    "softmax confidence": SoftmaxConfidence,
    "autoencoder (latent neighbours)": Autoencoder,
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Checked:
    """The default detector fitted to a material, and its scores, kept in `folder`."""

    material: Material
    folder: Path

    @cached_property
    def fitted(self) -> FittedDetector:
        """The default detector; it knows nothing of accuracy."""
        return self._kept("detector", None)

    @cached_property
    def taught(self) -> FittedDetector:
        """The same with what it learns of accuracy from damaged calibration images."""
        material, learnt = self.material, slice(0, CALIBRATION)
        exposed = partial(
            expose,
            material.pool.images[learnt],
            material.labels[learnt],
            lambda images: predict(material.classifier, images),
            seed=material.seed,
        )
        return self._kept(self.taught_at.name, exposed)

    @property
    def taught_at(self) -> Path:
        """The folder of `taught`."""
        return self.folder / f"taught-{digest_sources(*TEACHING)}"

    def _kept(self, name: str, exposed: Callable[[], Exposure] | None) -> FittedDetector:
        try:
            return load_detector(self.folder / name)
        except ModelError:
            fitted = fit_detector(
                self.material.reference,
                self.material.calibration,
                classes=self.material.reference_labels,
                exposure=exposed and exposed(),
                seed=self.material.seed,
            )
            save_detector(self.folder / name, fitted)
            return fitted

    @cached_property
    def pool(self) -> Scored:
        """The pool, scored."""
        return self._scored("pool", self.material.pool)

    @property
    def calibration(self) -> Scored:
        """Its first part, which calibrates."""
        return self.pool[:CALIBRATION]

    def corrupted(self, corruption: str, severity: int) -> Scored:
        """Return corrupted images, scored."""
        return self._scored(f"{corruption}-{severity}", self.material.corrupted(corruption, severity))

    def _scored(self, name: str, features: Features) -> Scored:
        path = self.folder / "scores" / f"{name}.npy"
        if not path.exists():
            write_array(path, score_samples(self.fitted, features).by_kind[0])
        return Scored.of(features, read_array(path))


def false_alarm(checked: Checked) -> list[dict[str, Any]]:
    """Return the share of clean windows that alarm, over random draws of the calibration."""
    pool, found = checked.pool, []
    for n in SIZES:
        p_values = []
        for draw in range(CALIBRATIONS):
            rng = np.random.default_rng([checked.material.seed, n, draw])
            known, others = np.split(rng.permutation(len(pool)), [CALIBRATION])
            placed = Placed.among(pool[known], pool[others])
            windows = [rng.choice(len(others), n, replace=False) for _ in range(WINDOWS)]
            p_values.append([placed.p_value(window, draw) for window in windows])
        found += [
            {
                "detector": DEFAULT,
                "alpha": alpha,
                "n": n,
                "windows": CALIBRATIONS * WINDOWS,
                "calibrations": CALIBRATIONS,
                "rate": float(np.mean(np.array(p_values) <= alpha)),
                "spread_over_calibrations": float(np.std(np.mean(np.array(p_values) <= alpha, axis=1))),
            }
            for alpha in ALPHAS
        ]
    return found


def auroc(clean: Floats, corrupted: Floats) -> float:
    """Return the probability that a corrupted sample scores higher than a clean one, ties counting half."""
    ranks = rankdata(np.concatenate([corrupted, clean]))[: len(corrupted)]
    return float((ranks.mean() - (len(corrupted) + 1) / 2) / len(clean))


def windows_of(count: int, n: int, seed: int, windows: int = POWER_WINDOWS) -> list[Index]:
    """Return places of random windows; the same ones for every detector."""
    rng = np.random.default_rng([seed, n])
    return [rng.choice(count, n, replace=False) for _ in range(windows)]


def default(checked: Checked) -> dict[str, Any]:
    """Return the default's AUROC and power by corruption."""
    scored = {name: checked.corrupted(name, severity) for name, severity in checked.material.standard.items()}
    return _performance(checked.material.seed, checked.pool, scored, Placed.p_value)


def detector(label: str) -> Callable[[Checked], dict[str, Any]]:
    """Return the measurement of another detector, with the same test of its scores."""

    def measure(checked: Checked) -> dict[str, Any]:
        material, made = checked.material, DETECTORS[label]()
        state = made.fit(material.reference, np.random.default_rng(material.seed))

        def scored(features: Features) -> Scored:
            return Scored.of(features, made.score(state, features))

        corrupted = {
            name: scored(material.corrupted(name, severity)) for name, severity in material.standard.items()
        }
        return _performance(material.seed, scored(material.pool), corrupted, Placed.novelty_p_value)

    return measure


def _performance(
    seed: int, pool: Scored, corrupted: dict[str, Scored], p_value: Callable[[Placed, Index, int], float]
) -> dict[str, Any]:
    areas, powers = {}, {}
    for name, samples in corrupted.items():
        placed = Placed.among(pool[:CALIBRATION], samples)
        areas[name] = auroc(pool.novelty[CALIBRATION:], samples.novelty)
        powers[name] = {
            n: float(np.mean([p_value(placed, w, seed) <= 0.01 for w in windows_of(SHOWN, n, seed)]))
            for n in POWER_SIZES
        }
    return {
        "auroc": areas,
        "power": {str(n): {name: powers[name][n] for name in powers} for n in POWER_SIZES},
    }


def rival(place_in_list: int) -> Callable[[Checked], dict[str, Any]]:
    """Return the measurement of a rival: its own p-values on clean windows, and power at equal false alarms.

    The threshold for power is the statistic that 1 % of 2,000 clean windows exceed, which favours the rival.
    """
    chosen = RIVALS[place_in_list]

    def measure(checked: Checked) -> dict[str, Any]:
        material = checked.material
        views = {
            name: chosen.prepare(material, material.corrupted(name, severity))
            for name, severity in material.standard.items()
        }
        clean = chosen.prepare(material, material.pool)
        power: dict[str, dict[str, float]] = {}
        for n in POWER_SIZES:
            drawn = windows_of(len(material.pool) - CALIBRATION, n, material.seed + 1, CLEAN_WINDOWS)
            threshold = np.quantile([chosen.statistic(clean, CALIBRATION + window) for window in drawn], 0.99)
            power[str(n)] = {
                name: float(
                    np.mean(
                        [chosen.statistic(view, w) > threshold for w in windows_of(SHOWN, n, material.seed)]
                    )
                )
                for name, view in views.items()
            }
        result: dict[str, Any] = {"power": power}
        scores = chosen.sample_scores(material, material.pool)
        if scores is not None:
            result["auroc"] = {
                name: auroc(
                    scores[CALIBRATION:], chosen.sample_scores(material, material.corrupted(name, severity))
                )
                for name, severity in material.standard.items()
            }
        own = {n: chosen.p_values(material, n, 500, material.seed) for n in SIZES}
        result["false_alarm"] = [
            {
                "detector": chosen.name,
                "alpha": alpha,
                "n": n,
                "windows": len(values),
                "rate": float(np.mean(np.array(values) <= alpha)),
            }
            for n, values in own.items()
            if values is not None
            for alpha in ALPHAS
        ]
        return result

    return measure


def contaminated(checked: Checked) -> dict[str, Any]:
    """Return power and the precision of the picks in windows of 500 of which a tenth are corrupted."""
    material, fitted = checked.material, checked.fitted
    outside = np.arange(CALIBRATION, len(material.pool) - SHOWN)
    found: dict[str, dict[str, float]] = {}
    for name, severity in material.standard.items():
        bad, scored = material.corrupted(name, severity), checked.corrupted(name, severity)
        alarms, precisions, strange = [], [], []
        for draw in range(20):
            rng = np.random.default_rng([material.seed, draw])
            spoilt, clean = rng.choice(SHOWN, 50, replace=False), rng.choice(outside, 450, replace=False)
            window = joined(rows(bad, spoilt), rows(material.pool, clean))
            known = (scored[spoilt] + checked.pool[clean]).scores
            report = check_window(fitted, window, seed=draw, scores=known)
            hits = np.array([pick.index < 50 for pick in report.picks])
            chosen = np.array([not pick.random for pick in report.picks])
            alarms.append(report.drifted)
            precisions.append(hits.mean())
            strange.append(hits[chosen].mean())
        found[name] = {
            "power": float(np.mean(alarms)),
            "precision": float(np.mean(precisions)),
            "precision_without_random_slice": float(np.mean(strange)),
        }
    mean = {key: float(np.mean([each[key] for each in found.values()])) for key in next(iter(found.values()))}
    return {"n": 500, "corrupted": 50, "picks": 20, "windows": 20, "mean": mean, "by_corruption": found}


def joined(*parts: Features) -> Features:
    """Return features one after the other."""
    names = ("images", "embeddings", "logits")
    return Features(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def accuracy(checked: Checked) -> dict[str, Any]:
    """Return the error of each estimate for every corruption at severities 1 to 5."""
    material = checked.material
    rivals = accuracy_rivals(material.calibration, material.correct[:CALIBRATION])
    errors: dict[str, list[float]] = {DEFAULT: [], **{name: [] for name in rivals}}
    covered, signed = [], {}
    for name in material.standard:
        for severity in (1, 2, 3, 4, 5):
            features = material.corrupted(name, severity)
            truth = float(material.right(features).mean())
            found = estimate_accuracy(
                checked.taught, score_samples(checked.taught, features), features.logits.argmax(axis=1)
            )
            assert found  # noqa: S101 (damages taught it)
            errors[DEFAULT].append(found.estimate - truth)
            covered.append(found.low <= truth <= found.high)
            signed[f"{name} {severity}"] = {"true": truth, "estimated": found.estimate}
            for label, method in rivals.items():
                errors[label].append(method(features) - truth)
    return {
        "mae": {label: float(np.mean(np.abs(each))) for label, each in errors.items()},
        "errors": errors,
        "windows": len(covered),
        "interval_covers": float(np.mean(covered)),
        "by_window": signed,
    }


def label_shift(checked: Checked) -> dict[str, Any]:
    """Return how often windows of 200 clean images with other proportions of classes alarm at 0.01."""
    material = checked.material
    placed = Placed.among(checked.calibration, checked.pool)
    truth = material.labels
    single, mixed = {}, []
    for label in range(10):
        mine = CALIBRATION + np.flatnonzero(truth[CALIBRATION:] == label)
        rng = np.random.default_rng([material.seed, label])
        windows = [rng.choice(mine, 200, replace=False) for _ in range(50)]
        single[str(label)] = float(np.mean([placed.p_value(window, 0) <= 0.01 for window in windows]))
    rng = np.random.default_rng([material.seed, 10])
    for _ in range(500):
        weight = rng.dirichlet(np.full(10, 0.3))[truth[CALIBRATION:]]
        window = CALIBRATION + rng.choice(len(weight), 200, replace=False, p=weight / weight.sum())
        mixed.append(placed.p_value(window, 0) <= 0.01)
    return {
        "n": 200,
        "one_class": single,
        "one_class_mean": float(np.mean(list(single.values()))),
        "mixtures": 500,
        "mixture": float(np.mean(mixed)),
    }


CANDIDATES: dict[str, tuple[dict[str, Any], ...]] = {
    "embeddings": DEFAULT_MEMBERS[:1],
    "and spectrum": DEFAULT_MEMBERS[:2],
    "and profiles": DEFAULT_MEMBERS[:3],
    "and edges": DEFAULT_MEMBERS[:4],
    "and tones (the default)": DEFAULT_MEMBERS,
    "without profiles": (*DEFAULT_MEMBERS[:2], DEFAULT_MEMBERS[3]),
}
"""Combinations that were to be the default."""


def choice(checked: Checked) -> dict[str, Any]:
    """Return each candidate's AUROC by damage: the default is chosen here, not on any benchmark.

    Pool images that do not calibrate are damaged as `driftloop.checker.exposure` does it, 2,000 in all.
    """
    material, some = checked.material, slice(CALIBRATION, CALIBRATION + 2000)
    exposure = expose(
        material.pool.images[some],
        material.labels[some],
        lambda images: predict(material.classifier, images),
        seed=material.seed + 1,
    )
    clean = rows(material.pool, slice(CALIBRATION + 2000, CALIBRATION + 4000))
    found = {}
    for label, members in CANDIDATES.items():
        made = Combined(members)
        state = made.fit(material.reference, np.random.default_rng(material.seed))
        calm, hurt = made.score(state, clean), made.score(state, exposure.features)
        found[label] = {
            name: auroc(calm, hurt[exposure.damages == number]) for number, name in enumerate(DAMAGES)
        }
    return {label: {"mean": float(np.mean(list(each.values()))), **each} for label, each in found.items()}
