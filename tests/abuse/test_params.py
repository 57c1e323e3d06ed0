"""params.yaml and overrides of every wrong kind: one message that names the key, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.abuse.conftest import Command, refused

from driftloop.params.compose import compose, render
from driftloop.params.merge import place
from driftloop.params.validate import schema

WRONG = {
    "integer": ("many", -7, 1.5, True, None, [1], {}, float("nan"), float("inf"), 10**400),
    "number": ("much", -7, True, None, [0.1], {}, float("-inf")),
    "boolean": ("yes please", 3, None),
    "string": (5, [], {}),
    "enum": ("nobody", 7, None, ["auto"]),
}


def leaves(rule: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """The dotted path of every knob, and what kind of value it takes."""
    for key, inner in rule.get("properties", {}).items():
        at = f"{path}{key}"
        kind = "enum" if "enum" in inner else inner.get("type")
        if kind == "object" and "properties" in inner:
            yield from leaves(inner, f"{at}.")
        elif isinstance(kind, str) and kind in WRONG:
            yield at, str(kind)


CASES = [(path, value) for path, kind in leaves(schema()) for value in WRONG[kind]]


@cache
def rendered() -> str:
    """A params.yaml in which all is well."""
    return render(compose(["dataset=digits"]))


def sound() -> dict[str, Any]:
    """Its parameters, to be changed."""
    return yaml.load(rendered(), yaml.CSafeLoader)


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(rendered())
    return tmp_path


@pytest.mark.parametrize(("path", "value"), CASES)
def test_a_value_of_the_wrong_kind_is_named(path: str, value: Any, empty: Path, driftloop: Command) -> None:
    params = sound()
    place(params, path, value)
    Path("params.yaml").write_text(yaml.safe_dump(params))
    refused(driftloop("status"), path.rpartition(".")[2])


FILES: dict[str, str | bytes] = {
    "empty": "",
    "only a comment": "# nothing\n",
    "a list": "- seed\n- 0\n",
    "a word": "hello\n",
    "a number": "5\n",
    "no yaml": "seed: [0\n",
    "tabs": "seed:\t0\n\tgate: 1\n",
    "binary": bytes(range(256)),
    "utf-16": "seed: 0\n".encode("utf-16"),
    "an object": "seed: !!python/object/apply:os.mkdir [executed]\n",
    "a name": "seed: !!python/name:os.system\n",
    "two documents": "seed: 0\n---\nseed: 1\n",
    "itself": "&a\nseed: 0\ndataset: *a\n",
    "many anchors": "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)),
    "unknown key": "gate: {alhpa: 0.1}\n",
    "deep": "a: " + "[" * 3000 + "]" * 3000,
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_parameters(case: str, empty: Path, driftloop: Command) -> None:
    content = FILES[case]
    Path("params.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
    refused(driftloop("status"), "params.yaml")
    assert not Path("executed").exists()


def test_no_file_a_folder_a_dangling_link(empty: Path, driftloop: Command) -> None:
    Path("params.yaml").unlink()
    refused(driftloop("status"), "driftloop configure")
    Path("params.yaml").symlink_to("nowhere")
    refused(driftloop("status"), "params.yaml")
    Path("params.yaml").unlink()
    Path("params.yaml").mkdir()
    refused(driftloop("status"), "params.yaml")


STREAMS: dict[str, Any] = {
    "a list": [{"n": 5}],
    "a number": {"w01": 5},
    "nothing": {"w01": None},
    "no size": {"w01": {}},
    "none": {"w01": {"n": 0}},
    "a share above one": {"w01": {"n": 5, "share": 1.5}},
    "severity six": {"w01": {"n": 5, "severity": 6}},
    "mistyped": {"w01": {"n": 5, "corupption": "fog"}},
    "the reference": {"reference": {"n": 5}},
    "climbing": {"../w01": {"n": 5}},
    "absolute": {"/tmp/w01": {"n": 5}},
    "a space": {"w 01": {"n": 5}},
    "a dot": {"w.01": {"n": 5}},
    "a dash first": {"-w01": {"n": 5}},
    "no name": {"": {"n": 5}},
    "too long": {"w" * 65: {"n": 5}},
    "a number as name": {1: {"n": 5}},
    "true as name": {True: {"n": 5}},
    "a date as name": {__import__("datetime").date(2026, 11, 24): {"n": 5}},
    "umlaut": {"wöche": {"n": 5}},
    "braces": {"{window}": {"n": 5}},
    "a command": {"$(id)": {"n": 5}},
    "parent unknown": {"w01": {"n": 5, "parent": "w00"}},
    "parent later": {"w01": {"n": 5, "parent": "w02"}, "w02": {"n": 5}},
    "its own parent": {"w01": {"n": 5, "parent": "w01"}},
    "empty": {},
}


@pytest.mark.parametrize("case", STREAMS)
def test_a_stream_that_is_none(case: str, empty: Path, driftloop: Command) -> None:
    params = sound() | {"stream": STREAMS[case]}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True))
    refused(driftloop("status"), "stream")


OTHERS: list[tuple[str, Any]] = [
    ("inbox", "inbox"),
    ("inbox", {"folder": "inbox"}),
    ("inbox", {"folder": "", "settle": 1, "cut": None}),
    ("inbox", {"folder": "i", "settle": -1, "cut": None}),
    ("inbox", {"folder": "i", "settle": 1, "cut": "week"}),
    ("inbox", {"folder": "i", "settle": 1, "cut": 0}),
    ("inbox", {"folder": "i", "settle": 1, "cut": None, "through": "never"}),
    ("model", "model.onnx"),
    ("model", {"file": ""}),
    ("model", {"file": "m.onnx", "mean": "grey"}),
    ("model", {"file": "m.onnx", "std": []}),
    ("dataset", {}),
    ("dataset", {"_target_": "os.system; rm"}),
    ("dataset", {"_target_": ""}),
    ("dataset", {"_target_": "nodots"}),
    ("network", None),
    ("split", {"calibration": 300, "test": 200, "production": 100, "population": 100}),
    ("containers", {"registry": 5}),
]


@pytest.mark.parametrize(("section", "value"), OTHERS)
def test_a_section_that_is_wrong(section: str, value: Any, empty: Path, driftloop: Command) -> None:
    params = sound() | {section: value}
    Path("params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    refused(driftloop("status"), section)


SOURCES: list[tuple[str, Any]] = [
    ("a function", {"_target_": "os.system", "command": "mkdir executed"}),
    ("another class", {"_target_": "subprocess.Popen", "args": "mkdir executed", "shell": True}),
    ("no module", {"_target_": "no.such.module.Source"}),
    ("no class", {"_target_": "driftloop.data.sources.Nothing"}),
    ("abstract", {"_target_": "driftloop.data.contract.DatasetSource"}),
    ("unknown argument", {"_target_": "driftloop.data.sources.Digits", "sides": 9}),
    ("bad value", {"_target_": "driftloop.data.sources.Digits", "side": 2}),
    ("bad kind", {"_target_": "driftloop.data.sources.Digits", "side": "big"}),
    ("no folder", {"_target_": "driftloop.data.own.ImageFolder", "folder": "nowhere", "size": 8}),
    ("no size", {"_target_": "driftloop.data.own.ImageFolder", "folder": "."}),
    ("size of three", {"_target_": "driftloop.data.own.ImageFolder", "folder": ".", "size": [8, 8, 3]}),
    ("tiny", {"_target_": "driftloop.data.own.ImageFolder", "folder": ".", "size": 2}),
    ("two channels", {"_target_": "driftloop.data.own.ImageFolder", "folder": ".", "size": 8, "channels": 2}),
    ("fit", {"_target_": "driftloop.data.own.ImageFolder", "folder": ".", "size": 8, "fit": "bend"}),
    ("background", {"_target_": "driftloop.data.own.ImageFolder", "folder": ".", "size": 8, "background": "red"}),
    ("class twice", {"_target_": "driftloop.data.own.ImageFolder", "folder": ".", "size": 8, "classes": ["a", "a"]}),
    ("no dataset", {"_target_": "driftloop.data.own.PythonDataset", "dataset": {"_target_": "no.such"}, "size": 8}),
    ("no classes", {"_target_": "driftloop.data.own.PythonDataset", "dataset": {"_target_": "builtins.list"}, "size": 8}),
    ("a builtin", {"_target_": "builtins.dict"}),
]  # fmt: skip


@pytest.mark.parametrize(("case", "source"), SOURCES, ids=[case for case, _ in SOURCES])
def test_a_dataset_that_is_none(case: str, source: Any, empty: Path, driftloop: Command) -> None:
    Path("params.yaml").write_text(yaml.safe_dump(compose(["dataset=digits"]) | {"dataset": source}))
    refused(driftloop("fetch-dataset"))
    assert not Path("executed").exists()
    assert not Path("data").exists()


@pytest.mark.parametrize(
    "override",
    ["seed", "=5", "--seed=5", "seed=many", "seed=[", "seed.x=1", "gate.alhpa=0.1", "gate.alpha=5", "..=1", ".=1",
     "gate.=1", "stream.w01.n=-1", "stream.w99.n=5.5", "dataset=5", "seed=!!python/object/apply:os.mkdir [executed]",
     "nonsense=1", "gate.alpha=.nan", "review.reviewer=nobody", "stream.w01.parent=w09", "\0=1"],
)  # fmt: skip
def test_an_override_that_is_wrong(override: str, empty: Path, driftloop: Command) -> None:
    refused(driftloop("fetch-dataset", override))
    assert not Path("executed").exists()
    assert not Path("data").exists()


@pytest.mark.parametrize(
    "arguments",
    [("cheque",), ("check-window",), ("check-window", "w99"), ("check-window", "../w01"), ("check-window", ""),
     ("check-window", "w01"), ("review",), ("review", "w99"), ("review", "../../etc"), ("predict",),
     ("predict", "nowhere"), ("predict", "/etc", "x.png"), ("ledger", "verify", "w99"), ("ledger", "prune"),
     ("configure", "dataset=dogs"), ("configure", "seed=x"), ("configure", "nonsense"), ("init",), ("init", "x"),
     ("init", "x", "--images", "nowhere"), ("init", "x", "--images", "/dev/null"), ("init", ".", "--images", "."),
     ("init", "x", "--images", "y", "--dataset", "z.Z"), ("init", "x", "--dataset", "no.such.Thing"),
     ("init", "x", "--images", ".", "--weights", "w.pt"), ("init", "x", "--images", ".", "--model", "a:B"),
     ("watch",), ("report",), ("status", "w01"), ("status", "--jason"), ("take-window", "w01"), ("-x",)],
    ids=" ".join,
)  # fmt: skip
def test_a_command_line_that_is_wrong(arguments: tuple[str, ...], empty: Path, driftloop: Command) -> None:
    before = {str(path) for path in empty.rglob("*")}
    refused(driftloop(*arguments))
    assert {str(path) for path in empty.rglob("*")} == before
