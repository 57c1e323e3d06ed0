"""Pictures in text show the image: right pixels, right shape, right width, at every depth of colour."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.text import Text

from driftloop.checker.likeness import rank_likeness
from driftloop.corruptions import SUITES, corrupt
from driftloop.review.grid import draw_bar, draw_page, lay_out
from driftloop.review.material import Material, load_material
from driftloop.review.pen import Pen, clip
from driftloop.review.pictures import Depth, detect_depth, draw, fit
from driftloop.review.sheet import draw_sheet

GOLDEN = Path(__file__).parents[1] / "golden/review"
IMAGES = np.load(GOLDEN / "images.npz", allow_pickle=False)
build_project = runpy.run_path(str(GOLDEN / "project.py"))["build_project"]


def plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def cells(lines: list[str]) -> np.ndarray:
    """Read the colours back that a terminal would show: uint8 (2 * rows, columns, 3); blanks are black."""
    rows = []
    for line in lines:
        text = Text.from_ansi(line)
        upper, lower = np.zeros((2, len(text.plain), 3), dtype=np.uint8)
        for span in text.spans:
            style = span.style
            assert not isinstance(style, str)
            for half, colour in ((upper, style.color), (lower, style.bgcolor)):
                if colour is not None:
                    half[span.start : span.end] = colour.get_truecolor()
        rows += [upper, lower]
    return np.stack(rows)


@pytest.mark.parametrize("depth", Depth)
@pytest.mark.parametrize(
    "shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (512, 512, 3), (512, 100, 1), (30, 400, 3), (1, 1, 1)]
)
def test_every_size_of_image_fills_its_box_exactly(shape: tuple[int, int, int], depth: Depth) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for rows, columns in ((7, 14), (10, 30), (1, 1)):
        lines = draw(image, rows, columns, depth)
        assert [cell_len(plain(line)) for line in lines] == [columns] * rows
        assert depth is not Depth.NONE or "\x1b" not in "".join(lines)


def test_truecolor_shows_the_very_pixels_where_they_fit() -> None:
    for name in ("mnist", "cifar10"):
        image = IMAGES[name][0]
        side = image.shape[0]
        shown = cells(draw(image, side // 2, side, Depth.TRUECOLOR))
        assert (shown == np.broadcast_to(image, shown.shape)).all()


def test_shrinking_averages_and_enlarging_by_whole_numbers_repeats() -> None:
    checks = (np.indices((28, 28)).sum(0) % 2 * 200).astype(np.uint8)[..., None]
    shown = cells(draw(checks, 7, 14, Depth.TRUECOLOR))
    assert abs(shown.astype(int) - 100).max() <= 1
    image = IMAGES["mnist"][0]
    large = cells(draw(image, 28, 56, Depth.TRUECOLOR))[..., 0]
    assert (large == np.kron(image[..., 0], np.ones((2, 2), dtype=np.uint8))).all()


def test_256_colours_are_near_what_they_stand_for() -> None:
    grey = IMAGES["mnist"][3]
    shown = cells(draw(grey, 14, 28, Depth.PALETTE)).astype(int)
    assert abs(shown - grey).max() <= 20
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
    assert (cells(draw(colours, 1, 2, Depth.PALETTE)) == colours).all()


def test_shades_grow_with_light() -> None:
    ramp = np.tile(np.linspace(0, 255, 20).astype(np.uint8)[None, :, None], (2, 1, 1))
    (line,) = draw(ramp, 1, 20, Depth.NONE)
    assert line == "".join(sorted(line, key=" .:-=+*#%@".index))
    assert (line[0], line[-1]) == (" ", "@")


@pytest.mark.parametrize(("height", "width"), [(28, 28), (100, 400), (400, 100), (8, 8), (512, 512)])
def test_the_aspect_ratio_is_kept_within_one_cell(height: int, width: int) -> None:
    for rows, columns in ((7, 40), (20, 40), (30, 30)):
        high, wide = fit(height, width, rows, columns)
        assert 1 <= high <= rows
        assert 1 <= wide <= columns
        assert abs(2 * high * width / height - wide) <= max(1, width / height)


@pytest.mark.parametrize(
    ("environment", "depth"),
    [
        ({}, Depth.NONE),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, Depth.NONE),
        ({"TERM": "vt100"}, Depth.NONE),
        ({"TERM": "tmux-256color"}, Depth.PALETTE),
        ({"TERM": "xterm", "COLORTERM": "24bit"}, Depth.TRUECOLOR),
        ({"TERM": "xterm-direct"}, Depth.TRUECOLOR),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, Depth.PALETTE),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, Depth.NONE),
    ],
)
def test_colours_are_taken_from_the_environment(environment: dict[str, str], depth: Depth) -> None:
    assert detect_depth(environment) is depth


def test_text_is_cut_by_cells_and_not_by_letters() -> None:
    assert clip("漢字漢字", 5) == "漢字…"
    assert cell_len(clip("漢字漢字", 6)) == 6
    assert clip("abc", 0) == ""
    assert Pen(Depth.NONE)("x", "bold red") == "\x1b[1mx\x1b[0m"
    assert Pen(Depth.NONE, plain=True)("x", "bold red") == "x"


@pytest.fixture
def material(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Material:
    build_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return load_material("w02", "mnist_c")


@pytest.mark.parametrize(("columns", "rows"), [(60, 12), (80, 20), (120, 36), (200, 56), (300, 100)])
@pytest.mark.parametrize("count", [1, 24, 96])
def test_the_grid_stays_on_the_screen(columns: int, rows: int, count: int) -> None:
    for shape in ((28, 28, 1), (8, 8, 1), (512, 512, 3), (30, 400, 3), (400, 30, 3)):
        layout = lay_out(count, shape, rows, columns)
        assert layout.grid.across * (layout.picture_columns + 1) - 1 <= columns
        assert layout.grid.down * (layout.picture_rows + 2) <= rows
        assert layout.picture_rows >= 7
    assert lay_out(count, (28, 28, 1), 56, 200).grid.per_page >= min(count, 24)


def test_a_tile_has_its_number_class_confidence_score_and_label(material: Material) -> None:
    layout = lay_out(24, (28, 28, 1), 20, 80)
    labels: list[str | None] = [None] * 24
    labels[:4] = ["7", material.picks[1].predicted, "(none)", "(unsure)"]
    lines = draw_page(material, labels, 0, layout, Pen(Depth.NONE, plain=True))
    head = next(line for line in lines if "#1" in line).split()
    assert head[:4] == ["9", "#1", "5", "#2"]
    foot = next(line for line in lines if "99%" in line).split()
    assert foot[:3] == ["99%", "━━━━━", "✗"]
    assert foot[3:7] == ["7", "97%", "━━━━━", "✓"]
    assert "none" in foot
    assert {cell_len(line) for line in lines} == {layout.grid.across * (layout.picture_columns + 1) - 1}


def test_bars_grow_with_the_score() -> None:
    lengths = [len(draw_bar(value, 10, 8).strip()) for value in range(11)]
    assert lengths == sorted(lengths)
    assert (lengths[0], lengths[-1]) == (0, 8)
    assert draw_bar(1, 0, 4) == "    "


def test_the_corruption_that_was_done_looks_likeliest(material: Material) -> None:
    assert material.diagnoses[0] == "impulse_noise"
    assert set(material.diagnoses) == set(SUITES["mnist_c"])
    assert material.previews[0].examples.shape == (12, 28, 28, 1)


def test_ranking_by_likeness_takes_any_corruption() -> None:
    clean = IMAGES["cifar10"]
    window = corrupt(clean[12:], "cifar10_c", "contrast", 4, rng=3)

    def damage(images: np.ndarray, name: str) -> np.ndarray:
        return corrupt(images, "cifar10_c", name, rng=0)

    ranked = rank_likeness(window, clean[:12], ("fog", "impulse_noise", "contrast"), damage)
    assert ranked[0].name == "contrast"
    assert ranked[-1].name == "impulse_noise"


def test_the_sheet_holds_every_sample_sharp(material: Material) -> None:
    sheet = np.asarray(draw_sheet(material).convert("L"))
    image = material.images[material.picks[0].index][..., 0]
    large = np.kron(image, np.ones((4, 4), dtype=np.uint8))
    windows = np.lib.stride_tricks.sliding_window_view(sheet, large.shape)[40:90, :40]
    assert (windows == large).all(axis=(2, 3)).any()


def test_the_sheet_shows_labels_that_were_given(material: Material) -> None:
    labels = {material.picks[0].index: "7", material.picks[1].index: material.picks[1].predicted}
    without, given = draw_sheet(material), draw_sheet(material, labels)
    assert given.height > without.height
    red, green, blue = np.asarray(given, dtype=int).transpose(2, 0, 1)
    assert (green > red + 40).any()  # right
    assert ((red > blue + 60) & (green > blue + 30)).any()  # wrong
