"""Whatever befalls a run, a plain rerun ends as if nothing had happened, and no human answer is lost.

The whole pipeline on real digits, with a decision that a person made. A few kills by default;
`make test-faults` does fifty, and fills the disk at more moments.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from tests.support import BIN, SMALL, make_project, planned, run
from tests.warm import kill_warm, warm_programs

from driftloop.files import digest_file

KILLS = int(os.environ.get("DRIFTLOOP_KILLS", "2"))
FILLED = (0.3, 0.5, 0.7, 0.9) if KILLS > 10 else (0.6,)
"""Shares of the room that a whole run takes, at which the disk is full."""

CHOICES = (*SMALL, "review.reviewer=human")
SNAKEMAKE = ("snakemake", "--cores", "2")

LIMITED = """#!{python}
import os, resource, sys
if sys.argv[1] != "train-filter":
    os.execv("{warm}/driftloop", sys.argv)
import driftloop.commands.repair, driftloop.improver.train_filter
from driftloop.cli import main
taken = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGESIZE")
resource.setrlimit(resource.RLIMIT_AS, (taken + (8 << 20),) * 2)
main()
"""
"""A driftloop for which memory is short in one step."""

pytestmark = pytest.mark.slow
needs_mount = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0,
    reason="a file system of a test's own takes root, with the right to mount",
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

    def fails(self, project: Path, *words: str, path: str | None = None) -> None:
        """Run where something is amiss: that ends in a message, and takes no answer away."""
        done = self.run(project, path=path)
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


@pytest.mark.parametrize("moment", range(KILLS))
def test_kill_9_of_everything_at_a_random_moment(
    undisturbed: Undisturbed, tmp_path: Path, moment: int
) -> None:
    project = undisturbed.begin(tmp_path / "project")
    after = np.random.default_rng([8, moment]).uniform(0, undisturbed.seconds)
    with undisturbed.under_way(project) as process:
        time.sleep(after)
        undisturbed.kill(process)
    undisturbed.same(project)


@needs_mount
@pytest.mark.parametrize("share", FILLED)
def test_a_full_disk(undisturbed: Undisturbed, tmp_path: Path, share: float) -> None:
    size = sum(path.stat().st_blocks * 512 for path in undisturbed.finished.rglob("*"))
    with mounted(tmp_path / "disk", int(size * share)) as resize:
        project = undisturbed.begin(tmp_path / "disk")
        undisturbed.fails(project, "No space left on device")
        resize(f"size={10 * size}")
        undisturbed.same(project)


@needs_mount
def test_a_read_only_folder(undisturbed: Undisturbed, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", 1 << 30) as remount:
        project = undisturbed.begin(tmp_path / "disk")
        remount("ro")
        undisturbed.fails(project, "Read-only file system")
        remount("rw")
        undisturbed.run(project, "results/w02/drift.json").check_returncode()
        remount("ro")
        undisturbed.fails(project, "Read-only file system")
        remount("rw")
        undisturbed.same(project)


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[Callable[[str], object]]:
    """A file system of so many bytes; yields a function that mounts it anew with other options."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("jump", [1e6, -1e6], ids=["ahead", "behind"])
def test_a_clock_that_jumped(undisturbed: Undisturbed, tmp_path: Path, jump: float) -> None:
    """What was made, written and decided is dated ten days off when the run goes on."""
    project = undisturbed.begin(tmp_path / "project")
    undisturbed.run(project, "results/w01/verdict.json").check_returncode()
    for path in (path for path in project.rglob("*") if path.is_file()):
        kept = path.stat().st_mtime + jump
        os.utime(path, (kept, kept))
    undisturbed.same(project)


def test_out_of_memory_in_a_step(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """The filter's training has loaded what it needs, and then gets 8 MB."""
    project = undisturbed.begin(tmp_path / "project")
    limited = tmp_path / "bin" / "driftloop"
    limited.parent.mkdir()
    limited.write_text(LIMITED.format(python=sys.executable, warm=undisturbed.warm))
    limited.chmod(0o755)
    undisturbed.fails(project, "not enough memory", path=f"{limited.parent}{os.pathsep}{undisturbed.path}")
    undisturbed.same(project)


def test_two_runs_started_at_once(undisturbed: Undisturbed, tmp_path: Path) -> None:
    project = undisturbed.begin(tmp_path / "project")
    with undisturbed.under_way(project) as one, undisturbed.under_way(project) as other:
        said = [process.communicate()[0] for process in (one, other)]
    statuses = [one.returncode, other.returncode]
    assert sorted(map(bool, statuses)) == [False, True], said
    refused = said[statuses.index(max(statuses))]
    assert "Another run is under way in this folder: process" in refused
    assert "Traceback" not in refused
    undisturbed.same(project)
