"""No picture file is taken and wrong: each has the right grey levels, or is left out with a remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.picture_files import CASES, COLOUR, PAGE, Case, outcome, page, saved

from driftloop.data import codecs
from driftloop.data.pictures import Form
from driftloop.data.read_images import read_images
from driftloop.errors import DataError


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name + ("-set" if case.options else ""))
def test_a_picture_is_right_or_left_out_with_a_remedy(case: Case, tmp_path: Path) -> None:
    pixels, said = outcome(case, tmp_path)
    if case.shown is None:
        assert pixels is None
        assert case.says in said
        assert said.startswith(case.name)
        return
    assert pixels is not None, said
    assert np.abs(pixels.reshape(case.shown.shape).astype(int) - case.shown).max() <= case.near
    assert case.notes in said
    if not case.notes:
        assert said == ""


def test_the_page_of_pictures_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/pictures.md is stale. Run: make reference"


@pytest.mark.parametrize(("kind", "suffix", "extra"), [("HEIF", "heic", "heif"), ("JXL", "jxl", "jxl")])
def test_what_is_not_installed_is_named(
    kind: str, suffix: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"x.{suffix}").write_bytes(saved(COLOUR, kind)())
    monkeypatch.setattr(codecs, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=rf"x\.{suffix} is .*pip install 'driftloop\[{extra}\]'"):
        read_images([tmp_path], Form((16, 24, 3)))
