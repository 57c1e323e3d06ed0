"""Peak memory and time of a retraining, side by side with an older commit.

    python benchmarks/memory.py --images 20000 --side 224            # this commit
    python benchmarks/memory.py --images 4000 --side 224 --source OLD/workflow

OLD is a checkout of the older commit (git worktree add OLD 9b5f15a). Images are mapped from a file, as a
project's are. The network is a narrow one: what is measured is how images are held, not what a network needs.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


def measure(images: int, side: int, channels: int, steps: int, earlier: int) -> dict[str, float]:
    """Retrain once, in this process."""
    import torch

    from driftloop.improver.imitate import Imitation
    from driftloop.improver.lesson import Lesson, Samples
    from driftloop.improver.retrain import RetrainSettings, retrain
    from driftloop.models.classifier import Classifier, ClassifierSpec

    torch.manual_seed(0)
    network = {"_target_": "driftloop.models.networks.ConvNet", "width": 4 if side > 64 else 32}
    form = (side, side, channels)
    half = (0.5,) * channels
    classifier = Classifier(ClassifierSpec(network, form, tuple("0123456789"), half, half)).eval()
    kinds = ["impulse_noise", "brightness", "shot_noise"]
    suite = "mnist_c" if channels == 1 else "cifar10_c"
    drifts = [Imitation(suite, {(kind, 3): 1.0}) for kind in kinds]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        path = Path(folder) / "images.npy"
        file = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(images, *form))
        rng = np.random.default_rng(0)
        one = rng.integers(0, 256, (256, *form), dtype=np.uint8)
        for start in range(0, images, len(one)):
            file[start : start + len(one)] = one[: len(file) - start]
        file.flush()
        del file
        clean = Samples(np.load(path, mmap_mode="r"), rng.integers(0, 10, images))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        made = retrain(
            classifier,
            Lesson(
                clean,
                drifts[0],
                reviewed=Samples(np.asarray(clean.images[:48]), clean.labels[:48]),
                window=np.asarray(clean.images[:100]),
                earlier=drifts[1 : 1 + earlier],
            ),
            settings=RetrainSettings(steps=steps),
            seed=0,
        )
        seconds = time.perf_counter() - started
    weights = [float(value.double().sum()) for value in made.network.state_dict().values()]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "peak_gb": peak / 1e6, "before_gb": before / 1e6, "weights": sum(weights)}


def main() -> None:
    """Measure in a process of its own, from the sources that were named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--earlier", type=int, default=2)
    parser.add_argument("--source", type=Path, default=HERE.parent / "workflow")
    given = parser.parse_args()
    paths = [str(given.source.resolve()), str(HERE)]
    numbers = f"{given.images}, {given.side}, {given.channels}, {given.steps}, {given.earlier}"
    code = f"import json, sys; sys.path[:0] = {paths!r}; import memory; print(memory.measure({numbers}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr[-2000:])


if __name__ == "__main__":
    main()
