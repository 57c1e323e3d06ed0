"""Who is compared with whom: a sample with calibration samples of its kind and of its predicted class.

Classes differ in how far apart their samples lie. Compared within classes, a window in which one class comes
more often is no stranger than another: that is label shift, and reported as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from driftloop.checker.fitted import FittedDetector, Kind
from driftloop.checker.rank_test import Standings, Stratum

_LEAST = 30
"""Classes with fewer calibration samples are put together until they have as many."""


def stand(
    fitted: FittedDetector,
    by_kind: npt.NDArray[np.float64],
    predicted: npt.NDArray[np.int64],
    kind: npt.NDArray[np.int64],
    classes: int,
) -> Standings:
    """Return where samples stand among the calibration of their kind and class.

    With several kinds, a sample of a known kind stands no higher than under its own one, so that a window
    which mixes known kinds alarms no more often than alpha. The strata are the same for every window.

    Args:
        fitted: what is known.
        by_kind: scores (K, N).
        predicted: classes (N,).
        kind: place (N,) of the kind that each sample fits best.
        classes: how many there are.
    """
    strata: list[Stratum] = []
    for place, (scores, known) in enumerate(zip(by_kind, fitted.kinds, strict=True)):
        mine = kind == place
        strata += _of_kind(known, scores[mine], predicted[mine], classes)
    return Standings.of(strata)


def _of_kind(
    known: Kind, scores: npt.NDArray[np.float64], predicted: npt.NDArray[np.int64], classes: int
) -> Iterator[Stratum]:
    for group in class_groups(np.bincount(known.predicted, minlength=classes)):
        yield Stratum(scores[np.isin(predicted, group)], known.scores[np.isin(known.predicted, group)])


def class_groups(counts: npt.NDArray[np.int64]) -> Sequence[npt.NDArray[np.intp]]:
    """Return classes that are compared together: those with enough samples alone, the rare ones as one.

    >>> [group.tolist() for group in class_groups(np.array([200, 3, 40, 90]))]
    [[0], [3], [1, 2]]
    """
    rarest_first = np.argsort(counts, kind="stable")
    rare = int(np.count_nonzero(counts < _LEAST))
    while 0 < rare < len(counts) and counts[rarest_first[:rare]].sum() < _LEAST:
        rare += 1
    alone = np.sort(rarest_first[rare:])
    return [*alone[:, None], *([np.sort(rarest_first[:rare])] if rare else [])]
