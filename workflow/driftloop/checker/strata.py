"""Who is compared with whom: a sample with calibration samples of its kind and of its predicted class.

Classes differ in how far apart their samples lie. Compared within classes, a window in which one class comes
more often is no stranger than another: that is label shift, and reported as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from driftloop.checker.fitted import FittedDetector, Kind
from driftloop.checker.property_test import Ranks, correlate, rank_scores
from driftloop.checker.rank_test import Standings, Stratum
from driftloop.checker.scores import Scores
from driftloop.checker.window_test import Evidence

_LEAST, _LEAST_CLEAN = 30, 4
"""Classes with fewer calibration samples are put together until they have as many: of a repaired drift, and
of clean data. The tests hold at any number of samples. Two or three tell next to nothing. A class that was
put together with others would alarm where it comes alone.
"""


def stand(
    fitted: FittedDetector,
    scores: Scores,
    predicted: npt.NDArray[np.int64],
    kind: npt.NDArray[np.int64],
    classes: int,
) -> Evidence:
    """Return where samples stand among the calibration of their kind and class.

    With several kinds, a sample of a known kind stands no higher than under its own one. So a window that
    mixes known kinds alarms no more often than alpha. The properties of all samples are compared with those
    of every kind. The strata are the same for every window.

    Args:
        fitted: what is known.
        scores: of N samples, by K kinds.
        predicted: classes (N,).
        kind: place (N,) of the kind that each sample fits best.
        classes: how many there are.
    """
    strata: list[Stratum] = []
    kinds: list[int] = []
    counts: list[int] = []
    sums: list[npt.NDArray[np.float64]] = []
    for place, (own, known) in enumerate(zip(scores.by_kind, fitted.kinds, strict=True)):
        for here, there in _alike(known, predicted, classes, _LEAST if place else _LEAST_CLEAN):
            strata.append(Stratum(own[here & (kind == place)], known.scores[there]))
            kinds.append(place)
            counts.append(int(np.count_nonzero(here)))
            sums.append(rank_scores(scores.properties[here], known.properties[there]).sum(axis=0))
    novelty = Standings.of(strata)
    clean = fitted.kinds[0]
    correlation = correlate(
        clean.properties, [there for _, there in _alike(clean, predicted, classes, _LEAST_CLEAN)]
    )
    ranks = Ranks(np.array(kinds), novelty.calibration, np.array(counts), np.stack(sums), correlation)
    return Evidence(novelty, ranks)


def _alike(
    known: Kind, predicted: npt.NDArray[np.int64], classes: int, least: int
) -> Iterator[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
    """Yield which samples are compared with which calibration samples of a kind, class by class."""
    for group in class_groups(np.bincount(known.predicted, minlength=classes), least):
        yield np.isin(predicted, group), np.isin(known.predicted, group)


def class_groups(counts: npt.NDArray[np.int64], least: int = _LEAST_CLEAN) -> Sequence[npt.NDArray[np.intp]]:
    """Return classes that are compared together: those with enough samples alone, the rare ones as one.

    >>> [group.tolist() for group in class_groups(np.array([200, 3, 40, 90]))]
    [[0], [3], [1, 2]]
    >>> [group.tolist() for group in class_groups(np.array([20, 18, 40, 90]))]
    [[0], [1], [2], [3]]
    """
    rarest_first = np.argsort(counts, kind="stable")
    rare = int(np.count_nonzero(counts < least))
    while 0 < rare < len(counts) and counts[rarest_first[:rare]].sum() < least:
        rare += 1
    alone = np.sort(rarest_first[rare:])
    return [*alone[:, None], *([np.sort(rarest_first[:rare])] if rare else [])]
