"""Whatever befalls a run, a plain rerun ends as if nothing had happened, and no human answer is lost.

The whole pipeline on real digits, with a decision that a person made. By default one project goes through one
fault after another; in `make test-faults` each fault befalls a run of its own, and there are fifty kills.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.support import BIN, SMALL, make_project, planned, run
from tests.warm import kill_warm, warm_programs

from driftloop.files import digest_file

KILLS = int(os.environ.get("DRIFTLOOP_KILLS", "0"))
CHOICES = (*SMALL, "review.reviewer=human")
SNAKEMAKE = ("snakemake", "--cores", "2")

KILLED = """#!/bin/bash
[ "$1" != train-filter ] || kill -9 $$
exec {warm}/driftloop "$@"
"""
"""A driftloop in which the kernel ends one step, as it does where memory runs out."""

pytestmark = pytest.mark.slow
MAY_MOUNT = (
    os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
)


class Undisturbed:
    """A run that nothing befell: how to begin another, and what that must come to."""

    def __init__(self, home: Path, warm: Path) -> None:
        self.warm = warm
        self.path = os.pathsep.join([str(warm), str(BIN), os.environ["PATH"]])
        self.fresh, self.finished = make_project(home / "fresh", CHOICES), home / "finished"
        self.begin(self.finished)
        begun = time.monotonic()
        assert "driftloop review w02" in self.run(self.finished).stdout
        answer(self.finished)
        assert self.run(self.finished).returncode == 0
        self.seconds = time.monotonic() - begun
        shutil.copytree(self.finished / "decisions", self.fresh / "decisions", copy_function=shutil.copy2)

    def begin(self, folder: Path) -> Path:
        """Make a project where nothing was made yet, but a person has decided."""
        return Path(shutil.copytree(self.fresh, folder, dirs_exist_ok=True, copy_function=shutil.copy2))

    def run(self, project: Path, *targets: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
        return run(project, *SNAKEMAKE, *targets, PATH=path or self.path)

    def fails(
        self, project: Path, *words: str, path: str | None = None, arguments: Sequence[str] = ()
    ) -> None:
        """Run where something is amiss: that ends in a message, and takes no answer away."""
        done = self.run(project, *arguments, path=path)
        assert done.returncode != 0, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        for word in words:
            assert word in done.stdout
        assert decisions(project) == decisions(self.finished)

    def same(self, project: Path) -> None:
        """Run on, plainly; the end must be that of the run that nothing befell."""
        done = self.run(project)
        assert done.returncode == 0, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        assert products(project) == products(self.finished)
        assert decisions(project) == decisions(self.finished)
        assert planned(project) == []

    @contextmanager
    def under_way(self, project: Path) -> Iterator[subprocess.Popen[str]]:
        """A run that has begun, in a process group of its own (but for its steps, which are warm)."""
        process = subprocess.Popen(
            [str(BIN / "snakemake"), *SNAKEMAKE[1:]],
            cwd=project,
            env={**os.environ, "PATH": self.path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            self.kill(process)
            process.wait()
            process.stdout.close()

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill -9 a run with all that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        kill_warm(self.warm)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    home = tmp_path_factory.mktemp("faults")
    (home / "bin").mkdir()
    with pytest.MonkeyPatch.context() as environment, warm_programs(home / "bin") as warm:
        environment.setenv("OMP_NUM_THREADS", "1")
        yield Undisturbed(home, warm)


def answer(project: Path) -> None:
    """Decide on w02 as a person does, who does not always read the digits right."""
    asked = json.loads(run(project, "driftloop", "review", "w02", "--json").stdout)
    rows = [f"{sample['index']},{sample['index'] % 10}\n" for sample in asked["samples"]]
    (project / "labels.csv").write_text("index,label\n" + "".join(rows))
    given = ["--decision", "both", "--diagnosis", "impulse_noise", "--labels", "labels.csv"]
    run(project, "driftloop", "review", "w02", *given, "--reviewer", "Ada").check_returncode()


def products(project: Path) -> dict[str, str]:
    """Digests of all that a run made, but for what says when and on what: records, report."""
    roots = (project / name for name in ("data", "answers", "models", "results"))
    files = (path for root in roots for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(project)): digest_file(path)
        for path in files
        if not path.name.endswith(".made.json") and path.name != "report.html"
    }


def decisions(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "decisions").glob("*.jsonl")}


@dataclass(frozen=True)
class Disk:
    """A project on a file system of its own, where the test may mount one."""

    project: Path
    remount: Callable[[str], object] | None


@pytest.fixture
def disk(undisturbed: Undisturbed, tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if not MAY_MOUNT:
        yield Disk(undisturbed.begin(folder), None)
        return
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
    try:
        yield Disk(
            undisturbed.begin(folder),
            lambda options: subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True),
        )
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def dates_ten_days_off(undisturbed: Undisturbed, disk: Disk, jump: float = 1e6) -> None:
    """A clock jumped: what was made, written and decided is dated otherwise when the run goes on."""
    undisturbed.run(disk.project, "results/w01/verdict.json").check_returncode()
    for path in (path for path in disk.project.rglob("*") if path.is_file()):
        kept = path.stat().st_mtime + jump
        os.utime(path, (kept, kept))


def dates_ten_days_ago(undisturbed: Undisturbed, disk: Disk) -> None:
    dates_ten_days_off(undisturbed, disk, -1e6)


def a_folder_that_cannot_be_written(undisturbed: Undisturbed, disk: Disk) -> None:
    assert disk.remount
    disk.remount("ro")
    undisturbed.fails(disk.project, "Read-only file system")
    disk.remount("rw")


def room(project: Path) -> int:
    """Bytes that a project takes on its disk."""
    return sum(path.stat().st_blocks * 512 for path in project.rglob("*"))


def a_disk_that_fills_up(undisturbed: Undisturbed, disk: Disk, share: float = 0.4) -> None:
    """There is room for a share of what is to be made."""
    assert disk.remount
    whole, taken = room(undisturbed.finished), room(disk.project)
    disk.remount(f"size={int(taken + share * (whole - taken))}")
    undisturbed.fails(disk.project, "No space left on device")
    disk.remount("size=50%")


def a_disk_that_is_full_soon(undisturbed: Undisturbed, disk: Disk) -> None:
    a_disk_that_fills_up(undisturbed, disk, 0.2)


def a_disk_that_is_full_late(undisturbed: Undisturbed, disk: Disk) -> None:
    a_disk_that_fills_up(undisturbed, disk, 0.6)


def a_step_short_of_memory(undisturbed: Undisturbed, disk: Disk) -> None:
    """More is asked for than any machine has; or the kernel ends the step that took too much."""
    greedy = ("--config", "filter={batch_size: 1000000000000}")
    undisturbed.fails(disk.project, "not enough memory", arguments=greedy)
    program = undisturbed.warm / "killed" / "driftloop"
    program.parent.mkdir(exist_ok=True)
    program.write_text(KILLED.format(warm=undisturbed.warm))
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{undisturbed.path}"
    undisturbed.fails(disk.project, "driftloop train-filter w02", path=path)


def a_kill(undisturbed: Undisturbed, disk: Disk, after: float = 2.0) -> None:
    with undisturbed.under_way(disk.project) as process:
        time.sleep(after)
        undisturbed.kill(process)


def two_runs_at_once(undisturbed: Undisturbed, disk: Disk) -> None:
    with undisturbed.under_way(disk.project) as one, undisturbed.under_way(disk.project) as other:
        said = {process.communicate()[0]: process.returncode for process in (one, other)}
    assert sorted(map(bool, said.values())) == [False, True], said
    refused = max(said, key=lambda each: said[each])
    assert "Another run is under way in this folder: process" in refused
    assert "Traceback" not in refused


FAULTS = (
    a_disk_that_fills_up,
    dates_ten_days_off,
    a_folder_that_cannot_be_written,
    a_step_short_of_memory,
    a_kill,
    two_runs_at_once,
)


MOUNTED = (
    a_folder_that_cannot_be_written,
    a_disk_that_fills_up,
    a_disk_that_is_full_soon,
    a_disk_that_is_full_late,
)
"""What takes root, with the right to mount."""


def test_one_fault_after_another(undisturbed: Undisturbed, disk: Disk) -> None:
    for fault in FAULTS:
        if disk.remount or fault not in MOUNTED:
            fault(undisturbed, disk)
    undisturbed.same(disk.project)


@pytest.mark.skipif(not KILLS, reason="make test-faults")
@pytest.mark.parametrize(
    "fault", [*FAULTS, dates_ten_days_ago, a_disk_that_is_full_soon, a_disk_that_is_full_late]
)
def test_a_fault_alone(undisturbed: Undisturbed, disk: Disk, fault: Callable[..., None]) -> None:
    if disk.remount is None and fault in MOUNTED:
        pytest.skip("takes root, with the right to mount")
    fault(undisturbed, disk)
    undisturbed.same(disk.project)


@pytest.mark.parametrize("moment", range(KILLS))
def test_kill_9_of_everything_at_a_random_moment(undisturbed: Undisturbed, disk: Disk, moment: int) -> None:
    a_kill(undisturbed, disk, np.random.default_rng([8, moment]).uniform(0, undisturbed.seconds))
    undisturbed.same(disk.project)
