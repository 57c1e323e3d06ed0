"""The examples keep the contracts that a user's own class can be put through, and broken ones do not."""

from __future__ import annotations

import importlib.util
import io
import json
import tarfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from driftloop import contracts
from driftloop.checker.combined import Combined
from driftloop.data.sources import Digits
from driftloop.improver.filters import GatedDenoiser, ResidualDenoiser
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
    for make in (GatedDenoiser, ResidualDenoiser, example("my_filter").Smooth):
        contracts.check_filter(make)


def test_a_detector_that_looks_at_its_neighbours_is_found_out() -> None:
    class Ranks(example("my_detector").Distance):
        def score(self, state, features):
            return np.argsort(super().score(state, features)).astype(np.float64)

    with pytest.raises(AssertionError, match="depends on its sample alone"):
        contracts.check_detector(Ranks())


def test_stickers_are_photographed_from_what_a_package_holds(tmp_path: Path) -> None:
    fruit_photos = example("fruit_photos")
    listed = [
        {"short_name": "apple", "subcategory": "food-fruit", "image": "1f34e.png"},
        {"short_name": "hammer", "subcategory": "tool", "image": "1f528.png"},
    ]
    drawn = io.BytesIO()
    Image.new("RGBA", (64, 64), (200, 0, 0, 255)).save(drawn, "PNG")
    files = {"emoji.json": json.dumps(listed).encode()}
    files |= {f"img/google/64/{each['image']}": drawn.getvalue() for each in listed}
    with tarfile.open(tmp_path / "package.tgz", "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    (drawing,) = fruit_photos.drawings(tmp_path / "package.tgz").values()
    first, same, other = (
        np.asarray(fruit_photos.photograph(drawing, np.random.default_rng(seed))) for seed in (0, 0, 1)
    )
    assert first.shape == (48, 48, 3)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_every_example_is_short_and_compiles() -> None:
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text()
        compile(text, path, "exec")
        assert len(text.splitlines()) <= 60, path
