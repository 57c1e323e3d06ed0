"""Samples scored and placed once, so that thousands of windows of them are cheap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from driftloop.checker.property_test import Ranks, correlate, rank_scores
from driftloop.checker.rank_test import CELLS, Standings, place, rank_test
from driftloop.checker.scores import Scores
from driftloop.checker.spaces import view_all
from driftloop.checker.strata import class_groups
from driftloop.checker.window_test import Evidence, window_test
from driftloop.models.features import Features

Index = npt.NDArray[np.int64]
DRAWS = 999


@dataclass(frozen=True)
class Scored:
    """Samples as the window test sees them.

    Attributes:
        novelty: float64 (N,), a detector's scores.
        properties: float32 (N, D).
        predicted: int64 (N,), classes.
    """

    novelty: npt.NDArray[np.float64]
    properties: npt.NDArray[np.float32]
    predicted: Index

    @classmethod
    def of(cls, features: Features, novelty: npt.NDArray[np.float64]) -> Scored:
        """Return samples with their scores."""
        return cls(novelty, view_all(features, "properties"), features.logits.argmax(axis=1))

    def __len__(self) -> int:
        return len(self.novelty)

    def __getitem__(self, index: slice | Index) -> Scored:
        """Return some of the samples."""
        return Scored(self.novelty[index], self.properties[index], self.predicted[index])

    def __add__(self, other: Scored) -> Scored:
        """Return the samples of both, one after the other."""
        return Scored(
            *(np.concatenate([getattr(each, name) for each in (self, other)]) for name in vars(self))
        )

    @property
    def scores(self) -> Scores:
        """As the check takes them, with nothing to judge the accuracy from."""
        return Scores(self.novelty[None], self.properties, np.empty((len(self), 0)))


@dataclass(frozen=True)
class Placed:
    """Samples placed among a calibration of one kind.

    Attributes:
        stratum: int64 (N,), which classes each is compared with.
        cell: int64 (N,), where its score stands there.
        properties: float64 (N, 2, 2, D), where its properties stand there.
        calibration: int64 (S,), the strata's sizes.
        correlation: float64 (4 D, 4 D), of the properties' scores.
    """

    stratum: Index
    cell: Index
    properties: npt.NDArray[np.float64]
    calibration: Index
    correlation: npt.NDArray[np.float64]

    @classmethod
    def among(cls, known: Scored, samples: Scored, classes: int = 10) -> Placed:
        """Place samples among known ones."""
        n, groups = len(samples), []
        stratum, cell = np.empty(n, np.int64), np.empty(n, np.int64)
        found = np.empty((n, 2, 2, samples.properties.shape[1]))
        for number, group in enumerate(class_groups(np.bincount(known.predicted, minlength=classes))):
            mine, theirs = np.isin(samples.predicted, group), np.isin(known.predicted, group)
            stratum[mine], cell[mine] = number, place(samples.novelty[mine], known.novelty[theirs])
            found[mine] = rank_scores(samples.properties[mine], known.properties[theirs])
            groups.append(theirs)
        sizes = np.array([np.count_nonzero(each) for each in groups])
        return cls(stratum, cell, found, sizes, correlate(known.properties, groups))

    def window(self, index: Index) -> Evidence:
        """Return some of the samples as a window."""
        strata, stratum = len(self.calibration), self.stratum[index]
        flat = np.bincount(stratum * CELLS + self.cell[index], minlength=strata * CELLS)
        sums = np.zeros((strata, *self.properties.shape[1:]))
        np.add.at(sums, stratum, self.properties[index])
        counts = np.bincount(stratum, minlength=strata)
        ranks = Ranks(np.zeros_like(self.calibration), self.calibration, counts, sums, self.correlation)
        return Evidence(Standings(flat.reshape(strata, CELLS), self.calibration), ranks)

    def p_value(self, index: Index, seed: int, draws: int = DRAWS) -> float:
        """Return the p-value of a window of some of the samples."""
        return window_test(self.window(index), draws=draws, seed=seed).p_value

    def novelty_p_value(self, index: Index, seed: int, draws: int = DRAWS) -> float:
        """Return what the samples' scores say alone."""
        return rank_test(self.window(index).novelty, draws=draws, seed=seed).p_value
