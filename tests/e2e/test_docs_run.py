"""The commands of the cheap pages, typed as they stand there, in order, in a finished project on digits."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.docs import Command, commands
from tests.support import BIN, ROOT, run
from tests.warm import warm_driftloop

pytestmark = pytest.mark.slow

ELSEWHERE = {
    "source .venv": "tests/e2e/test_demo.py",  # the environment that all tests run in
    "make": ".ci/run",
    "driftloop review w0": "tests/e2e/test_terminal.py",  # at a terminal
    "driftloop settle": "tests/unit/test_settle.py",
    "dvc": "tests/e2e/test_dvc.py",
    "git": "tests/e2e/test_dvc.py",
    "python -c": "tests/unit/test_examples.py",
}
"""Beginnings of commands that are not typed here, and the test that runs what they run."""


@pytest.fixture
def prepared(copied: Path, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The project with what a reader has at hand, and a PATH on which `driftloop` starts at once."""
    pictures = copied / "pictures"
    pictures.mkdir()
    window = np.load(copied / "data" / "windows" / "w01" / "images.npy")
    for number, image in enumerate(window[:4]):
        Image.fromarray(image[..., 0]).save(pictures / f"{number}.png")
    shutil.copy(pictures / "0.png", copied / "one.png")
    np.save(copied / "images.npy", window[:4])
    (copied / "labels.csv").write_text("index,label\n")
    shutil.copytree(ROOT / "examples", copied, dirs_exist_ok=True)
    quick = tmp_path / "quick"
    quick.mkdir()
    with warm_driftloop(quick):
        yield copied, os.pathsep.join([str(quick), str(BIN), os.environ["PATH"]])


@pytest.mark.parametrize("page", ["docs/improve.md", "docs/tracking.md", "docs/tutorial.md", "docs/your-own-parts.md"])
def test_the_commands_of_a_page_run(page: str, prepared: tuple[Path, str]) -> None:
    project, path = prepared
    typed = [command for command in commands(ROOT / page) if command.whole and not elsewhere(command)]
    assert typed
    for command in typed:
        result = run(project, "bash", "-c", command.text, PATH=path)
        assert result.returncode == 0, f"{command}\n{result.stdout}"


@pytest.mark.parametrize("test", sorted(set(ELSEWHERE.values())))
def test_what_is_left_to_another_test_is_there(test: str) -> None:
    assert (ROOT / test).exists()


def elsewhere(command: Command) -> bool:
    """Tell whether another test runs what a command runs."""
    return command.text.startswith(tuple(ELSEWHERE))
