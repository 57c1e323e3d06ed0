"""driftloop: notice drift, ask a person, repair the classifier, prove it, promote it.

The check and the gate are of use from Python too (docs/api.md). Each name is loaded when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from driftloop.checker.check import DriftReport, check_window
    from driftloop.checker.fitted import FittedDetector, fit_detector
    from driftloop.checker.realised import Realised, accuracy_fell
    from driftloop.improver.tally import Tally, count_draws
    from driftloop.models.features import Features

__version__ = "0.2.0"
__all__ = [
    "DriftReport",
    "Features",
    "FittedDetector",
    "Realised",
    "Tally",
    "__version__",
    "accuracy_fell",
    "check_window",
    "count_draws",
    "fit_detector",
]
_MODULES = {
    "DriftReport": "checker.check",
    "Features": "models.features",
    "FittedDetector": "checker.fitted",
    "Realised": "checker.realised",
    "Tally": "improver.tally",
    "accuracy_fell": "checker.realised",
    "check_window": "checker.check",
    "count_draws": "improver.tally",
    "fit_detector": "checker.fitted",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"driftloop.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'driftloop' has no attribute {name!r}")
