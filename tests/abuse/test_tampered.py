"""Model, detector and window folders, ledgers and arrivals that somebody changed; files of other versions."""

from __future__ import annotations

import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.abuse.conftest import Command, refused

MODEL, DETECTOR = Path("models/reference/model.json"), Path("models/reference/detector.json")


def changed(path: Path, **values: Any) -> None:
    meta = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in (meta | values).items() if v is not ...}))
    for record in path.parent.glob("*.made.json"):
        record.unlink()  # it would tell that the folder is not as it was left


META: dict[str, dict[str, Any]] = {
    "format 0": {"format": 0},
    "format 2": {"format": 2},
    "format as text": {"format": "1"},
    "format null": {"format": None},
    "no format": {"format": ...},
    "no classes": {"classes": ...},
    "no digest": {"sha256": ...},
    "other digest": {"sha256": "0" * 64},
    "digest null": {"sha256": None},
    "a command": {"network": {"_target_": "os.system", "command": "mkdir executed"}},
    "another class": {"network": {"_target_": "subprocess.Popen", "args": ["mkdir", "executed"]}},
    "no such network": {"network": {"_target_": "no.such.Network"}},
    "network as text": {"network": "ConvNet"},
    "network null": {"network": None},
    "network empty": {"network": {}},
    "a filter that is none": {"filters": [{"_target_": "os.system", "command": "mkdir executed"}]},
    "filters as text": {"filters": "none"},
    "a filter that is a number": {"filters": [3]},
    "two means": {"mean": [0.1, 0.2]},
    "mean as text": {"mean": "grey"},
    "deviation 0": {"std": [0.0]},
    "deviation negative": {"std": [-1.0]},
    "shape of two": {"input_shape": [8, 8]},
    "shape of text": {"input_shape": ["a", "b", "c"]},
    "shape 0": {"input_shape": [0, 8, 1]},
    "shape negative": {"input_shape": [-8, 8, 1]},
    "shape huge": {"input_shape": [10**9, 10**9, 1]},
    "other shape": {"input_shape": [9, 9, 1]},
    "eleven classes": {"classes": [*map(str, range(11))]},
    "classes null": {"classes": None},
}


@pytest.mark.parametrize("case", META)
def test_a_changed_model_is_refused(case: str, project: Path, driftloop: Command) -> None:
    changed(MODEL, **META[case])
    np.save("x.npy", np.zeros((2, 8, 8, 1), np.uint8))
    refused(driftloop("predict", "models/reference", "x.npy"))
    assert not Path("executed").exists()


EVIL = "open('executed', 'w').close()\nfrom driftloop.models.networks import ConvNet\n"


