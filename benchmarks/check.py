"""Can the drift alarm be trusted, and is it the best there is? Against others, on the same embeddings.

    python benchmarks/check.py [--quick] [--datasets mnist,fashion_mnist,cifar10] [--seeds 0,1]

Writes `benchmarks/results/check.json` and `docs/benchmark-check.md`. Data and models are kept under
`.driftloop/benchmark`. Rivals are given clean windows of the same sizes, and the threshold at which they
alarm as often as alpha, whatever their own p-values say: power is compared at equal false alarms. Their own
p-values' false alarms are listed beside ours.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
import torch
from scipy.stats import rankdata

from check_data import CALIBRATION, Material, gather
from check_rivals import RIVALS, Rival, accuracy_rivals
from driftloop.checker.check import check_window, estimate_accuracy
from driftloop.checker.combined import Combined
from driftloop.checker.detector import Detector, rows
from driftloop.checker.features import Features
from driftloop.checker.fitted import fit_detector
from driftloop.checker.mahalanobis import Mahalanobis
from driftloop.checker.neighbours import NearestNeighbours
from driftloop.checker.rank_test import Stratum, rank_test
from driftloop.checker.scores import score_samples
from driftloop.checker.softmax import SoftmaxConfidence
from driftloop.files import write_json, write_text

HERE = Path(__file__).parent
ALPHAS = (0.01, 0.05)
DRAWS = 999
DEFAULT = "driftloop"
DETECTORS: dict[str, Detector] = {
    DEFAULT: Combined(),
    "nearest neighbours": NearestNeighbours(),
    "Mahalanobis": Mahalanobis(),
    "softmax confidence": SoftmaxConfidence(),
}

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    calibrations: int = 50  # draws of the calibration split
    windows: int = 100  # clean windows for each of them
    power_windows: int = 200  # for each corruption
    shown: int = 2000
    severities: tuple[int, ...] = (1, 2, 3, 4, 5)


QUICK = Size(calibrations=20, windows=20, power_windows=40, shown=600, severities=(2, 4))


def main() -> None:
    """Measure what was asked for, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, to see that it works")
    parser.add_argument("--datasets", default="mnist")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--work", type=Path, default=Path(".driftloop/benchmark"))
    parser.add_argument("--results", type=Path, default=HERE / "results/check.json")
    parser.add_argument("--table", type=Path, default=HERE.parent / "docs/benchmark-check.md")
    given = parser.parse_args()
    size = QUICK if given.quick else Size()
    result = measure(
        given.datasets.split(","), [int(seed) for seed in given.seeds.split(",")], size, given.work
    )
    write_json(given.results, result)
    write_text(given.table, table(result))
    print(f"{given.results}, {given.table}")


def measure(datasets: list[str], seeds: list[int], size: Size, work: Path) -> dict[str, Any]:
    """Return all figures."""
    result: dict[str, Any] = {
        "size": asdict(size),
        "seeds": seeds,
        "hardware": hardware(),
        "false_alarm": [],
        "power": {},
        "power_mean": {},
        "auroc": {},
        "auroc_mean": {},
        "contaminated": {},
        "accuracy_estimate": {},
    }
    for seed in seeds:
        for name in datasets:
            started = time.perf_counter()
            material = gather(name, work, seed=seed, severities=size.severities, shown=size.shown)
            key = name if seed == seeds[0] else f"{name} (seed {seed})"
            print(f"{key}: data and model, {time.perf_counter() - started:.0f} s", flush=True)
            scored = {label: score(detector, material, seed) for label, detector in DETECTORS.items()}
            print(f"{key}: scores, {time.perf_counter() - started:.0f} s", flush=True)
            result["false_alarm"] += false_alarms(key, scored, material, size, seed)
            result["auroc"][key], result["auroc_mean"][key] = aurocs(scored, material)
            result["power"][key], result["power_mean"][key] = powers(scored, material, size, seed)
            print(f"{key}: power, {time.perf_counter() - started:.0f} s", flush=True)
            result["contaminated"][key] = contaminated(material, size, seed)
            result["accuracy_estimate"][key] = accuracies(material, seed)
            print(f"{key}: done, {time.perf_counter() - started:.0f} s", flush=True)
    return result


@dataclass(frozen=True)
class Scored:
    """One detector's scores of the clean pool and, by corruption at its standard severity, of others."""

    pool: Scores
    corrupted: dict[str, Scores]


def score(detector: Detector, material: Material, seed: int) -> Scored:
    """Fit a detector to the reference and score everything once."""
    state = detector.fit(material.reference, np.random.default_rng(seed))
    corrupted = {
        name: detector.score(state, material.corrupted[name, severity][0])
        for name, severity in material.standard.items()
    }
    return Scored(detector.score(state, material.pool), corrupted)


