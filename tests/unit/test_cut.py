"""Loose pictures in the inbox become windows, by count or by day; interrupted or not, each picture once."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from driftloop.data.cut import cut_loose
from driftloop.data.inbox import look_into, loose_pictures
from driftloop.errors import DataError

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
DAY = 86400.0


def arrive(inbox: Path, *names: str, ago: float) -> None:
    """Put pictures into the inbox that were written so many seconds ago, a second apart."""
    for place, name in enumerate(names):
        (inbox / name).write_bytes(name.encode())
        os.utime(inbox / name, (NOW - ago + place, NOW - ago + place))


def windows(inbox: Path) -> dict[str, list[str]]:
    """The windows that can be taken in, with their pictures."""
    whole = look_into(inbox, (), 1, cut=True, now=NOW + 10 * DAY).whole
    return {name: sorted(path.name for path in (inbox / name).iterdir()) for name in whole}


def loose(inbox: Path) -> list[str]:
    return sorted(path.name for path in inbox.iterdir() if path.is_file())


def test_by_count_in_the_order_of_writing_and_the_rest_waits(tmp_path: Path) -> None:
    arrive(tmp_path, "z.png", "y.jpg", "x.PNG", "w.png", "v.png", ago=100)
    assert cut_loose(tmp_path, 2, 10, NOW) == ("cut-000001", "cut-000002")
    assert windows(tmp_path) == {"cut-000001": ["y.jpg", "z.png"], "cut-000002": ["w.png", "x.PNG"]}
    assert loose(tmp_path) == ["v.png"]
    assert look_into(tmp_path, (), 10, cut=True, now=NOW).loose == 1
    assert cut_loose(tmp_path, 2, 10, NOW) == ()
    arrive(tmp_path, "u.png", ago=50)
    assert cut_loose(tmp_path, 2, 10, NOW) == ("cut-000003",)


def test_what_was_cut_is_whole_at_once(tmp_path: Path) -> None:
    """Its pictures have settled; nobody waits for the folder anew."""
    arrive(tmp_path, "a.png", "b.png", ago=100)
    cut_loose(tmp_path, 2, 10, NOW)
    assert look_into(tmp_path, (), 10, cut=True, now=NOW).whole == ("cut-000001",)


def test_a_number_that_was_used_is_not_used_again(tmp_path: Path) -> None:
    arrive(tmp_path, "a.png", ago=100)
    assert cut_loose(tmp_path, 1, 10, NOW, taken=("monday", "cut-000007")) == ("cut-000008",)


def test_by_day_once_it_is_over(tmp_path: Path) -> None:
    arrive(tmp_path, "old.png", ago=2 * DAY)
    arrive(tmp_path, "a.png", "b.png", ago=DAY)
    arrive(tmp_path, "today.png", ago=100)
    assert cut_loose(tmp_path, "day", 10, NOW) == ("day-2026-11-22", "day-2026-11-23")
    assert windows(tmp_path) == {"day-2026-11-22": ["old.png"], "day-2026-11-23": ["a.png", "b.png"]}
    assert loose(tmp_path) == ["today.png"]


def test_a_picture_that_comes_late_to_a_day_that_was_cut_stays(tmp_path: Path) -> None:
    arrive(tmp_path, "late.png", ago=DAY)
    assert cut_loose(tmp_path, "day", 10, NOW, taken=("day-2026-11-23",)) == ()
    assert loose(tmp_path) == ["late.png"]


def test_what_comes_late_goes_into_the_next_day(tmp_path: Path) -> None:
    arrive(tmp_path, "late.png", ago=2 * DAY)
    arrive(tmp_path, "a.png", ago=DAY)
    assert cut_loose(tmp_path, "day", 10, NOW, taken=("day-2026-11-22",)) == ("day-2026-11-23",)
    assert windows(tmp_path) == {"day-2026-11-23": ["a.png", "late.png"]}


def test_a_day_is_over_once_its_last_pictures_have_settled(tmp_path: Path) -> None:
    midnight = NOW + DAY / 2
    arrive(tmp_path, "early.png", ago=100)
    (tmp_path / "last.png").touch()
    os.utime(tmp_path / "last.png", (midnight - 1, midnight - 1))
    assert cut_loose(tmp_path, "day", 10, midnight + 5) == ()
    assert cut_loose(tmp_path, "day", 10, midnight + 10) == ("day-2026-11-24",)
    assert loose(tmp_path) == []


def test_what_an_interrupted_cut_left_overwrites_nothing_and_is_not_lost(tmp_path: Path) -> None:
    arrive(tmp_path, "a.png", "b.png", ago=DAY)
    stage = tmp_path / ".cutting-cut-000001"
    stage.mkdir()
    (tmp_path / "a.png").rename(stage / "a.png")
    (tmp_path / "a.png").write_bytes(b"another")
    os.utime(tmp_path / "a.png", (NOW - 50, NOW - 50))
    assert cut_loose(tmp_path, "day", 10, NOW) == ("day-2026-11-23",)  # by day now
    (kept,) = ((tmp_path / "day-2026-11-23") / name for name in ("a.png", "a-2.png")
               if ((tmp_path / "day-2026-11-23") / name).exists())  # fmt: skip
    assert kept.read_bytes() == b"a.png"
    assert (tmp_path / "a.png").read_bytes() == b"another"


def test_a_picture_that_its_writer_renames_meanwhile_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrive(tmp_path, "a.png", "b.png", ago=100)
    gone = [tmp_path / "gone.png"]
    monkeypatch.setattr("driftloop.data.cut.loose_pictures", lambda inbox: [*gone, *loose_pictures(inbox)])
    assert cut_loose(tmp_path, 2, 10, NOW) == ("cut-000001",)


def test_what_is_still_being_written_and_what_is_no_picture_stays(tmp_path: Path) -> None:
    arrive(tmp_path, "a.png", "notes.txt", ".b.png", "c.png.part", ago=100)
    arrive(tmp_path, "growing.png", ago=3)
    (tmp_path / "folder.png").mkdir()
    assert cut_loose(tmp_path, 1, 10, NOW) == ("cut-000001",)
    assert loose(tmp_path) == [".b.png", "c.png.part", "growing.png", "notes.txt"]


@pytest.mark.parametrize(("how", "name"), [(3, "cut-000001"), ("day", "day-2026-11-23")])
def test_a_cut_that_was_interrupted_is_gone_on_with(tmp_path: Path, how: int | str, name: str) -> None:
    arrive(tmp_path, "a.png", "b.png", "c.png", ago=DAY)
    stage = tmp_path / f".cutting-{name}"
    stage.mkdir()
    (tmp_path / "a.png").rename(stage / "a.png")
    assert windows(tmp_path) == {}
    assert cut_loose(tmp_path, how, 10, NOW) == (name,)
    assert windows(tmp_path) == {name: ["a.png", "b.png", "c.png"]}
    assert loose(tmp_path) == []


def test_an_inbox_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"inbox .*nowhere cannot be cut"):
        cut_loose(tmp_path / "nowhere", 5, 10, NOW)
