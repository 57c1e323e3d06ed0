"""What somebody's labelled images are like, and the parameters that suit them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from driftloop.data.listing import Labelled, in_order
from driftloop.data.pictures import Look, look_at, regular
from driftloop.errors import DataError
from driftloop.files import digest_file

LEAST_IMAGES = 200
_SAMPLE = 400
_LARGEST_SIDE = 64
_STEPS = 1500
"""Optimiser steps that a small network needs to learn from nothing. Measured on digits and emblems."""


@dataclass(frozen=True)
class Survey:
    """What was seen.

    Attributes:
        counts: class name to how many images, in the order of the labels.
        sizes: (width, height) to how many, among the images that were looked at.
        grey: whether none of them has colour.
        transparent: whether something shows through any of them.
        unreadable: what was said of those that cannot be read.
        stacked: whether the images are an array, all of one size.
        endings: how the pictures' names end, and how many do, the most frequent first.
        passed: what lies beside the images and is not taken, a line a reason.
        extremes: the lowest and highest value of pictures of more than 8 bits that do not say their levels.
            None where all say them.
    """

    counts: Mapping[str, int]
    sizes: Counter[tuple[int, int]]
    grey: bool
    transparent: bool = False
    unreadable: tuple[str, ...] = ()
    stacked: bool = False
    endings: tuple[tuple[str, int], ...] = ()
    passed: tuple[str, ...] = ()
    extremes: tuple[float, float] | None = None

    @property
    def n(self) -> int:
        """How many images there are."""
        return sum(self.counts.values())

    @property
    def proportions(self) -> int:
        """How many proportions the sizes have."""
        return len({round(width / height, 2) for width, height in self.sizes})


def survey(
    listed: Sequence[Labelled],
    seed: int = 0,
    *,
    levels: tuple[float, float] | None = None,
    bands: tuple[int, ...] | None = None,
) -> Survey:
    """Count the classes, each picture once, and look at some pictures, at random.

    `levels` and `bands` say how they are read. See `driftloop.data.pictures.Form`.

    Raises:
        DataError: none of them can be read.
    """
    listed = _without_copies(listed)
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(listed))[:_SAMPLE]
    looks: list[Look] = []
    unreadable: list[str] = []
    for index in chosen:
        path = listed[index].path
        try:
            looks.append(look_at(regular(path), str(path), levels, bands))
        except DataError as error:
            unreadable.append(str(error))
    if not looks:
        raise DataError(f"none of {len(chosen)} pictures can be read. The first: {unreadable[0]}")
    counts = Counter(item.label for item in listed)
    return Survey(
        counts={name: counts[name] for name in in_order(counts)},
        sizes=Counter((look.width, look.height) for look in looks),
        grey=all(look.grey for look in looks),
        transparent=any(look.transparent for look in looks),
        unreadable=tuple(unreadable),
        endings=tuple(Counter(item.path.suffix.lower() for item in listed).most_common()),
        extremes=_extremes(looks),
    )


def _extremes(looks: Sequence[Look]) -> tuple[float, float] | None:
    found = [look.extremes for look in looks if look.extremes is not None]
    if not found or any(look.windowed for look in looks):
        return None
    return min(low for low, _ in found), max(high for _, high in found)


def suggest_levels(extremes: tuple[float, float]) -> list[float]:
    """Return black and white for pictures whose files do not say them: the next powers of two.

    So a camera of 12 bits has 12 also where none of its pictures is quite white.

    >>> suggest_levels((17.0, 4071.0)), suggest_levels((-1000.0, 3000.0)), suggest_levels((0.0, 0.87))
    ([0, 4095], [-1024, 4095], [0, 1])
    """

    def power(value: float) -> int:
        return int(2 ** max(0, math.ceil(math.log2(value)))) if value > 0 else 0

    low, high = extremes
    whole = high > 1 and low == int(low) and high == int(high)
    black = -power(-low)
    return [black, max(black + 1, power(high + 1) - 1 if whole else power(high))]


def _without_copies(listed: Sequence[Labelled]) -> list[Labelled]:
    """Return pictures without those that are copies of others, byte for byte."""
    sizes: dict[int, list[Labelled]] = {}
    for each in listed:
        with suppress(OSError, DataError):  # what cannot be read is told of later
            sizes.setdefault(regular(each.path).stat().st_size, []).append(each)
    alike = [each for same in sizes.values() if len(same) > 1 for each in same]
    first: dict[str, Labelled] = {}
    copies = {each.path for each in alike if first.setdefault(digest_file(each.path), each) is not each}
    return [each for each in listed if each.path not in copies]


def survey_stream(pictures: Iterator[tuple[Path | BytesIO, str, str]]) -> Survey:
    """Count the classes of a dataset that can only be read through, and look at its first pictures."""
    counts: Counter[str] = Counter()
    looks: list[Look] = []
    for source, name, label in pictures:
        counts[label] += 1
        if len(looks) < _SAMPLE:
            looks.append(look_at(source, name))
    if not looks:
        raise DataError("the dataset is empty.")
    return Survey(
        counts={name: counts[name] for name in in_order(counts)},
        sizes=Counter((look.width, look.height) for look in looks),
        grey=all(look.grey for look in looks),
        extremes=_extremes(looks),
    )


def suggest(seen: Survey, side: int | None = None) -> dict[str, Any]:
    """Return the parameters that suit what was seen, by dotted path. `dataset` holds but size and form.

    Args:
        seen: the survey.
        side: of the images that a given model takes. None chooses one.

    Raises:
        DataError: there are too few images or classes.
    """
    if seen.n < LEAST_IMAGES:
        raise DataError(
            f"there are {seen.n} labelled images; driftloop needs {LEAST_IMAGES} or more, to train a model, "
            "to calibrate the check and to hold some back."
        )
    if len(seen.counts) < 2:
        raise DataError(f"there is one class, {next(iter(seen.counts))}; a classifier needs two or more.")
    split = suggest_split(seen.n)
    train = seen.n - split["calibration"] - split["test"] - split["production"]
    batch = 64 if train < 5000 else 128 if train < 20000 else 256
    largest = next(iter(seen.sizes)) if seen.stacked else None
    side = side or max(largest or suggest_sides(seen))
    small = seen.grey and side <= 32
    window = suggest_window(split)
    network = {"_target_": f"driftloop.models.networks.{'ConvNet' if small else 'ResNet'}"}
    return {
        "corruptions": "mnist_c" if seen.grey else "cifar10_c",
        "split": split,
        "network": network,
        "train": {
            "epochs": min(60, max(4, math.ceil(_STEPS * batch / max(train, 1)))),
            "batch_size": batch,
            "learning_rate": 0.1,
            "weight_decay": 0.0005,
            "label_smoothing": 0.1,
            "shift": min(4, max(1, side // 16)),
            "flip": False,
            "cutout": 0,
        },
        "retrain.steps": 300,
        "filter._target_": "driftloop.improver.filters.ResidualDenoiser",
        "filter.steps": 400,
        "gate.margin": "auto",
        "stream": {
            "rehearsal-clean": {"n": window, "parent": "reference"},
            "rehearsal-noise": {"n": window, "corruption": "impulse_noise", "parent": "reference"},
        },
    }


def suggest_split(n: int) -> dict[str, int]:
    """Return the sizes of the splits for `n` images: half and more is left to train on.

    >>> suggest_split(1000)
    {'calibration': 170, 'test': 130, 'production': 170, 'population': 50}
    """

    def part(share: float, least: int, most: int) -> int:
        return min(most, max(least, int(share * n) // 10 * 10))

    production = part(0.17, 40, 5000)
    return {
        "calibration": part(0.17, 40, 5000),
        "test": part(0.13, 30, 5000),
        "production": production,
        "population": max(10, production * 3 // 10 // 10 * 10),
    }


def suggest_window(split: Mapping[str, int]) -> int:
    """Return how many images a window should have: two fit into what simulated windows are cut from."""
    return int(max(10, min(500, (split["production"] - split["population"]) // 2)))


def suggest_sides(seen: Survey) -> tuple[int, int]:
    """Return the sides (H, W), in pixels, that the images become. No larger than a CPU can follow.

    They are square, unless another proportion that pictures have cuts clearly less of them off.

    >>> suggest_sides(Survey({"a": 200, "b": 200}, Counter({(192, 48): 400}), grey=True))
    (48, 192)
    """
    shorter = sorted(min(size) for size in seen.sizes.elements())
    median = shorter[len(shorter) // 2]
    most = _LARGEST_SIDE if seen.n <= 4000 else 48 if seen.n <= 12_000 else 32
    side = max(8, median if median <= most else most)
    width, height = min([(1, 1), *_proportions(seen.sizes)], key=lambda each: _badness(each, seen.sizes))
    longer = max(width, height) / min(width, height)
    # A longer side costs time: as many pixels as four such squares are enough.
    side = max(8, min(side, round(2 * most / math.sqrt(longer))))
    sides = round(side * height / min(width, height)), round(side * width / min(width, height))
    return min(4096, sides[0]), min(4096, sides[1])


def _proportions(sizes: Counter[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the middle size (width, height) of each proportion that pictures have, the commonest first."""
    groups: dict[float, list[tuple[int, int]]] = {}
    for size in sorted(sizes.elements(), key=lambda each: each[0] / each[1]):
        groups.setdefault(round(math.log2(size[0] / size[1]) * 8), []).append(size)
    return [group[len(group) // 2] for group in sorted(groups.values(), key=len, reverse=True)[:5]]


def _badness(proportion: tuple[int, int], sizes: Counter[tuple[int, int]]) -> float:
    """Return what share of the pictures a proportion cuts off, and a little for not being square."""
    wanted = proportion[0] / proportion[1]
    cut = sum(
        count * (1 - min(wanted * height / width, width / height / wanted))
        for (width, height), count in sizes.items()
    )
    return cut / sizes.total() + (0.05 if proportion != (1, 1) else 0)


def suggest_form(seen: Survey, size: tuple[int, int] | None, channels: int | None) -> dict[str, Any]:
    """Return the arguments of `driftloop.data.own.Pictures` that suit what was seen.

    Args:
        seen: the survey.
        size: (H, W) that a given model takes. None chooses one.
        channels: that a given model takes. None chooses.
    """
    height, width = size or suggest_sides(seen)
    same = all(abs(w / h - width / height) <= 1 / min(w, h) + 1 / min(width, height) for w, h in seen.sizes)
    form: dict[str, Any] = {
        "size": height if height == width else [height, width],
        "channels": channels or (1 if seen.grey else 3),
        "fit": "refuse" if same and seen.proportions == 1 else "crop",
    }
    if seen.transparent:
        form["background"] = "white"
    if seen.extremes and (levels := suggest_levels(seen.extremes)) != [0, 65535]:
        form["levels"] = levels
    return form
