"""The public names, as docs/api.md shows them."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import driftloop

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def test_every_line_of_the_page_does_what_it_says() -> None:
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 15
    assert not found.failed


def test_every_public_name_is_there_and_on_the_page() -> None:
    for name in set(driftloop.__all__) - {"__version__", "FittedDetector"}:
        assert getattr(driftloop, name).__name__ == name
        assert f"`{name}`" in PAGE.read_text()
    with pytest.raises(AttributeError, match="no attribute 'Detector'"):
        _ = driftloop.Detector  # type: ignore[attr-defined]


def test_the_package_itself_loads_nothing_large() -> None:
    code = "import sys, driftloop; print({'torch', 'scipy', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"