# The second package is one that is installed, and takes folders of its name from all over Python's path.
@pytest.mark.parametrize("package", ["come", "pydevd_plugins"])
@pytest.mark.parametrize("inside", [".", "model"])
def test_code_that_comes_along_with_a_model_is_not_run(
    package: str, inside: str, project: Path, driftloop: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought = Path(package, inside)
    shutil.copytree(MODEL.parent, brought)
    Path(package, "evil.py").write_text(EVIL)
    np.save("x.npy", np.zeros((2, 8, 8, 1), np.uint8))
    changed(brought / "model.json", network={"_target_": f"{package}.evil.ConvNet"})
    refused(driftloop("predict", brought, "x.npy"), "is not imported")
    shutil.copyfile(MODEL, brought / "model.json")
    changed(brought / "detector.json", detector={"_target_": f"{package}.evil.ConvNet"})
    refused(driftloop("predict", "--drift", brought, "x.npy"), "is not imported")
    assert not list(project.rglob("executed"))


def test_code_that_lies_where_no_project_is_is_not_run(
    project: Path, driftloop: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(MODEL.parent, "come/model")
    Path("come/evil.py").write_text(
        "open('executed', 'w').close()\nfrom driftloop.models.networks import ConvNet\n"
    )
    changed(Path("come/model/model.json"), network={"_target_": "evil.ConvNet"})
    monkeypatch.chdir("come")
    np.save("x.npy", np.zeros((2, 8, 8, 1), np.uint8))
    refused(driftloop("predict", "model", "x.npy"), "is not imported")
    assert not list(project.rglob("executed"))


@pytest.mark.parametrize("module", ["my_net", "models"])
def test_a_project_s_own_code_is_run(module: str, project: Path, driftloop: Command) -> None:
    Path(f"{module}.py").write_text(
        "open('executed', 'w').close()\nfrom driftloop.models.wrapped import Wrapped as Mine\n"
    )
    network = json.loads(MODEL.read_text())["network"]
    changed(MODEL, network={**network, "_target_": f"{module}.Mine"})
    np.save("x.npy", np.zeros((2, 8, 8, 1), np.uint8))
    refused(driftloop("predict", "models/reference", "x.npy"), f"trust: [{module}.Mine]", "params.yaml")
    assert not Path("executed").exists()
    trusted = f"trust: [{module}.Mine]"  # the line that the message says
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("trust: []", trusted))
    assert driftloop("predict", "models/reference", "x.npy").status == 0
    assert Path("executed").exists()


@pytest.mark.parametrize("folder", ["model-v2", "2026_11", "come.model", "unittest"])
@pytest.mark.parametrize("where", ["here", "on the path"])
def test_no_name_of_a_folder_makes_its_code_run(
    folder: str, where: str, project: Path, driftloop: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(MODEL.parent, folder)
    Path(folder, "brought.py").write_text(EVIL)
    Path(folder, "__init__.py").write_text(EVIL)
    np.save("x.npy", np.zeros((2, 8, 8, 1), np.uint8))
    if where == "on the path":
        monkeypatch.syspath_prepend(str(project))
    for target in (f"{folder}.brought.ConvNet", f"{folder}.ConvNet", "brought.ConvNet"):
        shutil.copyfile(MODEL, Path(folder, "model.json"))
        changed(Path(folder, "model.json"), network={"_target_": target})
        refused(driftloop("predict", folder, "x.npy"), "is not imported")
        shutil.copyfile(MODEL, Path(folder, "model.json"))
        shutil.copyfile(DETECTOR, Path(folder, "detector.json"))
        changed(Path(folder, "detector.json"), detector={"_target_": target})
        refused(driftloop("predict", "--drift", folder, "x.npy"), "is not imported")
    assert not list(project.rglob("executed"))


@pytest.mark.parametrize(
    "target",
    [
        "unittest.__main__.Net",
        "driftloop.__main__.Main",
        "driftloop.models.networks.Tensor",
        "driftloop.models.networks.nn.Linear",
        "driftloop.cli.LazyGroup",
        "driftloop..cli.LazyGroup",
        "driftloop.models.store",
        "driftlooper.Net",
        "this.Zen",
    ],
)
@pytest.mark.parametrize("place", ["network", "filters", "nested"])
def test_no_other_class_is_made(target: str, place: str, project: Path, driftloop: Command) -> None:
    spec = {"_target_": target}
    network = json.loads(MODEL.read_text())["network"]
    named = {"network": spec, "filters": [spec], "nested": {**network, "module": spec}}[place]
    changed(MODEL, **{"filters" if place == "filters" else "network": named})
    np.save("x.npy", np.zeros((2, 8, 8, 1), np.uint8))
    refused(driftloop("predict", "models/reference", "x.npy"), "models/reference")


def test_the_working_directory_is_on_the_path_for_a_projects_own_classes_alone(
    project: Path, driftloop: Command
) -> None:
    for name in ("org", "dill", "opt_einsum", "olefile", "token_"):
        Path(f"{name}.py").write_text("open('executed', 'w').close()\n")
    Path("mine.py").write_text(
        "import sys, pathlib\npathlib.Path('path').write_text(repr(sys.path))\n"
        "from driftloop.models.wrapped import Wrapped as Mine\n"
    )
    before = [*sys.path]
    network = json.loads(MODEL.read_text())["network"]
    np.save("x.npy", np.zeros((2, 8, 8, 1), np.uint8))
    for command in (["--help"], ["ledger", "verify"], ["status"], ["predict", "models/reference", "x.npy"]):
        assert driftloop(*command).status == 0
    changed(MODEL, network={**network, "_target_": "mine.Mine"})
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("trust: []", "trust: [mine.Mine]"))
    assert driftloop("predict", "models/reference", "x.npy").status == 0
    assert eval(Path("path").read_text())[-1] == str(project)  # noqa: S307 (it is a list that we wrote)
    assert sys.path == before
    assert not Path("executed").exists()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-20]),
    "one byte": lambda path: path.write_bytes(path.read_bytes()[:-9] + b"\xff" + path.read_bytes()[-8:]),
    "a pickle": lambda path: path.write_bytes(pickle.dumps({"a": 1})),
    "a list": lambda path: path.write_text("[]"),
    "a number": lambda path: path.write_text("7"),
    "null": lambda path: path.write_text("null"),
    "not text": lambda path: path.write_bytes(bytes(range(256))),
    "nested deep": lambda path: path.write_text("[" * 100_000),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a loop": lambda path: (path.unlink(), path.symlink_to(path.name)),
}
FILES = {  # and a command that reads it, whether or not what it made before still holds
    "models/reference/model.json": ("predict-window", "w01", "--anew"),
    "models/reference/model.safetensors": ("predict-window", "w01", "--anew"),
    "models/reference/detector.json": ("check-window", "w01", "--anew"),
    "models/reference/detector.safetensors": ("check-window", "w01", "--anew"),
    "data/windows/w01/meta.json": ("predict-window", "w01", "--anew"),
    "data/windows/w01/images.npy": ("predict-window", "w01", "--anew"),
    "results/w01/predictions/predictions.json": ("check-window", "w01", "--anew"),
    "results/w01/predictions/logits.npy": ("check-window", "w01", "--anew"),
    "results/w01/drift.json": ("review", "w01", "--json"),
    "data/raw/meta.json": ("split-dataset", "--anew"),
    "data/raw/images.npy": ("split-dataset", "--anew"),
    "weights.safetensors": ("train-model", "--anew"),
}
UNSEEN = {  # What one byte more or less changes is seen by the digests of other files, or is no harm.
    ("data/windows/w01/images.npy", "one byte"),
    ("results/w01/predictions/logits.npy", "one byte"),
    ("data/raw/images.npy", "one byte"),
    ("weights.safetensors", "one byte"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_refused_and_stays(
    file: str, damage: str, project: Path, driftloop: Command
) -> None:
    DAMAGE[damage](Path(file))
    outcome = driftloop(*FILES[file])
    if (file, damage) not in UNSEEN:
        refused(outcome)


def answered(driftloop: Command) -> Path:
    given = ("--decision", "keep", "--diagnosis", "fog", "--reviewer", "Ada")
    for _ in range(2):
        assert driftloop("review", "w01", *given).status == 0
    return Path("decisions/w01.jsonl")


LEDGERS: dict[str, Callable[[list[str]], list[str]]] = {
    "the first gone": lambda lines: lines[1:],
    "swapped": lambda lines: lines[::-1],
    "twice": lambda lines: [lines[0], *lines],
    "another decision": lambda lines: [lines[0].replace('"keep"', '"both"'), lines[1]],
    "another name": lambda lines: [lines[0], lines[1].replace("Ada", "Eve")],
    "no entry": lambda lines: [*lines, "{}"],
    "no json": lambda lines: [*lines, "keep"],
    "half an entry between": lambda lines: [lines[0][:60], lines[1]],
    "a list": lambda lines: [*lines, "[]"],
    "a blank between": lambda lines: [lines[0], "", "", lines[1].replace("Ada", "Bob")],
}


def test_where_nothing_was_decided_there_is_nothing_to_verify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driftloop: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = driftloop("ledger", "verify")
    assert (outcome.status, "nothing was decided here" in outcome.said) == (0, True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("case", LEDGERS)
def test_a_ledger_that_was_changed_is_found_out(case: str, project: Path, driftloop: Command) -> None:
    path = answered(driftloop)
    path.write_text("\n".join(LEDGERS[case](path.read_text().splitlines())) + "\n")
    before = path.read_bytes()
    refused(driftloop("ledger", "verify", "w01"), "w01")
    assert path.read_bytes() == before


ARRIVALS: dict[str, str | bytes] = {
    "climbing": "../w\n",
    "a space in it": "a b c\n",
    "the reference": "reference\n",
    "twice": "a\na\n",
    "unknown incumbent": "a b\n",
    "its own": "a a\n",
    "round": "a b\nb a\n",
    "simulated": "w01\n",
    "binary": bytes(range(256)),
    "a command": "$(id)\n",
}


@pytest.mark.parametrize("case", ARRIVALS)
def test_arrivals_that_are_wrong_are_named(case: str, project: Path, driftloop: Command) -> None:
    content = ARRIVALS[case]
    Path("arrivals.txt").write_bytes(content.encode() if isinstance(content, str) else content)
    refused(driftloop("status"))
