"""A small whole project, and the command line run in it as a user would, in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tests.unit.foreign import fitted

from driftloop.cli import main
from driftloop.params.compose import compose, render
from driftloop.params.merge import place

CHANGES = {
    "network": {"_target_": "tests.unit.foreign.Plain"},
    "review.samples": 24,
    "review.reviewer": "human",
    "stream": {"w01": {"n": 40, "corruption": "impulse_noise"}},
    "model": {"file": "weights.safetensors", "mean": 0.0, "std": 1.0},
    "inbox": {"folder": "inbox", "settle": 0, "cut": None},
}
STEPS = ("fetch-dataset", "split-dataset", "train-model", "fit-detector")
WINDOW = ("make-window", "predict-window", "check-window")


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    status: int
    said: str


Command = Callable[..., Outcome]


@pytest.fixture
def driftloop(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run the command line; whatever is not turned into a status and a message fails the test."""

    def run(*arguments: str | Path) -> Outcome:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        out, err = capfd.readouterr()
        said = out + err
        assert "Traceback" not in said
        return Outcome(int(end.value.code or 0), said)

    return run


@pytest.fixture(scope="session")
def _whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("abuse") / "project"
    (root / "inbox").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        params = compose(["dataset=digits"])
        for path, value in CHANGES.items():
            place(params, path, value)
        (root / "params.yaml").write_text(render(params))
        net = fitted()
        save_file(
            {"body.1.weight": net[1].weight, "end.weight": net[3].weight, "end.bias": net[3].bias},
            root / "weights.safetensors",
        )
        for step in STEPS:
            _run(step)
        for step in WINDOW:
            _run(step, "w01")
    return root


def _run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0, arguments


@pytest.fixture
def project(_whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with a drifted window w01 that waits for its review, made the working directory."""
    home = tmp_path / "project"
    shutil.copytree(_whole, home)
    monkeypatch.chdir(home)
    return home


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def files(root: Path) -> set[str]:
    """Everything below a folder, by its path."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def refused(outcome: Outcome, *words: str) -> None:
    """Assert that a command ended with a status of its own and one message that says why."""
    assert outcome.status in (1, 2, 75), outcome
    assert outcome.said.strip(), "it said nothing"
    assert len(outcome.said) < 3000, "that is more than a person reads"
    for word in words:
        assert word in outcome.said, outcome.said


def kept(path: Path, content: Sequence[int] | bytes) -> bool:
    """Tell whether a file is still what it was."""
    return path.read_bytes() == bytes(content)
