"""Which model is in use: a pointer that moves in one step, follows repairs, and obeys people."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from click.testing import CliRunner

from driftloop import layout
from driftloop.cli import find_command
from driftloop.errors import ModelError
from driftloop.files import digest_json, write_json
from driftloop.models.store import FIELDS, FORMAT
from driftloop.tracker.production import follow, move, previous, production_folder, read_moves


@pytest.fixture
def models(finished) -> dict[str, str]:
    """The finished project, where w02 and w03 were repaired, with model manifests; their digests by owner."""
    made = {"reference": "r", "w01": "r", "w02": "f", "w03": "t", "w04": "t", "w05": "t"}
    return {owner: remake(owner, weights) for owner, weights in made.items()}


def remake(owner: str, weights: str) -> str:
    meta = {"format": FORMAT, **dict.fromkeys(FIELDS, weights)}
    write_json(layout.model(owner) / "model.json", meta)
    return digest_json(meta)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(find_command(arguments[0]), arguments[1:])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def walk(models: dict[str, str]) -> list[str]:
    """Let the workflow go through the stream; return whose model is in production after each window."""
    owners = list(models)
    for parent, owner in pairwise(owners):
        follow(owner, models[owner], models[parent])
    return [each.owner for each in read_moves()]


def test_production_follows_each_repair_and_no_window_that_was_kept(models):
    assert walk(models) == ["w01", "w02", "w03"]
    assert production_folder() == layout.model("w03")
    assert walk(models) == ["w01", "w02", "w03"]


def test_a_rollback_stands_until_a_person_ends_it(models):
    walk(models)
    run("rollback", "--reason", "It misreads sevens.")
    assert read_moves()[-1].owner == "w02"
    assert read_moves()[-1].pinned
    walk(models)
    assert production_folder() == layout.model("w02")
    run("rollback")
    assert production_folder() == layout.model("w01")
    with pytest.raises(ModelError, match="No other model was in production before"):
        run("rollback")
    run("promote", "w02")
    walk(models)
    assert production_folder() == layout.model("w03")


def test_a_branch_that_was_not_made_from_what_is_in_production_leaves_it_alone(models):
    walk(models)
    assert follow("w09", digest_json("another"), models["w02"]) is None
    assert follow("w09", digest_json("another"), models["w03"]).owner == "w09"


def test_a_model_that_was_made_anew_is_not_taken_for_the_one_in_production(models):
    walk(models)
    old = models["w03"]
    anew = remake("w03", "other")
    with pytest.raises(ModelError, match="driftloop promote w03"):
        production_folder()
    # The workflow that made it anew puts it there itself.
    assert follow("w03", anew, models["w02"]).model == anew != old
    assert production_folder() == layout.model("w03")


def test_before_the_first_run_there_is_no_model(project):
    with pytest.raises(ModelError, match="snakemake --cores all"):
        production_folder()


def test_processes_that_move_it_at_once_lose_no_move(project):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda place: move(f"w{place}", str(place), "somebody"), range(40)))
    assert sorted(each.owner for each in read_moves()) == sorted(f"w{place}" for place in range(40))


def test_a_step_back_is_never_a_step_forth(project):
    for owner in ("reference", "w02", "w03"):
        move(owner, owner, "workflow")
    assert previous(read_moves()).owner == "w02"
    move("w02", "w02", "Ada")
    assert previous(read_moves()).owner == "reference"


def test_the_lineage_tells_window_decision_person_and_gain(models):
    walk(models)
    shown = run("lineage")
    assert "w02  promoted, filter impulse_noise, by the simulated reviewer, +66.2 points" in shown
    assert "w03  promoted, retrain rotate, by Ada" in shown
    assert shown.index("w02") < shown.index("w03") < shown.index("← in production") < shown.index("w04  kept")
    told = json.loads(run("lineage", "--json"))
    (second,) = (each for each in told["windows"] if each["window"] == "w02")
    assert (second["parent"], second["repair"], second["by"]) == ("w01", "filter", "the simulated reviewer")
    assert [each["owner"] for each in told["production"]] == ["w01", "w02", "w03"]
