"""The damage table: each kind of file, cut, with a flipped bit, emptied, removed, or of an earlier run.

The next run notices each, and heals it or names it with its remedy. No command believes what it holds, shows
a traceback, or loses an answer. $DRIFTLOOP_DAMAGE=all heals each cell of the table in a run of its own.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from tests.support import SMALL, make_project, once, run, snakemake

from driftloop.cli import driftloop
from driftloop.commands.track import places
from driftloop.errors import DriftloopError
from driftloop.files import digest_file
from driftloop.params.load import load_params
from driftloop.tracker.judge import Digests, judge
from driftloop.tracker.production import read_moves

pytestmark = pytest.mark.slow

LONG = os.environ.get("DRIFTLOOP_DAMAGE") == "all"

PRODUCTS = """
data/raw/images.npy
data/raw/meta.json
data/splits/train/images.npy
data/splits/train/labels.npy
data/splits/train/meta.json
data/splits/split-dataset.made.json
data/windows/w02/images.npy
data/windows/w02/meta.json
data/populations/w02/images.npy
answers/w02/labels.npy
answers/w02/answers.json
models/reference/model.safetensors
models/reference/model.json
models/reference/detector.safetensors
models/reference/detector.json
models/reference/lineage.json
models/reference/train-model.made.json
results/reference/training.json
results/w02/predictions/logits.npy
results/w02/predictions/predictions.json
results/w02/drift.json
results/w02/samples.csv
results/w02/previews.safetensors
results/w01/stream.json
results/w02/check-window.made.json
results/w02/verdict.json
results/w02/review.made.json
results/w02/candidates/filter/model.safetensors
results/w02/candidates/filter/imitation.json
results/w02/candidates/filter/learnt.json
results/w02/evaluation.json
results/w02/population.npy
results/w02/strip.npy
results/w02/score.json
models/w02/model.json
models/w02/lineage.json
results/summary.json
results/metrics.json
results/report.html
""".split()  # noqa: SIM905 (a table reads better than a column of strings)
DECISIONS = (
    "decisions/w02.jsonl",
    "decisions/w02.jsonl.head",
    "decisions/project.json",
    "decisions/production.json",
    "decisions/production.json.head",
)
DAMAGES = ("cut", "flipped", "emptied", "removed", "older")
ANEW = (".made.json", "report.html")
"""Ends of files that tell when they were made."""
COMMANDS = (
    "status",
    "lineage",
    "report",
    "why --stale",
    "why results/w02",
    "review w02 --json",
    "settle w02 --json",
    "predict images.npy",
    "ledger verify",
    "ledger show w02",
)
BELIEVED = ("review w02 --json", "predict images.npy", "ledger show w02")
"""Commands that say what they always say, or refuse to."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, warmed: None) -> Path:
    """A finished project, with the files of an earlier run, of another seed, in `older`."""

    def build(folder: Path) -> None:
        make_project(folder, (*SMALL, "seed=1"))
        assert snakemake(folder).returncode == 0
        for root in ("data", "answers", "models", "results", "decisions"):
            shutil.copytree(folder / root, folder / "older" / root)
        run(folder, "driftloop", "configure", "--force", *SMALL).check_returncode()
        done = snakemake(folder)
        assert done.returncode == 0, done.stdout
        run(folder, "driftloop", "promote", "w02").check_returncode()
        np.save(folder / "images.npy", np.load(folder / "data/splits/test/images.npy")[:3])

    return once(tmp_path_factory, "damaged", build)


