"""`dvc repro` runs the same workflow; Git and DVC carry a project from one place to another."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from tests.support import ROOT, SMALL, make_project, planned, run, snakemake

from driftloop.params.load import load_params

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warmed")]
IDENTITY = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def ok(folder: Path, *command: str, **environment: str) -> str:
    result = run(folder, *command, **environment)
    assert result.returncode == 0, result.stdout
    return result.stdout


def commit(folder: Path) -> None:
    ok(folder, "git", "add", "--all")
    ok(folder, "git", *IDENTITY, "commit", "--quiet", "--message", "a state")


def decisions(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "decisions").glob("*.json*")}


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project run by Snakemake, then under Git and DVC, committed, with a folder as its remote."""
    base = tmp_path_factory.mktemp("tracked")
    folder = make_project(base / "project", SMALL)
    assert snakemake(folder).returncode == 0
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    described = folder / "dvc.yaml"
    described.write_text(described.read_text().replace("models/w05", "models/w02"))
    ok(folder, "git", "init", "--quiet")
    ok(folder, "dvc", "init", "--quiet")
    shutil.copytree(
        ROOT / ".dvc", folder / ".dvc", dirs_exist_ok=True, ignore=shutil.ignore_patterns("tmp", "cache")
    )
    ok(folder, "dvc", "remote", "add", "--default", "store", str(base / "store"))
    assert "Nothing to be done" in ok(folder, "dvc", "repro")
    ok(folder, "dvc", "push")
    commit(folder)
    return folder


@pytest.fixture
def mine(tracked: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(tracked, tmp_path / "project", copy_function=shutil.copy2, symlinks=True))


def nothing_to_do(folder: Path) -> bool:
    return planned(folder) == [] and "Nothing to be done" in ok(folder, "dvc", "repro")


def test_both_engines_find_the_other_s_work_done(tracked: Path) -> None:
    assert nothing_to_do(tracked)
    assert ok(tracked, "git", "status", "--porcelain") == ""


def test_the_stage_names_every_parameter_and_the_last_window_s_model() -> None:
    described = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    params = load_params(path=ROOT / "params.yaml")
    assert set(described["stages"]["loop"]["params"]) == params.keys() - {"containers", "trust"}
    assert described["artifacts"]["production"]["path"] == f"models/{list(params['stream'])[-1]}"


def test_tables_are_sensible(tracked: Path) -> None:
    shown = ok(tracked, "dvc", "metrics", "show", "--md")
    assert all(name in shown for name in ("accuracy_before", "accuracy_after", "clean_accuracy", "promoted"))
    assert "file://" in ok(tracked, "dvc", "plots", "show")
    page = (tracked / "dvc_plots" / "index.html").read_text()
    assert all(title in page for title in ("unlike anything known", "before and after", "Training of the"))
    drawn = json.loads(ok(tracked, "dvc", "plots", "show", "--json"))["data"]
    for name in ("drift", "accuracy"):  # windows have names: along a scale of numbers nothing would be seen
        assert drawn[name][0]["content"]["encoding"]["x"]["type"] == "ordinal"


def test_the_way_of_a_model_is_told_back_to_the_data_and_the_decisions(tracked: Path) -> None:
    told = ok(tracked, "driftloop", "why", "models/w02/model.json").splitlines()
    steps = [line for line in told if not line.startswith(" ")]
    assert (steps[0], steps[-1]) == ("promote-model w02", "decisions/w02.jsonl")
    assert {"review w02", "train-model", "fetch-dataset"} < {*steps}
    assert len({*steps}) == len(steps)
    assert any(line.startswith("    read results/w02/verdict.json, ") for line in told)
    assert any(
        "seed=0" in line and line.endswith("stream.w02.parent=w01") for line in told
    )  # none is cut off
    assert "simulated reviewer: " in told[-1]
    assert ok(tracked, "driftloop", "why", "--stale") == "Everything that was made still holds.\n"


def test_a_clone_that_pulls_has_nothing_to_run_and_predicts(tracked: Path, tmp_path: Path) -> None:
    ok(tmp_path, "git", "clone", "--quiet", str(tracked), "clone")
    clone = tmp_path / "clone"
    ok(clone, "dvc", "pull")
    assert nothing_to_do(clone)
    assert decisions(clone) == decisions(tracked)
    lines = ok(clone, "driftloop", "predict", "models/w02", "data/windows/w01/images.npy").splitlines()
    assert sum("data/windows/w01" in line for line in lines) == 40


