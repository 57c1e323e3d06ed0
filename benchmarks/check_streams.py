"""Streams: alarms over 500 clean windows, and a corruption that rises slowly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from check_cells import Checked
from check_data import CALIBRATION, SHOWN
from check_windows import Placed
from driftloop.checker.stream import NEW
from driftloop.checker.window_test import window_test

FINE_DRAWS = 9999


def clean_streams(checked: Checked) -> dict[str, Any]:
    """Return the alarms of 20 streams of 500 windows of 30 clean images, none of which comes twice.

    Each stream has a calibration of its own; both are drawn from the pool of 20,000.
    """
    pool = checked.pool
    windows, streams = [], []
    for seed in range(20):
        rng = np.random.default_rng([checked.material.seed, 500, seed])
        known, fresh = np.split(rng.permutation(len(pool)), [CALIBRATION])
        placed = Placed.among(pool[known], pool[fresh])
        alone, together, stream = 0, 0, NEW
        for window in np.arange(500 * 30).reshape(500, 30):
            evidence = placed.window(window)
            alarmed = window_test(evidence, draws=FINE_DRAWS, seed=seed).p_value <= 0.01
            stream = stream.followed_by(evidence)
            test = None if alarmed else stream.test(alpha=0.001, draws=FINE_DRAWS, seed=seed)
            alone += bool(alarmed)
            together += test is not None and test.drifted
            if alarmed or (test is not None and test.drifted):
                stream = NEW
        windows.append(alone)
        streams.append(together)
    alarms = np.add(windows, streams)
    return {
        "windows": 500,
        "n": 30,
        "seeds": 20,
        "promised": 500 * (0.01 + 0.001),
        "alarms_mean": float(alarms.mean()),
        "alarms": alarms.tolist(),
        "by_windows": windows,
        "by_stream": streams,
    }


def rising_streams(checked: Checked) -> dict[str, Any]:
    """Return when a corruption that rises from severity 0 to 3 over 30 windows is found, and at what cost.

    Between two severities a window mixes images of both. Windows hold 50 images; the fall in accuracy is that
    of the expected accuracy at the severity reached.
    """
    return {str(n): _rising(checked, n) for n in (20, 50)}


def _rising(checked: Checked, n: int) -> dict[str, Any]:
    material = checked.material
    clean = Placed.among(checked.calibration, checked.pool[-SHOWN:])
    accuracy = [float(material.correct[-SHOWN:].mean())]
    found = {}
    for name in material.standard:
        steps, reached = [clean], list(accuracy)
        for severity in (1, 2, 3):
            features = material.corrupted(name, severity)
            steps.append(Placed.among(checked.calibration, checked.corrupted(name, severity)))
            reached.append(float(material.right(features).mean()))
        runs = [_run(steps, reached, n, material.seed, seed) for seed in range(5)]
        found[name] = {
            "found_at_window": [run[0] for run in runs],
            "by_stream": sum(run[1] for run in runs),
            "accuracy_lost": [run[2] for run in runs],
            "in_time": float(np.mean([run[2] <= 0.05 for run in runs])),
        }
    return {
        "seeds": 5,
        "in_time": float(np.mean([each["in_time"] for each in found.values()])),
        "median_window": float(np.median([each["found_at_window"] for each in found.values()])),
        "by_corruption": found,
    }


def _run(
    steps: Sequence[Placed], reached: Sequence[float], n: int, base: int, seed: int
) -> tuple[int, bool, float]:
    """Return the window that alarmed (31 for none), whether the stream did, and the accuracy lost by then."""
    rng, stream = np.random.default_rng([base, n, seed]), NEW
    lost = 0.0
    for number in range(1, 31):
        severity = 3 * number / 30
        low, part = int(min(severity, 2)), severity - int(min(severity, 2))
        now = (1 - part) * reached[low] + part * reached[low + 1]
        lost = max(lost, reached[0] - now)
        index = rng.choice(SHOWN, n, replace=False)
        worse = rng.random(n) < part
        evidence = steps[low].window(index[~worse]) + steps[low + 1].window(index[worse])
        stream = stream.followed_by(evidence)
        if window_test(evidence, draws=FINE_DRAWS, seed=seed).p_value <= 0.01:
            return number, False, lost
        test = stream.test(alpha=0.001, draws=FINE_DRAWS, seed=seed)
        if test is not None and test.drifted:
            return number, True, lost
    return 31, False, 1.0