def clean_windows(
    pool: int, n: int, size: Size, seed: int
) -> Iterator[tuple[int, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield (draw, window, calibration): for each random calibration split, windows out of what it leaves."""
    for draw in range(size.calibrations):
        rng = np.random.default_rng([seed, n, draw])
        order = rng.permutation(pool)
        for _ in range(size.windows):
            yield draw, rng.choice(order[CALIBRATION:], n, replace=False), order[:CALIBRATION]


def false_alarms(
    key: str, scored: dict[str, Scored], material: Material, size: Size, seed: int
) -> list[dict[str, Any]]:
    """Return the share of clean windows that alarm, for ours and for rivals by their own p-values."""
    found = []
    for n in (20, 100, 500):
        p_values: dict[str, list[float]] = {DEFAULT: []}
        pool = scored[DEFAULT].pool
        for draw, window, calibration in clean_windows(len(pool), n, size, seed):
            test = rank_test([Stratum(pool[window], pool[calibration])], draws=DRAWS, seed=1000 * seed + draw)
            p_values[DEFAULT].append(test.p_value)
        for rival in RIVALS:
            values = rival.p_values(material, n, min(500, size.windows * size.calibrations), seed)
            if values is not None:
                p_values[rival.name] = values
        found += [
            {
                "dataset": key,
                "detector": detector,
                "alpha": alpha,
                "n": n,
                "windows": len(values),
                "rate": float(np.mean(np.array(values) <= alpha)),
            }
            for detector, values in p_values.items()
            for alpha in ALPHAS
        ]
    return found


def auroc(clean: Scores, corrupted: Scores) -> float:
    """Return the probability that a corrupted sample scores higher than a clean one, ties counting half."""
    ranks = rankdata(np.concatenate([corrupted, clean]))[: len(corrupted)]
    return float((ranks.mean() - (len(corrupted) + 1) / 2) / len(clean))


def aurocs(scored: dict[str, Scored], material: Material) -> tuple[dict[str, float], dict[str, float]]:
    """Return the default's by corruption, and the means by detector."""
    by_detector = {
        label: {name: auroc(each.pool, scores) for name, scores in each.corrupted.items()}
        for label, each in scored.items()
    }
    for rival in RIVALS:
        clean = rival.sample_scores(material, material.pool)
        if clean is not None:
            by_detector[rival.name] = {
                name: auroc(clean, rival.sample_scores(material, material.corrupted[name, severity][0]))
                for name, severity in material.standard.items()
            }
    means = {label: float(np.mean(list(values.values()))) for label, values in by_detector.items()}
    return by_detector[DEFAULT], means


def powers(
    scored: dict[str, Scored], material: Material, size: Size, seed: int
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Return the default's power by n and corruption at alpha 0.01, and the means by n and detector."""
    default, means = {}, {}
    for n in (10, 20, 50):

        def drawn(count: int, n: int = n) -> list[npt.NDArray[np.int64]]:
            rng = np.random.default_rng([seed, n])
            return [rng.choice(count, n, replace=False) for _ in range(size.power_windows)]

        by_detector: dict[str, dict[str, float]] = {}
        for label, each in scored.items():
            calibration = each.pool[:CALIBRATION]
            by_detector[label] = {
                name: float(
                    np.mean(
                        [
                            rank_test([Stratum(scores[window], calibration)], draws=DRAWS, seed=seed).p_value
                            <= 0.01
                            for window in drawn(len(scores))
                        ]
                    )
                )
                for name, scores in each.corrupted.items()
            }
        for rival in RIVALS:
            by_detector[rival.name] = rival_power(rival, material, n, drawn, seed)
        default[str(n)] = by_detector[DEFAULT]
        means[str(n)] = {label: float(np.mean(list(v.values()))) for label, v in by_detector.items()}
    return default, means


def rival_power(
    rival: Rival, material: Material, n: int, drawn: Callable[[int], list[npt.NDArray[np.int64]]], seed: int
) -> dict[str, float]:
    """Return a rival's power by corruption, at the threshold that 1 % of 2,000 clean windows reach."""
    rng = np.random.default_rng([seed, n, 1])
    outside = np.arange(CALIBRATION, len(material.pool))
    view = rival.prepare(material, material.pool)
    clean = [rival.statistic(view, rng.choice(outside, n, replace=False)) for _ in range(2000)]
    threshold = np.quantile(clean, 0.99)
    power = {}
    for name, severity in material.standard.items():
        view = rival.prepare(material, material.corrupted[name, severity][0])
        alarms = [rival.statistic(view, window) > threshold for window in drawn(len(view[0]))]
        power[name] = float(np.mean(alarms))
    return power


def contaminated(material: Material, size: Size, seed: int) -> dict[str, Any]:
    """Return power and the precision of the picks in windows of 500 of which a tenth are corrupted."""
    fitted = fit_detector(material.reference, material.calibration, seed=seed)
    outside = np.arange(CALIBRATION, len(material.pool) - size.shown)
    found: dict[str, dict[str, float]] = {}
    for name, severity in material.standard.items():
        bad, alarms, precisions, strange = material.corrupted[name, severity][0], [], [], []
        for draw in range(max(10, size.power_windows // 10)):
            rng = np.random.default_rng([seed, draw])
            clean = rows(material.pool, rng.choice(outside, 450, replace=False))
            window = joined(rows(bad, rng.choice(len(bad), 50, replace=False)), clean)
            report = check_window(fitted, window, draws=DRAWS, seed=seed)
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
    return {"n": 500, "corrupted": 50, "mean": mean, "by_corruption": found}


def joined(*parts: Features) -> Features:
    """Return features one after the other."""
    names = ("images", "embeddings", "logits")
    return Features(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def accuracies(material: Material, seed: int) -> dict[str, Any]:
    """Return the mean absolute error of each estimate, over all corruptions and severities."""
    fitted = fit_detector(
        material.reference,
        material.calibration,
        classes=material.classes,
        exposure=material.exposure,
        seed=seed,
    )
    rivals = accuracy_rivals(material.calibration, material.correct[:CALIBRATION])
    errors: dict[str, list[float]] = {DEFAULT: [], **{name: [] for name in rivals}}
    covered, worst = [], {}
    for (name, severity), (features, right) in material.corrupted.items():
        truth = right.mean()
        estimate, interval = estimate_accuracy(fitted, score_samples(fitted, features))
        assert estimate is not None  # noqa: S101
        assert interval is not None  # noqa: S101
        errors[DEFAULT].append(abs(estimate - truth))
        covered.append(interval[0] <= truth <= interval[1])
        worst[f"{name} {severity}"] = float(estimate - truth)
        for rival, method in rivals.items():
            errors[rival].append(abs(method(features) - truth))
    worst = dict(sorted(worst.items(), key=lambda item: -abs(item[1]))[:10])
    return {
        "mae": {label: float(np.mean(each)) for label, each in errors.items()},
        "windows": len(covered),
        "interval_covers": float(np.mean(covered)),
        "worst": worst,
    }


def hardware() -> dict[str, Any]:
    """Return what this ran on, and with."""
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "torch": torch.__version__,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def table(result: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = [
        "# The checker, measured",
        "",
        "Written by `python benchmarks/check.py`; do not edit. "
        f"Seeds {result['seeds']}; {result['size']}; {result['hardware']}.",
        "",
        "## False alarms on clean windows",
        "",
        "| dataset | detector | n | windows | at alpha 0.01 | at alpha 0.05 |",
        "|---|---|---|---|---|---|",
    ]
    listed: dict[tuple[str, str, int, int], dict[float, float]] = {}
    for each in result["false_alarm"]:
        key = (each["dataset"], each["detector"], each["n"], each["windows"])
        listed.setdefault(key, {})[each["alpha"]] = each["rate"]
    lines += [
        f"| {d} | {label} | {n} | {w:,} | {v[0.01]:.4f} | {v[0.05]:.4f} |"
        for (d, label, n, w), v in listed.items()
    ]
    for name, by_n in result["power_mean"].items():
        labels = list(by_n["20"])
        lines += [
            "",
            f"## Mean power at alpha 0.01: {name}",
            "",
            "| detector | n = 10 | n = 20 | n = 50 | sample AUROC |",
            "|---|---|---|---|---|",
        ]
        for label in labels:
            area = result["auroc_mean"][name].get(label)
            figures = " | ".join(f"{by_n[n][label]:.3f}" for n in ("10", "20", "50"))
            lines.append(f"| {label} | {figures} | {'' if area is None else f'{area:.3f}'} |")
        lines += [
            "",
            f"## By corruption: {name}, driftloop's default",
            "",
            "| corruption | n = 10 | n = 20 | n = 50 | AUROC | power, 10 % of 500 | picks truly corrupted |",
            "|---|---|---|---|---|---|---|",
        ]
        part = result["contaminated"][name]["by_corruption"]
        for corruption in result["auroc"][name]:
            figures = " | ".join(f"{result['power'][name][n][corruption]:.3f}" for n in ("10", "20", "50"))
            lines.append(
                f"| {corruption} | {figures} | {result['auroc'][name][corruption]:.3f} "
                f"| {part[corruption]['power']:.2f} | {part[corruption]['precision']:.2f} |"
            )
        estimate = result["accuracy_estimate"][name]
        lines += [
            "",
            f"## Accuracy without labels: {name}",
            "",
            f"Mean absolute error over {estimate['windows']} corruptions and severities; our 95 % interval "
            f"covers {estimate['interval_covers']:.0%} of them.",
            "",
            "| method | error |",
            "|---|---|",
        ]
        lines += [f"| {label} | {error:.3f} |" for label, error in estimate["mae"].items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
