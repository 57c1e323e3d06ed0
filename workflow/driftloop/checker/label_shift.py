"""Have the proportions of the predicted classes changed? Told apart from novelty (Lipton et al., 2018)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def label_shift_p_value(
    window: npt.NDArray[np.int64],
    calibration: npt.NDArray[np.int64],
    *,
    draws: int = 9999,
    seed: int = 0,
) -> float:
    """Return the p-value of the chi-square statistic of predicted classes, window against calibration.

    Its null law is drawn, so that it holds for small windows too. Where images have drifted, predictions
    are wrong and so are their proportions: read it for windows that have not.

    Args:
        window: predicted classes (n,), n >= 1.
        calibration: predicted classes (m,), m >= 1.
        draws: null windows that are drawn; the smallest p-value is 1 / (draws + 1).
        seed: of the draws.

    >>> label_shift_p_value(np.zeros(50, dtype=np.int64), np.arange(500) % 10)
    0.0001
    """
    pool = np.bincount(np.concatenate([window, calibration]))
    seen = np.bincount(window, minlength=len(pool))
    pool, seen = pool[pool > 0], seen[pool > 0]
    expected = pool * (len(window) / pool.sum())
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(pool, len(window), size=draws, method="marginals")
    statistic = ((seen - expected) ** 2 / expected).sum()
    null = ((drawn - expected) ** 2 / expected).sum(axis=1)
    return float((1 + np.count_nonzero(null >= statistic - 1e-9)) / (draws + 1))
