"""How fast: against alibi-detect's MMD, and from a thousand images to a million."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from check_cells import Checked
from check_data import CALIBRATION, SHOWN
from driftloop.checker.check import check_window
from driftloop.checker.detector import rows
from driftloop.checker.store import load_detector
from driftloop.data.dataset import Dataset, save_dataset
from driftloop.data.predictions import load_predictions, save_predictions
from driftloop.models.features import Features

SIZE = 10_000


def alibi(
    work: Path, reference: npt.NDArray[Any], windows: npt.NDArray[Any], detectors: Sequence[str]
) -> dict[str, Any] | None:
    """Run alibi-detect on windows (W, n, D); None where it is not installed, see `check_alibi.py`."""
    python = work / "alibi/bin/python"
    if not python.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "windows.npz"
        np.savez(path, reference=reference, windows=windows, detectors=json.dumps(list(detectors)))
        done = subprocess.run(
            [str(python), str(Path(__file__).parent / "check_alibi.py"), str(path)],
            env={**os.environ, "DRIFTLOOP_SITE": sysconfig.get_path("purelib")},
            stdout=subprocess.PIPE,
            check=True,
        )
    return dict(json.loads(done.stdout))


def speed(checked: Checked) -> dict[str, Any]:
    """Return how much longer alibi-detect takes over 10,000 embeddings against 10,000, and our seconds.

    Ours is the whole check: scores, p-value, share, accuracy, picks. Nothing is fitted on either side but
    what alibi-detect prepares for its own test.
    """
    material = checked.material
    some = np.resize(np.arange(CALIBRATION, len(material.pool) - SHOWN), SIZE)
    window, fitted = rows(material.pool, some), checked.taught
    check_window(fitted, rows(window, slice(0, 300)))
    started = time.perf_counter()
    check_window(fitted, window)
    ours = time.perf_counter() - started
    reference = material.reference.embeddings[:SIZE]
    theirs = alibi(material.work, reference, window.embeddings[None], ("MMD", "KS"))
    if theirs is None:
        return {"seconds": ours, "ratio": {}}
    return {
        "n": SIZE,
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "seconds": ours,
        "ratio": {f"alibi-detect {name}": each["seconds"] / ours for name, each in theirs.items()},
        "seconds_of": {f"alibi-detect {name}": each["seconds"] for name, each in theirs.items()},
    }


def alibi_p_values(checked: Checked) -> list[dict[str, Any]]:
    """Return the share of clean windows that alibi-detect's own p-values alarm on, and how many were 0."""
    material, found = checked.material, []
    for n in (20, 100, 500):
        rng = np.random.default_rng([material.seed, n, 3])
        places = [
            rng.choice(np.arange(CALIBRATION, len(material.pool)), n, replace=False) for _ in range(100)
        ]
        windows = np.stack([material.pool.embeddings[place] for place in places])
        results = alibi(material.work, material.calibration.embeddings[:1000], windows, ("KS", "MMD"))
        for name, each in (results or {}).items():
            p_values, thresholds = np.array(each["p_values"]), np.array(each["thresholds"])
            for alpha in (0.01, 0.05):
                level = alpha * thresholds / 0.05  # Bonferroni's share of its default alpha
                found.append(
                    {
                        "detector": f"alibi-detect {name}",
                        "alpha": alpha,
                        "n": n,
                        "windows": len(windows),
                        "rate": float(np.mean(p_values <= level)),
                        "zeros": int(np.count_nonzero(p_values == 0)),
                    }
                )
    return found


def scale(checked: Checked, n: int) -> dict[str, Any]:
    """Return seconds and peak memory of checking n images from the disk, in a process of its own."""
    material = checked.material
    folder = material.work / f"scale-{n}"
    if not (folder / "seen/predictions.json").exists():
        _write(folder, material.pool, n)
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        seconds, peak = pool.apply(_check, (folder, checked.taught_at))
    return {"n": n, "seconds": seconds, "peak_rss_mb": peak}


def _write(folder: Path, pool: Features, n: int) -> None:
    rng = np.random.default_rng(n)
    places = CALIBRATION + rng.integers(0, len(pool) - CALIBRATION, n)
    features = rows(pool, places)
    save_dataset(folder / "images", Dataset(features.images, None, "scale", tuple("0123456789")))
    digest = json.loads((folder / "images/meta.json").read_text())["sha256"]
    save_predictions(folder / "seen", features, images=digest, model="")


def _check(folder: Path, detector: Path) -> tuple[float, int]:
    fitted = load_detector(detector)
    started = time.perf_counter()
    window = load_predictions(folder / "seen", folder / "images")
    check_window(fitted, window)
    seconds = time.perf_counter() - started
    # Not getrusage: what it says of a process begins with the peak of the one that started it.
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return seconds, int(peak) // 1024
