"""Have the proportions of the predicted classes changed? Told apart from novelty (Lipton et al., 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from driftloop.findings.drift import LabelShift


def label_shift(
    window: npt.NDArray[np.int64],
    calibration: npt.NDArray[np.int64],
    *,
    draws: int = 9999,
    seed: int = 0,
    classes: Sequence[str] = (),
) -> LabelShift:
    """Compare predicted classes with a chi-square statistic whose null law is drawn: valid for any size.

    Where images have drifted, predictions are wrong and so are their proportions: read it for windows that
    have not.

    Args:
        window: predicted classes (n,), n >= 1.
        calibration: predicted classes (m,), m >= 1.
        draws: null windows that are drawn.
        seed: of the draws.
        classes: their names.

    >>> label_shift(np.zeros(50, dtype=np.int64), np.arange(500) % 2)
    LabelShift(p_value=0.0001, distance=0.5, grown='0', share=1.0, usual=0.5)
    """
    n = 1 + max(window.max(), calibration.max())
    seen, known = (np.bincount(each, minlength=n) for each in (window, calibration))
    change = seen / seen.sum() - known / known.sum()
    grown = int(change.argmax())
    return LabelShift(
        p_value=_p_value(seen, seen + known, draws, seed),
        distance=float(np.abs(change).sum() / 2),
        grown=classes[grown] if classes else str(grown),
        share=float(seen[grown] / seen.sum()),
        usual=float(known[grown] / known.sum()),
    )


def _p_value(seen: npt.NDArray[np.int64], pool: npt.NDArray[np.int64], draws: int, seed: int) -> float:
    seen, pool = seen[pool > 0], pool[pool > 0]
    n = int(seen.sum())
    expected = pool * (n / pool.sum())
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(pool, n, size=draws, method="marginals")
    statistic = ((seen - expected) ** 2 / expected).sum()
    null = ((drawn - expected) ** 2 / expected).sum(axis=1)
    return float((1 + np.count_nonzero(null >= statistic - 1e-9)) / (draws + 1))
