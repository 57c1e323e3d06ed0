"""Windows as they may arrive: archives, lists and folders of every bad kind; nothing is written elsewhere."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.abuse.conftest import Command, files, refused

from driftloop.data import packed
from driftloop.data.inbox import look_into
from driftloop.data.packed import members
from driftloop.data.pictures import Form
from driftloop.data.read_window import Arrived, read_window
from driftloop.errors import DataError


def picture(level: int = 90) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((8, 8), level, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def zipped(path: Path, *names: str, content: bytes | None = None) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in names:
            target.writestr(name, picture() if content is None else content)


def tarred(path: Path, *members: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w") as target:
        for member in members:
            target.addfile(member, io.BytesIO(picture()) if member.isreg() else None)


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(picture()) if kind == tarfile.REGTYPE else 0
    return info


def folder(path: Path, **contents: bytes) -> None:
    path.mkdir()
    for name, content in contents.items():
        (path / name.replace("_", ".")).write_bytes(content)


def encrypted(path: Path) -> None:
    zipped(path, "a.png")
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def claims(path: Path) -> None:
    zipped(path, "a.png", content=b"\0" * (1 << 20))
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (0xFFFFFF00).to_bytes(4, "little")
    path.write_bytes(content)


def tar_that_goes_back(path: Path) -> None:
    """A tar whose second header says that the next one lies before it, gzipped behind much that is nothing."""
    first, second = (tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT) for name in ("a.png", "b.png"))
    header = bytearray(second)
    header[124:136] = (256**12 - 512).to_bytes(12, "big")  # -512
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    path.write_bytes(gzip.compress(first + bytes(header) + bytes(1 << 20), mtime=0))


def tar_header(path: Path, size: int) -> None:
    """A tar whose extended header alone is so large, sparse on the disk."""
    header = tarfile.TarInfo("./PaxHeaders/a.png")
    header.type, header.size = tarfile.XHDTYPE, size
    path.write_bytes(header.tobuf(tarfile.USTAR_FORMAT))
    os.truncate(path, size + 2048)


def zip_directory(path: Path) -> None:
    """An archive that claims a directory of 1 GiB, and has that many bytes, sparse on the disk."""
    size = 1 << 30
    path.touch()
    os.truncate(path, size)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 0, 0)
    with path.open("ab") as stream:
        stream.write(end)


def bomb(path: Path) -> None:
    """Two gigabytes of nothing in a member, packed into two megabytes; then a picture."""
    nothing = tarfile.TarInfo("nothing.bin")
    nothing.size = 2 << 30
    with gzip.open(path, "wb", 1) as stream:
        stream.write(nothing.tobuf())
        for _ in range(nothing.size >> 24):
            stream.write(bytes(1 << 24))


BAD: dict[str, Callable[[Path], object]] = {
    "empty folder": lambda at: folder(at / "w"),
    "no pictures": lambda at: folder(at / "w", notes_txt=b"hello"),
    "broken pictures": lambda at: folder(at / "w", a_png=b"x", b_jpg=b"y"),
    "array of nothing": lambda at: np.save(at / "w.npy", np.zeros((0, 8, 8, 1), np.uint8)),
    "array of floats": lambda at: np.save(at / "w.npy", np.zeros((4, 8, 8, 1))),
    "array of another side": lambda at: np.save(at / "w.npy", np.zeros((4, 9, 9, 1), np.uint8)),
    "array of objects": lambda at: np.save(at / "w.npy", np.array([{}], dtype=object), allow_pickle=True),
    "empty file": lambda at: (at / "w.npy").write_bytes(b""),
    "empty archive": lambda at: zipped(at / "w.zip"),
    "no archive": lambda at: (at / "w.zip").write_bytes(b"PK and no more"),
    "cut archive": lambda at: (zipped(at / "w.zip", "a.png"), os.truncate(at / "w.zip", 60)),
    "encrypted archive": lambda at: encrypted(at / "w.zip"),
    "archive that claims 4 GiB": lambda at: claims(at / "w.zip"),
    "archive of archives": lambda at: zipped(at / "w.zip", "inner.zip"),
    "archive of text": lambda at: zipped(at / "w.zip", "a.png", content=b"hello"),
    "no tar": lambda at: (at / "w.tar").write_bytes(b"hello"),
    "no gzip": lambda at: (at / "w.tar.gz").write_bytes(b"\x1f\x8b and no more"),
    "tar of links": lambda at: tarred(at / "w.tar", member("a.png", tarfile.SYMTYPE, "/etc/passwd")),
    "tar of hard links": lambda at: tarred(at / "w.tar", member("a.png", tarfile.LNKTYPE, "../../x.png")),
    "tar of devices": lambda at: tarred(at / "w.tar", member("a.png", tarfile.CHRTYPE)),
    "tar of pipes": lambda at: tarred(at / "w.tar", member("a.png", tarfile.FIFOTYPE)),
    "list that climbs": lambda at: (at / "w.csv").write_text("path\n../../../etc/passwd\n"),
    "list without a path": lambda at: (at / "w.csv").write_text("picture\na.png\n"),
    "empty list": lambda at: (at / "w.txt").write_text(""),
    "list of what is gone": lambda at: (at / "w.txt").write_text("a.png\nb.png\n"),
    "list that is no text": lambda at: (at / "w.csv").write_bytes(bytes(range(256))),
    "list of itself": lambda at: (at / "w.txt").write_text("w.txt\n"),
    "pipe in a folder": lambda at: (folder(at / "w"), os.mkfifo(at / "w" / "a.png")),
    "pipe for an archive": lambda at: os.mkfifo(at / "w.zip"),
    "pipe for a tar": lambda at: os.mkfifo(at / "w.tar"),
    "pipe for a list": lambda at: os.mkfifo(at / "w.csv"),
    "pipe for an array": lambda at: os.mkfifo(at / "w.npy"),
    "device for an archive": lambda at: (at / "w.tar.gz").symlink_to("/dev/zero"),
    "link to a folder": lambda at: (folder(at / ".elsewhere", a_png=picture()), (at / "w").symlink_to(".elsewhere")),
    "link to a picture": lambda at: (
        folder(at / "w"), (at / "x.png").write_bytes(picture()), (at / "w" / "a.png").symlink_to("../x.png")
    ),
    "link to an array": lambda at: (
        folder(at / "w"), np.save(at / ".x.npy", np.zeros((4, 8, 8, 1), np.uint8)),
        (at / "w" / "images.npy").symlink_to("../.x.npy"),
    ),
    "list of a link": lambda at: (
        folder(at / ".pics", a_png=picture()), (at / ".more").symlink_to(".pics"),
        (at / "w.txt").write_text(".more/a.png\n"),
    ),
    "tar that ends too soon": lambda at: (
        tarred(at / "w.tar", member("a.png"), member("b.png")), os.truncate(at / "w.tar", 1024),
    ),
    "tar with a long header": lambda at: tar_header(at / "w.tar", 1 << 22),
    "zip with a long directory": lambda at: zip_directory(at / "w.zip"),
    "tar.gz that unpacks to more than it can": lambda at: bomb(at / "w.tar.gz"),
    "array with a long header": lambda at: (at / "w.npy").write_bytes(b"\x93NUMPY\x02\x00" + b"\xff" * 4 + b"{" * 99),
    "list of one endless line": lambda at: (at / "w.txt").write_bytes(b"a" * (1 << 19)),
    "device in a folder": lambda at: (folder(at / "w"), (at / "w" / "a.png").symlink_to("/dev/zero")),
}  # fmt: skip
GOOD: dict[str, Callable[[Path], object]] = {
    "one picture": lambda at: folder(at / "w", a_png=picture()),
    "one broken among two": lambda at: folder(at / "w", a_png=picture(), b_png=b"x"),
    "climbing names": lambda at: zipped(at / "w.zip", "../../climbed.png", "/absolute.png", "a/../../b.png"),
    "the same name twice": lambda at: tarred(at / "w.tar", member("a.png"), member("a.png")),
    "climbing names in tar": lambda at: tarred(at / "w.tar", member("../../climbed.png")),
    "odd names": lambda at: zipped(at / "w.zip", "new\nline.png", "-rf.png", "数.png", "[red].png"),
    "one array": lambda at: np.save(at / "w.npy", np.zeros((1, 8, 8, 1), np.uint8)),
    "a list": lambda at: (folder(at / ".pics", a_png=picture()), (at / "w.txt").write_text(".pics/a.png\n")),
}  # fmt: skip


def arrive(driftloop: Command):
    Path("arrivals.txt").write_text("w reference\n")
    return driftloop("take-window", "w")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", BAD)
def test_a_window_that_cannot_be_used_is_refused_and_not_taken(
    case: str, project: Path, driftloop: Command
) -> None:
    BAD[case](project / "inbox")
    before = files(project.parent)
    refused(arrive(driftloop), "inbox")
    assert files(project.parent) - before <= {"project/arrivals.txt"}


def test_a_tar_whose_headers_lead_back_is_not_read_again_and_again(tmp_path: Path) -> None:
    tar_that_goes_back(tmp_path / "w.tar.gz")
    with (tmp_path / "w.tar.gz").open("rb") as stream, pytest.raises(DataError, match="size in its headers"):
        list(members("w.tar.gz", stream))


@pytest.mark.parametrize("name", ["w.zip", "w.tar.gz"])
def test_an_archive_that_takes_too_long_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path / "w", a_png=picture())
    shutil.make_archive(str(tmp_path / "w"), "zip" if name.endswith("zip") else "gztar", tmp_path / "w")
    monkeypatch.setattr(packed, "_PATIENCE", -1e9)
    with (tmp_path / name).open("rb") as stream, pytest.raises(DataError, match="takes too long to unpack"):
        list(members(name, stream))


def test_a_window_that_changes_while_it_is_read_is_not_taken(
    project: Path, driftloop: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(project / "inbox" / "w", a_png=picture())

    def read_slowly(path: Path, form: Form) -> Arrived:
        arrived = read_window(path, form)
        (path / "b.png").write_bytes(picture(3))
        return arrived

    monkeypatch.setattr("driftloop.data.read_window.read_window", read_slowly)
    refused(arrive(driftloop), "changed while it was read")
    assert not Path("data/windows/w/meta.json").exists()


@pytest.mark.parametrize("case", GOOD)
def test_a_window_that_is_odd_is_taken(case: str, project: Path, driftloop: Command) -> None:
    GOOD[case](project / "inbox")
    before = files(project.parent)
    outcome = arrive(driftloop)
    assert outcome.status == 0, outcome.said
    assert Path("data/windows/w/meta.json").exists()
    assert not [
        name for name in files(project.parent) - before
        if not name.startswith(("project/data", "project/arrivals.txt"))
    ]  # fmt: skip


def test_whatever_is_not_taken_is_counted_and_named_by_reason(project: Path, driftloop: Command) -> None:
    at = project / "inbox" / "w"
    folder(at, a_png=picture(), b_xyz=picture(), c_xyz=picture(), notes=b"", _DS_Store=b"")
    folder(project / "elsewhere", d_png=picture())
    (at / "camera2").symlink_to(project / "elsewhere")
    os.mkfifo(at / "pipe.png")
    (at / "bell\a.png").write_bytes(picture())
    said = arrive(driftloop).said
    for words in (
        "6 of 8 left out", "2 left out, such as inbox/w/b.xyz: it ends in .xyz, which is not read",
        "inbox/w/camera2: it is a link", "inbox/w/pipe.png: it is not a regular file", "it is hidden",
        "inbox/w/notes: it has no ending",
    ):  # fmt: skip
        assert words in said
    told = Path("data/windows/w/origins.csv").read_text()
    assert len(told.splitlines()) == 9
    assert "bell\\x07.png" in told


def test_a_list_that_repeats_itself_says_so(project: Path, driftloop: Command) -> None:
    folder(project / "inbox" / ".pics", a_png=picture())
    (project / "inbox" / "w.txt").write_text(".pics/a.png\n.pics/../.pics/a.png\n" * 30)
    assert "59 rows name a picture that is named before" in arrive(driftloop).said


def test_a_name_that_repeats_itself_does_not_stop_the_others(tmp_path: Path) -> None:
    folder(tmp_path / ("x" * 64), a_png=picture())
    folder(tmp_path / ("ab" * 20), a_png=picture())
    folder(tmp_path / ("ab" * 19), a_png=picture())
    waiting = look_into(tmp_path, (), 0)
    assert waiting.whole == ("ab" * 19,)
    assert len(waiting.refused) == 2
    assert "20 times the same" in waiting.refused[0]


@pytest.mark.parametrize(
    "name", [".1220.png.h2Kf9Q", "1220.png.part", "1220.png.Ab12Cd34", ".rsync-partial/1220.png"]
)
def test_a_folder_waits_while_a_file_in_it_is_still_being_written(name: str, tmp_path: Path) -> None:
    folder(tmp_path / "w", a_png=picture())
    (tmp_path / "w" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "w" / name).write_bytes(b"half")
    waiting = look_into(tmp_path, (), 0)
    assert waiting.whole == ()
    assert "still being written" in waiting.refused[0]


def test_what_can_be_no_window_is_named(tmp_path: Path) -> None:
    (tmp_path / "monday.rar").write_bytes(b"Rar!")
    (tmp_path / "link.png").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe.zip")
    (tmp_path / "gone").symlink_to("nowhere")
    refused_ = look_into(tmp_path, (), 0).refused
    assert [line.split()[0].rsplit("/")[-1] for line in refused_] == [
        "gone",
        "link.png",
        "monday.rar",
        "pipe.zip",
    ]


def test_one_window_in_two_forms_is_refused(project: Path, driftloop: Command) -> None:
    folder(project / "inbox" / "w", a_png=picture())
    zipped(project / "inbox" / "w.zip", "a.png")
    refused(arrive(driftloop), "w.zip")


def test_a_window_of_one_image_goes_all_the_way_to_its_report(project: Path, driftloop: Command) -> None:
    folder(project / "inbox" / "w", a_png=picture())
    assert arrive(driftloop).status == 0
    for step in ("predict-window", "check-window"):
        outcome = driftloop(step, "w")
        assert outcome.status == 0, outcome.said
    assert Path("results/w/drift.json").exists()
