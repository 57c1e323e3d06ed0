"""Generated archives, lists and folders in the inbox: taken in or refused with a message, and nothing else.

Fifty examples of each kind in an ordinary run. DRIFTLOOP_EXAMPLES sets how many (`make test-fuzz`).
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import tarfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.abuse.conftest import Command

from driftloop import layout
from driftloop.data.dataset import load_dataset

EXAMPLES = int(os.environ.get("DRIFTLOOP_EXAMPLES", "50"))
FUZZ = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="DRIFTLOOP_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SECRET = 251
"""The grey level of the picture outside, which no picture inside has."""
MEGABYTES = 600
SECONDS = 20.0

NAMES = st.one_of(
    st.sampled_from(
        [
            "a.png",
            "b.PNG",
            "c.gif",
            "sub/a.png",
            "sub/sub/b.png",
            "../secret.png",
            "../../secret.png",
            "/secret.png",
            ".hidden.png",
            "__MACOSX/._a.png",
            "a.jfif",
            "a.png.part",
            "images.npy",
            "-rf.png",
            "\x1b]0;owned\x07.png",
            "a\x1b[2Jb.png",
            "new\nline.png",
            "w.zip",
            ".",
            "..",
            "a" * 300 + ".png",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12).map(
        "{}.png".format
    ),
)
LEVELS = st.integers(0, 200)


def png(level: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((8, 8), level, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


CONTENTS = st.one_of(LEVELS.map(png), LEVELS.map(png), st.binary(max_size=60), st.just(b"\0" * 100_000))
DAMAGES = st.lists(st.tuples(st.sampled_from(["flip", "cut", "repeat"]), st.floats(0, 1), st.binary(min_size=1, max_size=8)),
                   max_size=3)  # fmt: skip


def damage(content: bytes, damages: list[tuple[str, float, bytes]]) -> bytes:
    for how, where, what in damages:
        at = int(where * len(content))
        if how == "flip":
            content = content[:at] + what + content[at + len(what) :]
        elif how == "cut":
            content = content[:at]
        else:
            content = content[:at] + content[at : at + 600] * 3 + content[at:]
    return content


@pytest.fixture
def inbox(project: Path) -> Path:
    """The inbox of a project in which window w has arrived, and beside it what no window may show."""
    Path("arrivals.txt").write_text("w reference\n")
    for folder in (project, project.parent, project / "elsewhere"):
        folder.mkdir(exist_ok=True)
        (folder / "secret.png").write_bytes(png(SECRET))
    np.save(project / "elsewhere" / "images.npy", np.full((3, 8, 8, 1), SECRET, np.uint8))
    return project / "inbox"


def arrives(driftloop: Command, inbox: Path, make: Callable[[], object]) -> None:
    """Put something into the inbox and take it in; assert what holds whatever it was."""
    for folder in (inbox, layout.window("w")):
        shutil.rmtree(folder, ignore_errors=True)
    inbox.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two members of one name
        make()
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins anew
    before, began = memory("VmRSS"), time.monotonic()
    outcome = driftloop("take-window", "w")
    assert time.monotonic() - began < SECONDS
    assert memory("VmHWM") - before < MEGABYTES
    assert not re.search(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]", outcome.said.replace("\r", ""))
    assert not re.search(r"\x1b(?!\[\d*[mK])", outcome.said), outcome.said  # ours colour and erase alone
    if outcome.status == 0:
        assert load_dataset(layout.window("w")).images.max() <= 200
    else:
        assert outcome.status == 1
        assert outcome.said.strip()
        assert not (layout.window("w") / "meta.json").exists()
    assert len(outcome.said) < 6000


def memory(what: str) -> float:
    """Megabytes of this process by a line of its status."""
    return int(re.search(rf"{what}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1000  # type: ignore[index]


@FUZZ
@given(st.lists(st.tuples(NAMES, CONTENTS, st.sampled_from([0, 8, 12, 14])), max_size=6), DAMAGES)
def test_zip(driftloop: Command, inbox: Path, members: list[tuple[str, bytes, int]], damages) -> None:
    def make() -> None:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as target:
            for name, content, method in members:
                target.writestr(name, content, method)
        (inbox / "w.zip").write_bytes(damage(stream.getvalue(), damages))

    arrives(driftloop, inbox, make)


TYPES = st.sampled_from(
    [tarfile.REGTYPE] * 4 + [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE,
                             tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME]
)  # fmt: skip
SIZES = st.one_of(st.none(), st.none(), st.none(), st.sampled_from([0, 1 << 20, 1 << 33, (1 << 36) - 1]))


@FUZZ
@given(st.lists(st.tuples(NAMES, CONTENTS, TYPES, SIZES), max_size=6), st.booleans(), DAMAGES, DAMAGES)
def test_tar(driftloop: Command, inbox: Path, members, zipped: bool, inside, outside) -> None:
    def make() -> None:
        content = b""
        for name, data, kind, size in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = (
                kind,
                "../../secret.png",
                len(data) if size is None else size,
            )
            content += member.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)
        content = damage(content + bytes(1024), inside)
        path = inbox / ("w.tar.gz" if zipped else "w.tar")
        path.write_bytes(damage(gzip.compress(content), outside) if zipped else content)

    arrives(driftloop, inbox, make)


PATHS = st.one_of(
    NAMES,
    st.sampled_from(
        [".pics/a.png", ".pics/link.png", ".pics/../.pics/b.png", ".pics/folder/a.png", ".pics/pipe.png",
         "../elsewhere/secret.png", "../secret.png", "w.csv", "", " ", "\0.png", "/dev/zero", ".pics"]
    ),
)  # fmt: skip
CELLS = st.one_of(
    PATHS, st.integers(), st.none(), st.lists(st.integers(), max_size=2), st.floats(), st.booleans()
)
KEYS = st.sampled_from(["path", "file", "label", "\x1b[31m", "Path "])


@FUZZ
@given(
    st.lists(st.dictionaries(KEYS, CELLS, max_size=3), max_size=6),
    st.sampled_from(["csv", "tsv", "jsonl", "txt"]),
    DAMAGES,
)
def test_list(driftloop: Command, inbox: Path, rows, kind: str, damages) -> None:
    def make() -> None:
        pictures = inbox / ".pics"
        pictures.mkdir()
        for name in ("a.png", "b.png"):
            (pictures / name).write_bytes(png(9))
        (pictures / "link.png").symlink_to("../../secret.png")
        (pictures / "folder").symlink_to("../../elsewhere")
        os.mkfifo(pictures / "pipe.png")
        if kind == "jsonl":
            text = "\n".join(json.dumps(row) for row in rows)
        else:
            text = "".join(
                "\t".join(map(str, row.values())).replace("\t", ",\t"[kind == "tsv"]) + "\n" for row in rows
            )
            text = text if kind == "txt" else f"path\n{text}"
        (inbox / f"w.{kind}").write_bytes(damage(text.encode(errors="surrogatepass"), damages))

    arrives(driftloop, inbox, make)


NODES = st.sampled_from(["file"] * 5 + ["link", "link to a folder", "dangling", "pipe", "folder", "circle"])


@FUZZ
@given(
    st.lists(st.tuples(NAMES, CONTENTS, NODES), max_size=8),
    st.sampled_from(["folder"] * 5 + ["link", "pipe"]),
)
def test_folder(driftloop: Command, inbox: Path, inside, whole: str) -> None:
    def make() -> None:
        if whole != "folder":
            os.mkfifo(inbox / "w") if whole == "pipe" else (inbox / "w").symlink_to("../elsewhere")
            return
        (inbox / "w").mkdir()
        for name, content, node in inside:
            path = inbox / "w" / name.lstrip("/")
            if ".." in path.parts or os.path.lexists(path):
                continue
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                put(path, content, node)
            except OSError:  # a name that is too long, or lies below a file
                continue

    arrives(driftloop, inbox, make)


def put(path: Path, content: bytes, node: str) -> None:
    targets = {
        "link": "../../secret.png",
        "link to a folder": "../../elsewhere",
        "dangling": "nowhere",
        "circle": ".",
    }
    if node in targets:
        path.symlink_to(targets[node])
    elif node == "pipe":
        os.mkfifo(path)
    elif node == "folder":
        path.mkdir()
    else:
        path.write_bytes(content)
