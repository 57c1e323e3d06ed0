"""The examples keep the contracts that a user's own class can be put through, and broken ones do not."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from driftloop import contracts
from driftloop.checker.combined import Combined
from driftloop.data.sources import Digits
from driftloop.improver.filters import GatedDenoiser
from driftloop.models.networks import ConvNet, ResNet

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_datasets() -> None:
    for source in (Digits(), example("my_dataset").Stripes(n=50)):
        contracts.check_dataset(source)


def test_networks() -> None:
    for make in (ConvNet, ResNet, example("my_network").Small):
        contracts.check_network(make)


def test_detectors() -> None:
    for detector in (Combined(), example("my_detector").Distance()):
        contracts.check_detector(detector)


def test_filters() -> None:
    for make in (GatedDenoiser, example("my_filter").Smooth):
        contracts.check_filter(make)


def test_a_detector_that_looks_at_its_neighbours_is_found_out() -> None:
    class Ranks(example("my_detector").Distance):
        def score(self, state, features):
            return np.argsort(super().score(state, features)).astype(np.float64)

    with pytest.raises(AssertionError, match="depends on its sample alone"):
        contracts.check_detector(Ranks())


def test_every_example_is_short_and_compiles() -> None:
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text()
        compile(text, path, "exec")
        assert len(text.splitlines()) <= 50, path
