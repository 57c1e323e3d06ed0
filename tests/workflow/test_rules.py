"""The rules as Snakemake sees them: every one is complete, and the plan is the one we mean."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.support import ROOT, make_project, planned, run, snakemake

pytestmark = pytest.mark.usefixtures("warmed")
RULES = """
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, ResourceSettings
with SnakemakeApi() as api:
    flow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        config_settings=ConfigSettings(),
        snakefile=Path("Snakefile"),
    )._workflow
    for rule in flow.rules:
        if rule.name != "all":
            shell = rule.shellcmd or ""
            step = shell.startswith("driftloop ") and "{params.overrides}" in shell
            print(rule.name, bool(rule.log), rule.container_img is not None, bool(rule.message), step)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("plan"))


def test_a_fresh_project_plans_the_whole_reference_and_every_check(project: Path) -> None:
    golden = ROOT / "tests" / "golden" / "plan.txt"
    assert "\n".join(planned(project)) + "\n" == golden.read_text()


def test_every_rule_has_a_log_a_container_a_message_and_a_step(project: Path) -> None:
    result = run(project, "python", "-c", RULES)
    lines = [line.split() for line in result.stdout.splitlines() if line.endswith(("True", "False"))]
    assert len(lines) >= 14, result.stdout
    assert [line for line in lines if line[1:] != ["True"] * 4] == []


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("gate={alhpa: 0.1}", "unknown key 'alhpa'. Did you mean 'alpha'?"),
        ("gate={alpha: 5}", "gate.alpha is 5; it lies between 0 and 0.5"),
        ("review={reviewer: nobody}", "review.reviewer is 'nobody'; it is one of auto, human, simulated"),
        ("stream={w02: {n: many}}", "stream.w02.n is 'many'; it must be a whole number"),
        ("seed=-1", "seed is -1; it lies at or above 0"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_runs(
    project: Path, override: str, complaint: str
) -> None:
    result = snakemake(project, "--config", override)
    assert result.returncode != 0
    assert complaint in result.stdout
    assert "Traceback" not in result.stdout
    assert not [*(project / "data").rglob("*")]


def test_an_override_reaches_the_steps(project: Path) -> None:
    result = snakemake(project, "--dry-run", "-p", "--quiet", "host", "--config", "train={epochs: 7}")
    assert "driftloop train-model --log logs/train_model.log train.epochs=7" in result.stdout


def test_a_step_that_is_forced_does_not_ask_its_record(project: Path) -> None:
    shown = snakemake(project, "--dry-run", "-p", "--quiet", "host", "--forcerun", "train_model").stdout
    assert "driftloop train-model --log logs/train_model.log --anew" in shown


def test_a_plan_takes_nothing_in(tmp_path: Path) -> None:
    inbox = "inbox={folder: inbox, settle: 0, cut: 1}"
    project = make_project(tmp_path / "inbox", ["dataset=digits", "stream={}", inbox])
    (project / "inbox" / "monday").mkdir(parents=True)
    for name in ("monday/a.png", "loose.png"):
        (project / "inbox" / name).touch()
    assert "monday: taking the window in from the inbox" in planned(project)
    assert sorted(path.name for path in (project / "inbox").iterdir()) == ["loose.png", "monday"]
    assert not (project / "arrivals.txt").exists()


def test_a_run_in_a_copy_of_what_git_tracks_says_what_it_lacks(tmp_path: Path) -> None:
    """As in `dvc exp run --temp`: no inbox, no ledger that Git does not know. DVC asks for all folders."""
    inbox = "inbox={folder: inbox, settle: 0, cut: null}"
    project = make_project(tmp_path / "copy", ["dataset=digits", "stream={}", inbox])
    snakefile = project / "Snakefile"
    snakefile.write_text(snakefile.read_text().partition("onerror:")[0])
    (tmp_path / "decisions").mkdir()
    (tmp_path / "decisions" / "monday.jsonl").write_text("an entry\n")
    (tmp_path / "decisions" / "tuesday.jsonl").touch()
    (tmp_path / "arrivals.txt").write_text("monday\n")
    ran = run(project, "snakemake", "--cores", "1", "fetch_dataset", DVC_ROOT=str(tmp_path))
    assert ran.returncode == 0, ran.stdout
    assert "inbox does not exist, so nothing new is taken in." in ran.stdout
    assert "does not track there: arrivals.txt, decisions/monday.jsonl. For" in ran.stdout
    assert "git add arrivals.txt decisions, and run it again." in ran.stdout
    assert 'shell("driftloop status --report >&2")' in ran.stdout
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert all((project / name).is_dir() for out in stages["loop"]["outs"] for name in out)


def test_several_jobs_share_the_scoring_of_a_window(project: Path) -> None:
    shared = [job for job in planned(project, "--set-scatter", "check=3") if "w01: scoring part" in job]
    assert shared == [f"w01: scoring part {place}-of-3" for place in (1, 2, 3)]


def test_independent_windows_do_not_wait_for_one_another(tmp_path: Path) -> None:
    project = make_project(tmp_path / "sweep", ["dataset=digits", "stream=sweep"])
    run(project, "driftloop", "configure", "--force", "dataset=digits", "stream=sweep")
    result = snakemake(project, "--dag", "mermaid-js", "--quiet", "host")
    assert result.returncode == 0, result.stdout
    jobs = {line.split("[")[0].strip(): line for line in result.stdout.splitlines() if "[" in line}
    checks = [job for job, line in jobs.items() if "check_window" in line]
    arrows = [
        tuple(part.strip() for part in line.split("-->"))
        for line in result.stdout.splitlines()
        if "-->" in line
    ]
    assert len(checks) == 6
    assert not [
        arrow for arrow in arrows if arrow[0] in checks and "predict_window" in jobs.get(arrow[1], "")
    ]


def test_what_a_job_asks_of_a_cluster_follows_its_images(project: Path) -> None:
    million = project / "million" / "meta.json"
    million.parent.mkdir()
    million.write_text('{"shape": [1000000, 28, 28, 1]}')
    asked = (
        f"print(*(flow.globals[it](None, ['{million}', 'model.json'], 2) for it in ('memory', 'minutes')))"
    )
    said = run(project, "python", "-c", RULES + f"    {asked}\n").stdout.splitlines()
    assert said[-1].split() == ["15408", "334"]  # at the second attempt, MB and minutes for 784 MB
    train = project / "splits/train/meta.json"
    train.parent.mkdir(parents=True)
    train.write_text('{"shape": [1000, 224, 224, 3]}')
    asked = f"print(flow.globals['fitting_memory'](None, ['{train}'], 1))"
    said = run(project, "python", "-c", RULES + f"    {asked}\n").stdout.splitlines()
    assert said[-1] == "8720"  # 3,000, six times 151 MB, and twice the 2,408 MB of 16,000 such images


def test_the_profile_for_slurm_speaks_of_rules_that_there_are(project: Path) -> None:
    profile = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
    rules = {line.split()[0] for line in run(project, "python", "-c", RULES).stdout.splitlines() if line}
    assert {*profile["groups"], *profile["set-resources"]} <= rules
