"""Conformal p-values: where a score stands among scores of data known to be alright."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def sample_p_values(
    scores: npt.NDArray[np.float64], calibration: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return (1 + #{calibration >= score}) / (m + 1) for each score, in [1 / (m + 1), 1].

    For a sample exchangeable with the calibration, P(p <= t) <= t at every t (Vovk et al., 2005): ties
    count against novelty, so nothing is random.

    Args:
        scores: (N,), higher is stranger.
        calibration: (m,), of samples that the detector was not fitted on.

    >>> sample_p_values(np.array([0.5, 2.0, 9.0]), np.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 0.75, 0.25]
    """
    ordered = np.sort(calibration)
    as_high = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return np.asarray((1 + as_high) / (len(ordered) + 1), dtype=np.float64)
