"""What images are made from, and what is said when one does not fit; no engine is needed."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tests.containers.engines import refused
from tests.support import BIN, ROOT, run

from driftloop import layout
from driftloop.containers import image
from driftloop.errors import ImageError
from driftloop.files import digest_file, write_json, write_text
from driftloop.models.store import FIELDS, FORMAT
from driftloop.tracker.production import move

ARGUMENTS = image.Arguments(base_image="python:3.11-slim")


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """A copy of everything that images are made from, with a small package."""
    for folder in ("containers", "envs", "rules"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "workflow/driftloop").mkdir(parents=True)
    (tmp_path / "workflow/driftloop/__init__.py").write_text("__version__ = '1'\n")
    return tmp_path


def build(root: Path, role: str, model: Path | None = None, **changes: str) -> image.Image:
    """Leave what a build leaves, with a SIF file that is none."""
    (root / "images").mkdir(exist_ok=True)
    image.sif(root, role).write_bytes(b"squashed")
    facts = image.facts(root, role, replace(ARGUMENTS, model=model))
    built = image.save_image(root, role, facts, "docker")
    image.record(root, role).write_text(json.dumps(asdict(replace(built, **changes))))
    return replace(built, **changes)


@pytest.mark.parametrize(
    "changed",
    ["envs/review.lock", "containers/Dockerfile", "workflow/driftloop/__init__.py", "pyproject.toml"],
)
def test_an_image_is_out_of_date_once_something_it_is_made_from_changes(recipes: Path, changed: str) -> None:
    built = build(recipes, "review")
    assert image.is_current(recipes, built)
    with (recipes / changed).open("a") as stream:
        stream.write("# changed\n")
    assert not image.is_current(recipes, built)


def test_what_an_image_is_not_made_from_leaves_it_current(recipes: Path) -> None:
    built = build(recipes, "review")
    (recipes / "envs/torch.lock").write_text("torch==1.0\n")
    (recipes / "workflow/driftloop/__pycache__").mkdir()
    (recipes / "workflow/driftloop/__pycache__/x.pyc").write_bytes(b"compiled")
    assert image.is_current(recipes, built)


def test_build_arguments_count_where_they_matter(recipes: Path) -> None:
    other = replace(ARGUMENTS, torch="cpu")
    assert image.build_arguments(recipes, "review", other) == image.build_arguments(
        recipes, "review", ARGUMENTS
    )
    changed = image.inputs(recipes, "torch", image.build_arguments(recipes, "torch", other))
    assert changed != image.inputs(recipes, "torch", image.build_arguments(recipes, "torch", ARGUMENTS))


def test_every_rule_that_runs_a_command_names_the_image_it_runs_in() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    commanded = re.findall(
        r"^(?:rule|checkpoint) (\w+):(?=(?:\n(?:    .*)?)*?\n    shell:)", text, re.MULTILINE
    )
    assert set(image.rules(ROOT)) == set(commanded)
    assert set(image.rules(ROOT).values()) <= set(image.roles(ROOT))
    assert not re.search(r"^    (run|script):", text, re.MULTILINE), "a `run:` rule ignores its container"


def test_the_locks_agree_and_only_one_role_has_torch() -> None:
    pins = {
        path.stem: set(re.findall(r"^\S+==\S+", path.read_text(), re.MULTILINE))
        for path in (ROOT / "envs").glob("*.lock")
    }
    for role in image.roles(ROOT):
        assert pins[role] <= pins["dev"], f"{role}.lock differs from dev.lock; run `make lock`"
    assert [role for role in image.roles(ROOT) if image.uses_torch(ROOT, role)] == ["torch"]


def test_every_dependency_of_pyproject_is_locked() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {"review": pyproject["project"]["dependencies"], **pyproject["dependency-groups"]}
    for name, requirements in wanted.items():
        locked = (ROOT / "envs" / f"{name}.lock").read_text().lower()
        for requirement in requirements:
            package = re.split(r"[<>=\[]", requirement.lower())[0]
            assert f"\n{package}==" in locked, f"{package} is not in envs/{name}.lock; run `make lock`"


def test_a_missing_image_is_named_with_the_command_that_builds_it(recipes: Path) -> None:
    with pytest.raises(ImageError, match=r"images/review.sif is not there. Run: driftloop images build$"):
        image.require_image("review", recipes)


def test_an_image_for_another_architecture_is_refused(recipes: Path) -> None:
    build(recipes, "review", architecture="s390x")
    with pytest.raises(ImageError, match=r"for s390x, this machine is \w+. Build it here"):
        image.require_image("review", recipes)


def test_an_image_that_fits_is_used(recipes: Path) -> None:
    build(recipes, "review")
    assert image.require_image("review", recipes) == recipes / "images/review.sif"


def test_an_image_of_other_sources_is_refused_where_the_sources_are(recipes: Path) -> None:
    build(recipes, "review")
    (recipes / "workflow/driftloop/__init__.py").write_text("__version__ = '2'\n")
    with pytest.raises(ImageError, match=r"other sources than are here. Run: driftloop images build"):
        image.require_image("review", recipes)
    shutil.rmtree(recipes / "containers")
    assert image.require_image("review", recipes), "a project that only uses images has no sources"


def test_outside_a_project_the_message_says_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="Run it in driftloop's own repository"):
        image.roles(tmp_path)


def test_without_docker_the_way_without_it_is_named(recipes: Path) -> None:
    said = refused(recipes, "review", "--engine", "docker", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert "Docker does not answer at unix:///nowhere/docker.sock" in said
    assert "driftloop images build --engine apptainer" in said


def test_without_apptainer_it_is_said_what_it_is_for(recipes: Path) -> None:
    said = refused(recipes, "review", "--engine", "apptainer", PATH=str(BIN))
    assert "Apptainer is not on the PATH; it makes and runs the SIF files." in said
    assert "https://apptainer.org/docs" in said


def test_a_role_that_is_not_there_lists_those_that_are(recipes: Path) -> None:
    assert "There is no image 'large'. There are: data, review, torch, predict." in refused(recipes, "large")


def test_the_image_of_a_model_needs_a_model(recipes: Path) -> None:
    said = refused(recipes, "predict", "--model", "models/w09")
    assert "There is no model models/w09/model.json" in said


def test_without_a_name_the_image_of_a_model_takes_the_one_in_production(
    recipes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No model is in production yet" in refused(recipes, "predict")
    monkeypatch.chdir(recipes)
    for owner in ("w01", "w02"):
        write_text(arrays := layout.model(owner) / "model.safetensors", owner)
        meta = {"format": FORMAT, **dict.fromkeys(FIELDS, owner), "sha256": digest_file(arrays)}
        write_json(layout.model(owner) / "model.json", meta)
        move(owner, "workflow")
    move("w01", "Ada")  # a rollback
    build(recipes, "predict", layout.model("w01"))
    done = run(recipes, "driftloop", "images", "build", "predict", "--base-image", ARGUMENTS.base_image)
    assert "predict is up to date" in done.stdout
