"""What `driftloop init` says of the images that it saw, and of what becomes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from driftloop.cli import driftloop


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of a hundred colour pictures each."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for place in range(200):
        picture = tmp_path / "photos" / ("cat", "dog")[place % 2] / f"{place}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(picture)
    return tmp_path / "photos"


def test_it_says_what_it_saw_and_the_size_that_was_asked_for(photos: Path) -> None:
    done = CliRunner().invoke(driftloop, ["init", "new", "--images", str(photos), "dataset.size=20"])
    assert done.exit_code == 0, done.output
    assert "200 colour images of 2 classes, 12 x 12; 100 of a class." in done.output
    assert "They become 20 pixels a side" in done.output
    assert "size: 20" in Path("new/params.yaml").read_text()


def test_unequal_classes_are_named(photos: Path) -> None:
    for picture in sorted((photos / "cat").iterdir())[:50]:
        picture.rename(photos / "dog" / f"more-{picture.name}")
    done = CliRunner().invoke(driftloop, ["init", "new", "--images", str(photos)])
    assert "from 50 (cat) to 150 (dog) of a class." in done.output
