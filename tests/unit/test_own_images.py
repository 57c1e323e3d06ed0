"""One's own images: which there are, what they show, and that none can both teach and judge."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from driftloop.data.below import Passed
from driftloop.data.contract import form_of
from driftloop.data.inbox import look_into
from driftloop.data.listing import list_file, list_folder, list_pictures
from driftloop.data.own import Arrays, ImageFolder, PythonDataset
from driftloop.data.pictures import Form
from driftloop.data.read_window import read_window
from driftloop.data.survey import Survey, suggest_form, survey
from driftloop.errors import DataError, ParameterError
from driftloop.params.named_class import allow

FORM = Form((8, 8, 1))
allow({"trust": [f"{__name__}.Numbered"]})


def paint(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), level, np.uint8)).save(path)


def fetched(folder: Path) -> tuple[dict[str, list[int]], str]:
    """Fetch a folder of pictures; return each class's levels of grey, and what was said."""
    said: list[str] = []
    data = ImageFolder(folder=str(folder), size=8, channels=1).fetch(said.append)
    levels = data.images[:, 0, 0, 0]
    classes = {name: sorted(levels[data.labels == code].tolist()) for code, name in enumerate(data.classes)}
    return classes, " ".join(said)


def test_of_copies_one_is_kept_and_of_contradictions_none(tmp_path: Path) -> None:
    for level in (10, 20, 30):
        paint(tmp_path / f"cat/{level}.png", level)
    for level in (40, 50):
        paint(tmp_path / f"dog/{level}.png", level)
    paint(tmp_path / "cat/10 (1).png", 10)
    paint(tmp_path / "dog/20.png", 20)  # is a cat, too
    classes, said = fetched(tmp_path)
    assert classes == {"cat": [10, 30], "dog": [40, 50]}
    assert "1 images have two labels each" in said
    assert "2 images are copies of others" in said


def test_parts_are_pooled_and_never_taken_for_classes(tmp_path: Path) -> None:
    for place, part in enumerate(("train", "test")):
        paint(tmp_path / part / "cat/a.png", 10 + place)
        paint(tmp_path / part / "dog/a.png", 20 + place)
    assert fetched(tmp_path)[0] == {"cat": [10, 11], "dog": [20, 21]}
    paint(tmp_path / "unlabelled/a.png", 30)
    with pytest.raises(DataError, match=r"parts of a dataset do, but .*unlabelled beside it is no such part"):
        fetched(tmp_path)


class Numbered:
    """A dataset as torchvision has them, whose second picture has no class."""

    classes = ("cat", "dog")

    def __init__(self, broken: bool = False) -> None:
        if broken:
            raise RuntimeError("Dataset not found. You can use download=True")

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.fromarray(np.full((8, 8), index, np.uint8)), -index


def test_a_class_number_below_zero_is_no_class() -> None:
    spec = {"_target_": f"{__name__}.Numbered"}
    with pytest.raises(DataError, match=r"class number from 0 to 1 \(the class number is -1\)"):
        PythonDataset(dataset=spec, size=8, channels=1).fetch(print)


def test_what_a_dataset_cannot_do_is_a_message() -> None:
    with pytest.raises(ParameterError, match="refuses its arguments: Dataset not found"):
        PythonDataset(dataset={"_target_": f"{__name__}.Numbered", "broken": True}, size=8)


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (np.zeros((), np.uint8), np.zeros(0, np.int64), r"images have shape \(\)"),
        (np.zeros((2, 8, 8), np.uint8), np.array([b"caf\xe9", b"tea"]), "no ASCII text"),
    ],
)
def test_arrays_of_another_form_are_refused(images: Any, labels: Any, said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    with pytest.raises(DataError, match=said):
        Arrays(file=str(tmp_path / "a.npz")).fetch(print)


def packed(folder: Path, names: list[str]) -> Path:
    import tarfile

    with tarfile.open(folder.with_suffix(".tar.gz"), "w:gz") as target:
        for name in names:
            target.add(folder / name, name)
    return folder.with_suffix(".tar.gz")


@pytest.mark.parametrize("pack", [lambda folder, _: folder, packed], ids=["folder", "tar.gz"])
def test_a_window_s_pictures_come_by_name_and_without_hidden_ones(
    pack: Callable[[Path, list[str]], Path], tmp_path: Path
) -> None:
    names = ["c.png", "sub/a.png", "a.png", ".thumbnails/a.png", "sub/.hidden/b.png", "._a.png", "b.png"]
    for level, name in enumerate(names):
        paint(tmp_path / "w" / name, level)
    arrived = read_window(pack(tmp_path / "w", names), FORM)
    assert [Path(name).relative_to(tmp_path / "w").as_posix() if Path(name).is_absolute() else name
            for name in arrived.names] == ["a.png", "b.png", "c.png", "sub/a.png"]  # fmt: skip
    assert arrived.images[:, 0, 0, 0].tolist() == [2, 6, 0, 1]


def test_an_empty_folder_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "w" / "sub").mkdir(parents=True)
    assert "w is empty" in look_into(tmp_path, (), 0).refused[0]
    paint(tmp_path / "w/sub/a.png", 1)
    assert look_into(tmp_path, (), 0).whole == ("w",)


