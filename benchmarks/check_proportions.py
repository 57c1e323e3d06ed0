"""Do clean windows with other proportions of classes alarm, in projects as small as `init` accepts?

A project of so many images is made as `init` makes it: split, a network, a detector. Then its calibration is
drawn anew many times from clean images that nothing has seen, so that its chance counts as well, and against
each one come windows of one class alone, windows of random proportions, and for comparison usual ones and
ones that have drifted.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from check_windows import Placed, Scored
from driftloop.checker.fitted import DEFAULT_DETECTOR, make_detector
from driftloop.corruptions import corrupt
from driftloop.data.survey import suggest_split
from driftloop.models.predict import predict
from driftloop.models.train import TrainSettings, train_classifier
from driftloop.params.compose import compose
from material import kept_dataset

ALPHA, CALIBRATIONS, WINDOWS = 0.01, 50, 20  # 1,000 windows of each sort
POOL = 6_000
CLASSES = 10
DRIFT = ("shear", 1)


def project(
    images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64], n: int, seed: int
) -> tuple[Scored, Scored, float, int]:
    """Make a project of n images; return clean and drifted ones that it has not seen, as it sees them."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))
    split = suggest_split(n)
    train = order[: n - split["calibration"] - split["test"] - split["production"]]
    pool = order[n : n + POOL]
    params = compose(["dataset=mnist"])
    settings = TrainSettings(**params["train"] | {"batch_size": 64, "epochs": 15})
    classifier, _ = train_classifier(
        images[train],
        labels[train],
        network=params["network"],
        classes=tuple("0123456789"),
        settings=settings,
        seed=seed,
    )
    detector = make_detector(DEFAULT_DETECTOR)
    state = detector.fit(predict(classifier, images[train]), rng)

    def scored(some: npt.NDArray[np.uint8]) -> Scored:
        features = predict(classifier, some)
        return Scored.of(features, detector.score(state, features))

    clean = scored(images[pool])
    drifted = scored(corrupt(images[pool][:1500], "mnist_c", *DRIFT, rng))
    return clean, drifted, float((clean.predicted == labels[pool]).mean()), split["calibration"]


def rates(
    clean: Scored, drifted: Scored, labels: npt.NDArray[np.int64], calibration: int, n: int, seed: int
) -> dict[str, float]:
    """Return how often windows of n alarm, by sort."""
    rng = np.random.default_rng(seed)
    alarms: dict[str, list[bool]] = {"usual": [], "one class": [], "random": [], "drifted": []}
    for draw in range(CALIBRATIONS):
        order = rng.permutation(len(clean))
        known, rest = clean[order[:calibration]], order[calibration:]
        others, truth = Placed.among(known, clean[rest]), labels[rest]
        strange = Placed.among(known, drifted)
        for number in range(WINDOWS):
            shares = rng.dirichlet(np.ones(CLASSES))
            windows = {
                "usual": rng.choice(len(rest), n, replace=False),
                "one class": rng.choice(np.flatnonzero(truth == number % CLASSES), n, replace=False),
                "random": np.concatenate(
                    [
                        rng.choice(np.flatnonzero(truth == label), count, replace=False)
                        for label, count in enumerate(rng.multinomial(n, shares))
                    ]
                ),
            }
            for name, index in windows.items():
                alarms[name].append(others.p_value(index, draw * WINDOWS + number) <= ALPHA)
            alarms["drifted"].append(
                strange.p_value(rng.choice(len(drifted), n, replace=False), number) <= ALPHA
            )
    return {name: round(float(np.mean(each)), 4) for name, each in alarms.items()}


def main() -> None:
    """Print a line of JSON for each size of project and of window."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[600, 1200, 3000])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--windows", type=int, nargs="+", default=[30, 100])
    args = parser.parse_args()
    data = kept_dataset(compose(["dataset=mnist"]), args.work / "dataset")
    images, every = np.asarray(data.images), data.known_labels
    for size in args.sizes:
        clean, drifted, accuracy, calibration = project(images, every, size, args.seed)
        order = np.random.default_rng(args.seed).permutation(len(images))
        labels = every[order[size : size + POOL]]
        for n in args.windows:
            print(
                json.dumps(
                    {
                        "images": size,
                        "seed": args.seed,
                        "calibration": calibration,
                        "accuracy": round(accuracy, 3),
                        "window": n,
                    }
                    | rates(clean, drifted, labels, calibration, n, args.seed)
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
