"""The run on a real Slurm, every rule in its Apptainer image."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.containers.engines import apptainer, docker, give_images, images, slurm  # noqa: F401 (fixtures)
from tests.support import BIN, DIGITS, make_project, run

pytestmark = [pytest.mark.slurm, pytest.mark.containers, pytest.mark.usefixtures("slurm")]

PENDING = "No decision for window w02 yet. Run: driftloop review w02"
SUBMIT = (
    *("snakemake", "--profile", "profiles/slurm", "--cores", "2"),
    # A cluster of one node, for tests: it has no accounting, and nobody is disturbed by asking often.
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "3"),
    *("--set-scatter", "check=2", "--seconds-between-status-checks", "3", "--latency-wait", "10"),
)


@pytest.fixture
def project(images: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A project of two windows, the second scored in two parts, whose reviews wait for a person."""
    made = make_project(tmp_path / "project", (*DIGITS, "review.reviewer=human", "filter.steps=60"))
    params = yaml.safe_load((made / "params.yaml").read_text())
    params["stream"] = {"w01": {"n": 60}, "w02": {"n": 300, "corruption": "impulse_noise"}}
    (made / "params.yaml").write_text(yaml.safe_dump(params))
    give_images(images, made)
    return made


def queue() -> dict[str, str]:
    """The jobs in Slurm's queue: {id: state and what it is}."""
    listed = subprocess.run(["squeue", "-h", "-o", "%i %T %k"], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in listed.stdout.splitlines())


def wait_for(found: Callable[[], str | None], seconds: float = 120) -> str:
    """Ask every half second until there is an answer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := found():
            return answer
        time.sleep(0.5)
    raise AssertionError(f"nothing within {seconds} s; Slurm's queue: {queue()}")


def test_the_run_stops_at_a_pending_review_and_goes_on_once_it_is_answered(project: Path) -> None:
    stopped = run(project, *SUBMIT)
    assert stopped.returncode == 1
    assert PENDING in stopped.stdout
    assert stopped.stdout.count("has been submitted with SLURM jobid") >= 5, stopped.stdout
    assert json.loads((project / "results/w01/verdict.json").read_text())["decision"] == "keep"
    assert not (project / "results/w02/verdict.json").exists()
    assert not queue()
    parts = sorted(log.name for log in (project / "logs/w02/score_part").iterdir())
    assert parts == ["1-of-2.log", "2-of-2.log"], "the window was not scored by two jobs"

    answer = ("--decision", "filter", "--diagnosis", "impulse_noise", "--reviewer", "Ada")
    answered = run(project, "driftloop", "review", "w02", *answer)
    assert answered.returncode == 0, answered.stdout
    done = run(project, *SUBMIT)
    assert done.returncode == 0, done.stdout
    for job in ("rule_train_model", "rule_score_part"):  # as in the names of Slurm's logs
        assert job in stopped.stdout
        assert job not in done.stdout, "what was finished was done again"
    assert [row["decision"] for row in json.loads((project / "results/summary.json").read_text())] == [
        "keep",
        "filter",
    ]
    assert (project / "results/report.html").exists()
    assert run(project, *SUBMIT, "--dry-run").stdout.count("Nothing to be done") == 1


def test_a_cancelled_job_is_done_again_by_the_next_run(project: Path) -> None:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = [*SUBMIT, "--retries", "0", "models/reference/detector.json"]
    with subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as first:
        try:
            training = wait_for(
                lambda: next(
                    (job for job, what in queue().items() if "RUNNING" in what and "train_model" in what),
                    None,
                )
            )
            subprocess.run(["scancel", training], check=True)
            told, _ = first.communicate(timeout=120)
        finally:
            first.kill()
    assert first.returncode == 1, told
    assert not (project / "models/reference/model.json").exists()

    again = run(project, *SUBMIT, "models/reference/detector.json")
    assert again.returncode == 0, again.stdout
    assert (project / "models/reference/detector.json").exists()
    assert "rule_split_dataset" in told
    assert "rule_split_dataset" not in again.stdout, "what was finished was done again"
