"""Which samples are worth a person's time: strange and different ones, and a random slice beside them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from driftloop.findings.drift import Pick

_POOL = 2000
"""Samples among which different ones are looked for: enough for variety, and fast in any window."""
_RANDOM = (0.2, 0.5)
"""Least and largest share of the picks that are drawn at random."""


def random_share_for(drifted: float) -> float:
    """Return the share of the picks that should be random where such a share of the window has drifted.

    Random picks judge the repair. But where a tenth of the window has drifted, nine tenths of them are
    ordinary samples. They say nothing of the drift and take a person as long.

    >>> random_share_for(0.1), random_share_for(0.3), random_share_for(1.0)
    (0.2, 0.3, 0.5)
    """
    least, most = _RANDOM
    return min(max(drifted, least), most)


def pick_samples(
    strangeness: npt.NDArray[np.float64],
    embeddings: npt.NDArray[np.float32],
    *,
    count: int,
    surely_novel: float,
    random_share: float,
    seed: int,
) -> list[Pick]:
    """Pick samples for review, the strange ones first, each part in the order in which it was picked.

    The random slice is drawn first, from all samples. The rest comes from the strangest part of the window,
    as large as the share that is surely novel (and no smaller than needed). The strangest comes first, then
    each time the one farthest from all that were picked (Gonzalez, 1985).

    Args:
        strangeness: (N,), higher is stranger.
        embeddings: (N, D).
        count: picks in all. The whole window when it is no larger.
        surely_novel: lower limit of the window's novel share, in [0, 1].
        random_share: share of the picks that are drawn at random, in [0, 1].
        seed: of the draws.
    """
    n = len(strangeness)
    count = min(count, n)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(n, round(random_share * count), replace=False)
    others = np.setdiff1d(np.arange(n), drawn)
    wanted = count - len(drawn)
    size = min(len(others), max(wanted, int(np.ceil(surely_novel * n))))
    pool = others[np.argsort(-strangeness[others], kind="stable")[:size]]
    if size > _POOL:
        pool = pool[np.sort(rng.choice(size, _POOL, replace=False))]
    spread = _spread(np.asarray(embeddings[pool], dtype=np.float64), wanted)
    return [Pick(int(pool[place]), False) for place in spread] + [Pick(int(index), True) for index in drawn]


def _spread(points: npt.NDArray[np.float64], count: int) -> list[int]:
    """Return places of `count` points: the first one, then always the farthest from those already taken."""
    taken: list[int] = []
    gap = np.full(len(points), np.inf)
    for _ in range(count):
        place = int(np.argmax(gap)) if taken else 0
        taken.append(place)
        gap = np.minimum(gap, ((points - points[place]) ** 2).sum(axis=1))
        gap[taken] = -1.0
    return taken