@pytest.fixture
def project(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, made the working directory."""
    monkeypatch.chdir(shutil.copytree(whole, tmp_path / "project", copy_function=shutil.copy2))
    return Path.cwd()


def damage(path: Path, how: str) -> None:
    """Damage a file; a flipped bit leaves its size and times as they were."""
    content, kept = bytearray(path.read_bytes()), path.stat()
    if how == "removed":
        path.unlink()
    elif how == "older":
        shutil.copyfile(Path("older") / path, path)
    else:
        if how == "flipped":
            content[len(content) // 2] ^= 1
        path.write_bytes({"cut": content[:-20], "flipped": content, "emptied": b""}[how])
    if how == "flipped":
        os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))


def differs(path: str, how: str) -> bool:
    """Tell whether the earlier run left another file there."""
    older = Path("older") / path
    return how != "older" or (older.exists() and older.read_bytes() != Path(path).read_bytes())


def cells(paths: Iterator[str] | tuple[str, ...] | list[str]) -> Iterator[tuple[str, str]]:
    return ((path, how) for path in paths for how in DAMAGES if differs(path, how))


def holding() -> int:
    """Return of how many steps a run would say that what they made still holds."""
    return sum(not each.reasons for each in judge(places(load_params()), Digests()))


def said(command: str) -> str | None:
    """Return what a command prints; None where it refuses with a message that names a remedy or a file."""
    result = CliRunner().invoke(driftloop, command.split())
    error = result.exception
    if error is None:
        return result.output
    assert isinstance(error, DriftloopError | click.ClickException | SystemExit), (command, repr(error))
    return None


def each_cell(paths: list[str] | tuple[str, ...], look: Callable[[str, str], None]) -> None:
    """Damage one file after the other, look, and put it back."""
    for path, how in cells(paths):
        kept = Path(path).with_name("kept")
        shutil.copy2(path, kept)
        damage(Path(path), how)
        try:
            look(path, how)
        finally:
            kept.replace(path)


def test_a_run_notices_each_damage(project: Path) -> None:
    every = holding()
    assert every == len([*Path("data").rglob("*.made.json"), *Path("models").rglob("*.made.json")]) + len(
        [*Path("results").rglob("*.made.json")]
    )

    def look(path: str, how: str) -> None:
        assert holding() < every, (path, how)

    each_cell(PRODUCTS, look)


def test_no_command_believes_what_is_damaged(project: Path) -> None:
    before = {command: said(command) for command in BELIEVED}
    assert all(before.values()), before

    turns = itertools.cycle(COMMANDS)

    def look(path: str, how: str) -> None:
        # In the short form each cell has its turn of two commands.
        for command in COMMANDS if LONG else (next(turns), next(turns)):
            told = said(command)
            if command in BELIEVED:
                assert told in (None, before[command]), (path, how, command)

    each_cell([*PRODUCTS, *DECISIONS], look)


def test_what_people_decided_is_missed_and_named(project: Path) -> None:
    def look(path: str, how: str) -> None:
        if path.endswith(".head") and how in ("removed", "older"):
            return  # a run brings it up to date
        if "production" in path:
            with pytest.raises(DriftloopError, match=r"production\.json.* driftloop promote WINDOW"):
                read_moves()
        else:
            error = CliRunner().invoke(driftloop, ["ledger", "verify"]).exception
            assert isinstance(error, DriftloopError), (path, how)
            assert "driftloop ledger restore w02" in str(error) or "project.json" in str(error), (path, how)

    each_cell([path for path in DECISIONS if path != "decisions/w02.jsonl.head"], look)
    for how in ("cut", "flipped", "emptied"):
        each_cell(["decisions/w02.jsonl.head"], lambda *_: None)
        shutil.copy2("decisions/w02.jsonl.head", "kept")
        damage(Path("decisions/w02.jsonl.head"), how)
        assert said("ledger verify") is None
        assert said("ledger restore w02") is not None
        assert Path("decisions/w02.jsonl.head").read_bytes() == Path("kept").read_bytes()


def left(folder: Path) -> dict[str, str]:
    """Digests of all products and decisions."""
    roots = (folder / name for name in ("data", "answers", "models", "results", "decisions"))
    files = (path for root in roots for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): digest_file(path) for path in files if not path.name.endswith(ANEW)
    }


@pytest.mark.parametrize("how", DAMAGES)
def test_a_run_heals_all_products_at_once(project: Path, how: str) -> None:
    """Commands that heal need not read what they heal."""
    if how not in ("cut", "flipped") and not LONG:
        pytest.skip("in the long form")
    before = left(project)
    for path, _ in [cell for cell in cells(PRODUCTS) if cell[1] == how]:
        damage(Path(path), how)
    done = snakemake(project)
    assert "Traceback" not in done.stdout
    assert done.returncode == 0, done.stdout
    assert left(project) == before


@pytest.mark.parametrize("path", PRODUCTS)
def test_a_run_heals_each_product(project: Path, path: str) -> None:
    if not LONG:
        pytest.skip("in the long form")
    before = left(project)
    for how in [each for _, each in cells([path])]:
        damage(Path(path), how)
        done = snakemake(project)
        assert "Traceback" not in done.stdout, (path, how)
        assert done.returncode == 0, (path, how, done.stdout)
        assert left(project) == before, (path, how)


@pytest.mark.parametrize("how", ["cut", "emptied", "removed", "older"])
def test_a_damaged_ledger_stops_its_window_and_is_brought_back(project: Path, how: str) -> None:
    if how != "cut" and not LONG:
        pytest.skip("in the long form")
    before = left(project)
    damage(Path("decisions/w02.jsonl"), how)
    done = snakemake(project)
    assert done.returncode != 0
    assert "driftloop ledger restore w02" in done.stdout
    assert "Traceback" not in done.stdout
    assert read_moves()[-1].owner == "w02"
    assert "2 entries" in run(project, "driftloop", "ledger", "restore", "w02").stdout
    assert snakemake(project).returncode == 0
    assert left(project) == before
