"""Whether what lies in the inbox is what was taken in, by names and sizes, or contents where times differ."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from driftloop.data.taken import Source, difference, name_by_day, source_of

NOON = 1_764_590_400  # 2025-12-01, 12:00 UTC


@pytest.fixture
def monday(tmp_path: Path) -> Path:
    entry = tmp_path / "monday"
    entry.mkdir()
    for number in range(3):
        (entry / f"{number}.png").write_bytes(bytes([number]) * 9)
    return entry


@pytest.fixture
def taken(monday: Path) -> Source:
    return source_of(monday)


def test_what_lies_there_unchanged_or_copied_anew_is_no_difference(monday: Path, taken: Source) -> None:
    assert difference(monday, taken) is None
    os.utime(monday / "1.png", (1, 1))
    assert difference(monday, taken) is None


def test_pictures_that_come_late_are_one(monday: Path, taken: Source) -> None:
    (monday / "3.png").write_bytes(b"late")
    assert difference(monday, taken) == "4 files lie there now, 3 were taken in"


def test_other_pictures_are_one_though_names_and_sizes_are_the_same(monday: Path, taken: Source) -> None:
    (monday / "1.png").write_bytes(b"otherwise")
    os.utime(monday / "1.png", (1, 1))
    assert difference(monday, taken) == "other files lie there now than were taken in"


def test_an_archive_is_compared_as_a_folder_is(tmp_path: Path) -> None:
    archive = tmp_path / "w.zip"
    archive.write_bytes(b"one")
    taken = source_of(archive)
    archive.write_bytes(b"two")
    assert difference(archive, taken) == "other files lie there now than were taken in"


def test_a_window_that_comes_again_is_named_by_the_day_of_its_last_change(monday: Path) -> None:
    for path in monday.iterdir():
        os.utime(path, (NOON, NOON))
    assert name_by_day(monday, set()).name == "monday-2025-12-01"
    assert name_by_day(monday, {"monday-2025-12-01"}).name == "monday-2025-12-01-2"
    archive = monday.with_name("monday.tar.gz")
    archive.write_bytes(b"")
    os.utime(archive, (NOON, NOON))
    assert name_by_day(archive, set()).name == "monday-2025-12-01.tar.gz"
