"""Model folders, detector folders and ledgers that somebody made up: read or refused, and nothing else.

DRIFTLOOP_EXAMPLES sets how many are tried (`make test-fuzz`).
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from driftloop.checker.store import load_detector
from driftloop.commands.plain_console import PlainConsole
from driftloop.errors import DriftloopError
from driftloop.files import digest_file
from driftloop.models.store import load_model
from driftloop.review.history import history
from driftloop.review.ledger import read_ledger

EXAMPLES = int(os.environ.get("DRIFTLOOP_EXAMPLES", "200"))
FUZZ = settings(
    max_examples=max(1, EXAMPLES // 3),
    deadline=20_000,
    derandomize=True,
    database=None,
    suppress_health_check=[*HealthCheck],
)
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
MEMORY = 600 << 20

TARGETS = st.sampled_from(
    [
        "driftloop.models.networks.ConvNet",
        "driftloop.models.networks.ResNet",
        "driftloop.models.programs.OnnxProgram",
        "driftloop.models.programs.ExportedProgram",
        "driftloop.models.wrapped.Wrapped",
        "driftloop.models.classifier.Classifier",
        "driftloop.improver.filters.GatedDenoiser",
        "driftloop.improver.align.Aligned",
        "driftloop.checker.combined.Combined",
        "driftloop.checker.neighbours.NearestNeighbours",
        "driftloop.__main__.Main",
        "fuzzed_brought_along.Net",
        "fuzzed-folder.fuzzed_brought_along.Net",
        "unittest.__main__.Net",
        "os.system",
        "torch.nn.Linear",
        "subprocess.Popen",
    ]
)
NAMES = st.text(max_size=12) | st.sampled_from(
    ["\x1b[2J", "\x9b31m", "../../etc/passwd", "\u202e", "a\nb", "\x00"]
)
PLAIN = st.none() | st.booleans() | st.integers(-3, 1 << 40) | st.floats() | NAMES
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
KEYS = st.sampled_from(
    ["width", "embedding", "size", "batch", "classes", "module", "members", "network", "k"]
)
SPECS = st.recursive(
    st.fixed_dictionaries({"_target_": TARGETS | NAMES}) | VALUES,
    lambda inner: st.builds(
        lambda target, rest: {**rest, "_target_": target},
        TARGETS,
        st.dictionaries(KEYS, inner | VALUES, max_size=3),
    ),
    max_leaves=6,
)
MODELS = st.fixed_dictionaries(
    {},
    optional={
        "format": PLAIN,
        "network": SPECS,
        "filters": st.lists(SPECS, max_size=2) | VALUES,
        "classes": st.lists(NAMES, max_size=4) | VALUES,
        "input_shape": st.lists(st.integers(-1, 1 << 40), max_size=4) | VALUES,
        "mean": VALUES,
        "std": VALUES,
        "parent": VALUES,
        "sha256": VALUES,
    },
)
DETECTORS = st.fixed_dictionaries(
    {},
    optional={"format": PLAIN, "detector": SPECS, "kinds": VALUES, "accuracy_error": VALUES, "model": VALUES},
)
_reads: list[str] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | bytes):
        _reads.append(os.fsdecode(arguments[0]))
    elif event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn"):
        _reads.append(f"ran {event}")


sys.addaudithook(_hear)


def shown(text: str) -> str:
    console = PlainConsole(width=100, color_system=None)
    with console.capture() as captured:
        console.print(text)
    return captured.get()


def safe(folder: Path, read: Any) -> None:
    """Read something; whatever it holds, nothing of it is run, printed raw, or looked for elsewhere."""
    torch.set_num_threads(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _reads.clear()
    said = "it was read"
    try:
        read()
    except DriftloopError as error:
        said = str(error)
    assert said
    assert RAW.findall(shown(said)) == []
    heard = [*_reads]
    assert not (folder / "executed").exists()
    code = (".py", ".pyc", ".so", ".pth", "/params.yaml", "/schema.yaml", "METADATA", "entry_points.txt")
    outside = [
        path
        for path in heard
        if not path.endswith(code)
        and not Path(path).absolute().is_relative_to(folder)
        and not path.startswith((sys.prefix, sys.base_prefix, "/proc/", "/sys/", "/dev/urandom"))
    ]
    assert outside == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY >> 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that came from elsewhere, with code in it and the working directory beside it."""
    root = tmp_path_factory.mktemp("received")
    home = root / "fuzzed-folder"
    home.mkdir()
    for place in (root, home):
        (place / "fuzzed_brought_along.py").write_text("open('executed', 'w').close()\nclass Net: pass\n")
    save_file({"a": np.zeros(3, np.float32)}, home / "model.safetensors")
    save_file({"classes": np.zeros(3, np.int64)}, home / "detector.safetensors")
    return home


def whole(folder: Path, name: str, given: dict[str, Any], rest: dict[str, Any]) -> None:
    sha256 = digest_file(folder / f"{name}.safetensors")
    (folder / f"{name}.json").write_text(json.dumps({"sha256": sha256, **rest, **given}))


MODEL = {
    "format": 1,
    "network": {"_target_": "driftloop.models.networks.ConvNet", "width": 2},
    "input_shape": [8, 8, 1],
    "classes": ["a", "b"],
    "mean": [0.5],
    "std": [0.5],
    "filters": [],
    "parent": None,
    "training_data": [],
}
DETECTOR = {
    "format": 3,
    "detector": {"_target_": "driftloop.checker.combined.Combined"},
    "kinds": [],
    "accuracy_error": None,
    "model": None,
}


@given(given=MODELS)
@FUZZ
def test_a_made_up_model_folder(given: dict[str, Any], folder: Path) -> None:
    whole(folder, "model", given, MODEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        safe(folder, lambda: load_model(folder))


@given(given=DETECTORS)
@FUZZ
def test_a_made_up_detector_folder(given: dict[str, Any], folder: Path) -> None:
    whole(folder, "detector", given, DETECTOR)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder.parent)
        safe(folder, lambda: load_detector(folder))


ENTRIES = (
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            (
                "format",
                "window",
                "time",
                "reviewer",
                "report",
                "images",
                "previous",
                "answer",
                "decision",
                "labels",
                "reason",
                "entry",
            ),
            VALUES,
        ),
    )
    | VALUES
)


@given(lines=st.lists(ENTRIES.map(json.dumps) | st.text(max_size=40), max_size=4))
@FUZZ
def test_a_made_up_ledger(lines: list[str], folder: Path) -> None:
    path = folder / "w01.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")

    def read() -> None:
        console = PlainConsole(width=100, color_system=None)
        with console.capture() as captured:
            console.print(history(read_ledger(path)))
        assert RAW.findall(captured.get()) == []

    safe(folder, read)