def test_an_s3_bucket_is_as_good_a_remote(mine: Path, tmp_path: Path) -> None:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    access = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    try:
        bucket = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test",
            aws_secret_access_key="test",
        )  # fmt: skip
        bucket.create_bucket(Bucket="driftloop")
        ok(mine, "dvc", "remote", "add", "--default", "--force", "store", "s3://driftloop/store")
        ok(mine, "dvc", "remote", "modify", "store", "endpointurl", url)
        commit(mine)
        ok(mine, "dvc", "push", **access)
        ok(tmp_path, "git", "clone", "--quiet", str(mine), "clone")
        clone = tmp_path / "clone"
        ok(clone, "dvc", "pull", **access)
        assert nothing_to_do(clone)
        ok(clone, "driftloop", "predict", "models/w02", "data/windows/w01/images.npy")
    finally:
        server.stop()


def test_a_tagged_model_is_fetched_by_name_and_version(mine: Path, tmp_path: Path) -> None:
    ok(mine, "git", *IDENTITY, "tag", "--annotate", "production@v1.0.0", "--message", "first")
    ok(tmp_path, "dvc", "artifacts", "get", str(mine), "production", "--rev", "v1.0.0", "--out", "model")
    fetched = {path.name for path in (tmp_path / "model").iterdir()}
    assert {"model.json", "model.safetensors", "detector.json", "promote-model.made.json"} <= fetched
    images = str(mine / "data/windows/w01/images.npy")
    assert len(ok(tmp_path, "driftloop", "predict", "model", images).splitlines()) > 40
    ok(tmp_path, "dvc", "get", str(mine), "models/reference", "--rev", "production@v1.0.0")
    assert (tmp_path / "reference" / "model.json").exists()


def test_decisions_survive_whatever_dvc_and_git_do(mine: Path) -> None:
    before = decisions(mine)
    ok(mine, "dvc", "checkout", "--force")
    ok(mine, "git", "clean", "--quiet", "-xdf")
    assert not (mine / "models").exists()
    assert not (mine / ".dvc" / "cache").exists()
    ok(mine, "dvc", "pull")
    assert nothing_to_do(mine)
    assert decisions(mine) == before


def test_decisions_survive_a_forced_reproduction_and_a_discarded_experiment(mine: Path) -> None:
    before = decisions(mine)
    ok(mine, "dvc", "repro", "--force")
    assert decisions(mine) == before
    shutil.rmtree(mine / ".snakemake")
    ok(mine, "snakemake", "--cores", "2", "--forceall")
    assert decisions(mine) == before
    shown = ok(mine, "dvc", "exp", "run", "-S", "gate.margin=0.031", "--name", "trial")
    assert "trial" in ok(mine, "dvc", "exp", "show", "--only-changed", "--md"), shown
    assert "gate.margin" in ok(mine, "dvc", "params", "diff", "--md")
    ok(mine, "git", "checkout", "--quiet", "--force", "--", "params.yaml", "dvc.lock")
    ok(mine, "dvc", "exp", "remove", "trial")
    ok(mine, "dvc", "checkout", "--force")
    assert {
        name: (mine / "decisions" / name).read_bytes()[: len(old)] for name, old in before.items()
    } == before
    assert nothing_to_do(mine)


def test_what_is_checked_out_is_judged_by_content(mine: Path) -> None:
    path = mine / "params.yaml"
    kept = path.read_text()
    path.write_text(kept.replace("margin: 0.03", "margin: 0.04"))
    ok(mine, "dvc", "repro")
    commit(mine)
    ok(mine, "git", "checkout", "--quiet", "HEAD~1")
    assert planned(mine) != []  # products of the later parameters
    ok(mine, "dvc", "checkout", "--force")
    assert nothing_to_do(mine)
    ok(mine, "git", "checkout", "--quiet", "--force", "-")
    ran = snakemake(mine)
    assert ran.returncode == 0
    assert "evaluate" in ok(mine, "driftloop", "why", "--stale", "gate.margin=0.05")
    assert planned(mine) == []


def test_a_lost_product_is_made_again_even_where_its_loss_was_committed(mine: Path) -> None:
    lost = mine / "results" / "w01" / "samples.csv"
    lost.unlink()
    ok(mine, "dvc", "commit", "--force")
    ok(mine, "dvc", "repro")
    assert lost.exists()
    assert nothing_to_do(mine)


def test_a_snakemake_report_can_be_made(mine: Path) -> None:
    ok(mine, "snakemake", "--report", "report.zip")
    assert (mine / "report.zip").stat().st_size > 1000