def test_linked_folders_of_a_class_are_read_and_other_files_are_named(tmp_path: Path) -> None:
    for level, name in enumerate(("cat/a.png", "cat/c.psd", "dog/b.png")):
        paint(tmp_path / "here" / Path(name).with_suffix(".png"), level)
        (tmp_path / "here" / name).with_suffix(".png").rename(tmp_path / "here" / name)
    paint(tmp_path / "there" / "d.png", 9)
    (tmp_path / "here/cat/older").symlink_to(tmp_path / "there")
    (tmp_path / "here/cat/circle").symlink_to(tmp_path / "here")
    classes, said = fetched(tmp_path / "here")
    assert classes == {"cat": [0, 9], "dog": [2]}
    assert "here/cat/c.psd: it ends in .psd, which is not read" in said


def test_a_folder_of_nothing_that_is_read_says_what_lies_there(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    for number in range(240):
        (tmp_path / f"cat/{number:03}.dcmx").write_bytes(b"DICM")
    with pytest.raises(DataError, match=r"240 left out, such as .*/000\.dcmx: it ends in \.dcmx"):
        ImageFolder(folder=str(tmp_path), size=8).fetch(print)


def test_images_of_which_none_is_left_are_an_error(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        paint(tmp_path / label / "a.png", 7)
    with pytest.raises(DataError, match="of 2 images none is left"):
        ImageFolder(folder=str(tmp_path), size=8, channels=1).fetch(print)


def test_a_list_is_cut_at_its_line_ends_alone(tmp_path: Path) -> None:
    """Other characters at which a text may be cut belong to names, as do line ends in quotes."""
    names = ["a\u2028b.png", "c\x0cd.png", "e\nf.png"]
    for name in names:
        Image.new("L", (8, 8)).save(tmp_path / name)
    (tmp_path / "l.csv").write_text("path,label\n" + "".join(f'"{name}",x\n' for name in names))
    assert [each.path.name for each in list_file(tmp_path / "l.csv", None, Counter())] == names
    lines = [json.dumps({"path": name, "label": "x"}, ensure_ascii=False) for name in names]
    (tmp_path / "l.jsonl").write_text("\n".join(lines))
    assert [each.path.name for each in list_file(tmp_path / "l.jsonl", None, Counter())] == names
    (tmp_path / "l.txt").write_text("\n".join(names[:2]))
    with (tmp_path / "l.txt").open("rb") as stream:
        assert list_pictures(tmp_path / "l.txt", stream, Counter()) == names[:2]


@pytest.mark.parametrize(
    ("sizes", "size", "fit"),
    [
        ([(192, 48)], [48, 192], "refuse"),
        ([(20, 40), (21, 40), (20, 39)], [39, 20], "crop"),
        ([(40, 30), (40, 30), (40, 30), (30, 40)], [30, 40], "crop"),
        ([(40, 30), (30, 40)], 30, "crop"),
        ([(500, 500)], 64, "refuse"),
        ([(1000, 10)], [10, 1000], "refuse"),
        ([(3000, 300)], [40, 400], "refuse"),  # no more pixels than four squares of 64
    ],
)
def test_the_form_follows_the_pictures_own_shape(
    sizes: list[tuple[int, int]], size: object, fit: str
) -> None:
    seen = Survey({"a": 500, "b": 500}, Counter(sizes), grey=True)
    form = suggest_form(seen, None, None)
    assert (form["size"], form["fit"]) == (size, fit)
    assert suggest_form(seen, (28, 28), None)["size"] == 28


def test_levels_are_found_over_the_set_and_hold_for_every_window(tmp_path: Path) -> None:
    """A camera of 12 bits writes words of 16; none of its pictures is quite white."""
    rng = np.random.default_rng(0)
    for place in range(40):
        picture = tmp_path / "photos" / ("cat", "dog")[place % 2] / f"{place}.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 2000 + 50 * place, (8, 8), dtype=np.uint16)).save(picture)
    form = suggest_form(survey(list_folder(tmp_path / "photos", Passed())), (8, 8), None)
    assert form["levels"] == [0, 4095]
    source = ImageFolder(folder=str(tmp_path / "photos"), **form)
    assert 220 < source.fetch(print).images.max() <= 255 * 3950 / 4095
    window = tmp_path / "monday"
    window.mkdir()
    for name, value in (("dark", 40), ("bright", 4095), ("sixteen", 9000)):
        Image.fromarray(np.full((8, 8), value, np.uint16)).save(window / f"{name}.png")
    spec = {"_target_": "driftloop.data.own.ImageFolder", "folder": "photos", **form}
    arrived = read_window(window, form_of(spec, (8, 8, 1)))
    assert arrived.images[:, 0, 0, 0].tolist() == [255, 2, 255]
    assert "1 pictures have values beyond dataset.levels (0 to 4095), which are cut" in arrived.notes


def test_floats_are_taken_once_their_levels_are_found(tmp_path: Path) -> None:
    for place in range(8):
        picture = tmp_path / ("cat", "dog")[place % 2] / f"{place}.tif"
        picture.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), place / 8, np.float32)).save(picture)
    form = suggest_form(survey(list_folder(tmp_path, Passed())), (8, 8), None)
    assert form["levels"] == [0, 1]
    images = ImageFolder(folder=str(tmp_path), **form).fetch(print).images
    assert sorted(images[:, 0, 0, 0].tolist()) == [0, 32, 64, 96, 128, 159, 191, 223]


@pytest.mark.parametrize(
    "wrong", [{"levels": [5, 5]}, {"levels": 3}, {"bands": [0, 1]}, {"bands": [-1]}, {"fitt": 1}]
)
def test_what_is_no_reading_of_pictures_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        ImageFolder(folder=".", size=8, **wrong)
