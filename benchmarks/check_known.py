"""After a repair: does its drift ask again, and do others still?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from check_cells import Checked, windows_of
from check_data import CALIBRATION, SHOWN
from check_windows import DRAWS, Index
from driftloop.checker.check import check_window
from driftloop.checker.detector import rows
from driftloop.checker.fitted import FittedDetector, add_kind, fit_detector
from driftloop.checker.scores import Scores, score_samples
from driftloop.corruptions import corrupt
from driftloop.improver.imitate import imitate
from driftloop.improver.lesson import Lesson, Samples
from driftloop.improver.retrain import RetrainSettings, retrain
from driftloop.models.features import Features
from driftloop.models.predict import predict


def known_drift(corruption: str) -> Callable[[Checked], dict[str, Any]]:
    """Return the measurement of one repair: whether its drift asks again, and others still do.

    The classifier is retrained on 96 picks out of a window of 500, the detector fitted anew, the window made
    known: as the pipeline does. Fresh windows hold 100 images of that corruption, others 50 of another.
    """

    def measure(checked: Checked) -> dict[str, Any]:
        material, seed = checked.material, checked.material.seed
        severity, suite = material.standard[corruption], material.params["corruptions"]
        arrived = slice(CALIBRATION, CALIBRATION + 500)
        images = corrupt(material.pool.images[arrived], suite, corruption, severity, rng=seed + 1)
        report = check_window(checked.fitted, predict(material.classifier, images), picks=96, draws=DRAWS)
        learnt = np.array([pick.index for pick in report.picks])
        train = material.data.take(material.split["train"])
        how = imitate(
            material.classifier, train.images, images, suite=suite, corruptions=[corruption], seed=seed
        )
        taught = Samples(images[learnt], material.labels[arrived][learnt])
        repaired = retrain(
            material.classifier,
            Lesson(Samples(train.images, train.known_labels), how, taught),
            settings=RetrainSettings(**material.params["retrain"]),
            seed=seed,
        )

        def see(shown: npt.NDArray[np.uint8]) -> Features:
            return predict(repaired, np.asarray(shown))

        fitted = fit_detector(see(material.reference.images), see(material.calibration.images), seed=seed)
        fitted = add_kind(fitted, corruption, see(images), seed=seed)

        def asked(name: str, shown: int, n: int, windows: int) -> float:
            features = see(material.corrupted(name, material.standard[name]).images[:shown])
            scores = score_samples(fitted, features)
            drawn = windows_of(shown, n, seed, windows)
            return float(np.mean([_asks(fitted, features, scores, window) for window in drawn]))

        others = {name: asked(name, 300, 50, 40) for name in material.standard if name != corruption}
        return {"again": asked(corruption, SHOWN, 100, 100), "others": others}

    return measure


def _asks(fitted: FittedDetector, features: Features, scores: Scores, window: Index) -> bool:
    part = Scores(scores.by_kind[:, window], scores.properties[window], scores.signals[window])
    return check_window(fitted, rows(features, window), draws=DRAWS, picks=1, scores=part).drifted
