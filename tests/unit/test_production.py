"""Which model is in use: a pointer that moves in one step, follows repairs, and obeys people."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from driftloop import layout
from driftloop.commands.improve import _put_to_use
from driftloop.commands.production import _tree
from driftloop.commands.table import find_command
from driftloop.errors import ModelError, ParameterError
from driftloop.files import digest_file, digest_json, write_json, write_text
from driftloop.models.store import FIELDS, FORMAT
from driftloop.params.load import load_params
from driftloop.report.status import WindowState
from driftloop.tracker.production import Move, follow, move, previous, production_folder, read_moves


@pytest.fixture
def models(finished) -> dict[str, str]:
    """The finished project, where w02 and w03 were repaired, with model manifests; their digests by owner."""
    made = {"reference": "r", "w01": "r", "w02": "f", "w03": "t", "w04": "t", "w05": "t"}
    return {owner: remake(owner, weights) for owner, weights in made.items()}


def remake(owner: str, weights: str) -> str:
    arrays = layout.model(owner) / "model.safetensors"
    write_text(arrays, weights)
    meta = {"format": FORMAT, **dict.fromkeys(FIELDS, weights), "sha256": digest_file(arrays)}
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
        follow(owner, models[owner], (parent, models[parent]))
    return [each.owner for each in read_moves()]


def test_production_follows_each_repair_and_no_window_that_was_kept(models):
    assert walk(models) == ["reference", "w02", "w03"]
    assert production_folder() == layout.model("w03")
    assert walk(models) == ["reference", "w02", "w03"]


def test_a_rollback_stands_until_a_person_ends_it(models):
    walk(models)
    run("rollback", "--reason", "It misreads sevens.")
    assert read_moves()[-1].owner == "w02"
    assert read_moves()[-1].pinned
    walk(models)
    assert production_folder() == layout.model("w02")
    run("rollback")
    assert production_folder() == layout.model("reference")
    with pytest.raises(ModelError, match="No other model was in production before"):
        run("rollback")
    run("promote", "w02")
    walk(models)
    assert production_folder() == layout.model("w02")  # she went back from w03; no run goes there again
    assert follow("w09", digest_json("another"), ("w02", models["w02"])).owner == "w09"


def test_a_step_back_by_hand_outlives_whatever_runs_again_and_can_be_undone(models):
    walk(models)
    run("promote", "reference", "--reason", "All repairs misread sevens.")
    walk(models)
    assert production_folder() == layout.model("reference")
    run("rollback")
    assert production_folder() == layout.model("w03")
    run("rollback")
    assert production_folder() == layout.model("w02")


def test_a_pin_outlives_that_its_model_is_made_anew(models):
    walk(models)
    run("rollback")
    remake("w02", "other")
    with pytest.raises(ModelError, match="driftloop promote w02"):
        production_folder()
    run("promote", "w02")
    assert production_folder() == layout.model("w02")
    assert read_moves()[-1].pinned
    run("promote", "w02")
    assert not read_moves()[-1].pinned


@pytest.mark.parametrize("owner", ["w99", "reference/", "../models/w02", ""])
def test_only_what_the_stream_knows_is_promoted(models, owner):
    walk(models)
    with pytest.raises(ParameterError, match="There is no window"):
        run("promote", owner)
    assert production_folder() == layout.model("w03")


def test_a_rehearsal_changes_nothing_of_what_is_in_production(models):
    rehearse(models)
    assert [each.owner for each in read_moves()] == ["reference"]
    with pytest.raises(ParameterError, match="w02 is a rehearsal"):
        run("promote", "w02")


def rehearse(models: dict[str, str]) -> None:
    """Go through the stream in a project with an inbox, where all that is simulated is rehearsed."""
    params = Path("params.yaml")
    params.write_text(
        params.read_text().replace("inbox: null", "inbox: {folder: inbox, settle: 10, cut: null}")
    )
    for window, facts in load_params()["stream"].items():
        assert facts["rehearsal"]
        _put_to_use(window, facts)


def test_an_inbox_that_comes_later_takes_the_rehearsals_out_of_production(models):
    walk(models)
    rehearse(models)
    assert production_folder() == layout.model("reference")
    with pytest.raises(ModelError, match="No other model was in production before"):
        run("rollback")


def test_a_repair_that_is_settled_late_is_followed(models):
    """A first window is unsettled, a second one's repair comes and is taken back, the first is settled."""
    reference = ("reference", models["reference"])
    follow("a", models["reference"], reference)
    follow("c", digest_json("c"), reference)
    follow("c", models["reference"], reference)
    assert follow("a", digest_json("a"), reference).owner == "a"


def test_a_rollback_needs_no_parameters(models):
    walk(models)
    Path("params.yaml").write_text("detector: [")
    run("rollback")
    assert production_folder() == layout.model("w02")


def test_a_rollback_never_skips_a_model():
    told = (("ref", False), ("b", False), ("ref", False), ("c", False), ("ref", True))
    assert previous(tuple(Move(owner, owner, "", "", pinned) for owner, pinned in told)).owner == "b"


def test_a_repair_that_stays_out_of_production_is_said(models, capsys):
    walk(models)
    run("rollback")
    _put_to_use("w03", load_params()["stream"]["w03"])
    said = " ".join("".join(capsys.readouterr()).split())
    assert "w03: its model is not in production; that of w02 is" in said
    assert "driftloop promote w03" in said


def test_a_reason_that_is_no_text_is_refused(models):
    walk(models)
    command = [sys.executable, "-m", "driftloop", "promote", "w02", "--reason", b"caf\xe9"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, b"no UTF-8 text" in done.stderr) == (2, True), done.stderr
    assert b"Traceback" not in done.stderr
    assert read_moves()[-1].owner == "w03"


def test_a_branch_that_was_not_made_from_what_is_in_production_leaves_it_alone(models):
    walk(models)
    assert follow("w09", digest_json("another"), ("w02", models["w02"])) is None
    assert follow("w09", digest_json("another"), ("w04", models["w03"])).owner == "w09"


def test_a_model_that_was_made_anew_is_not_taken_for_the_one_in_production(models):
    walk(models)
    old = models["w03"]
    anew = remake("w03", "other")
    with pytest.raises(ModelError, match="driftloop promote w03"):
        production_folder()
    # The workflow that made it anew puts it there itself.
    assert follow("w03", anew, ("w02", models["w02"])).model == anew != old
    assert production_folder() == layout.model("w03")


def test_before_the_first_run_there_is_no_model(project):
    with pytest.raises(ModelError, match="snakemake --cores all"):
        production_folder()


def test_processes_that_move_it_at_once_lose_no_move(project):
    for place in range(40):
        remake(f"w{place}", str(place))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda place: move(f"w{place}", "somebody"), range(40)))
    assert sorted(each.owner for each in read_moves()) == sorted(f"w{place}" for place in range(40))


def test_a_step_back_is_never_a_step_forth(project):
    for owner in ("reference", "w02", "w03"):
        remake(owner, owner)
        move(owner, "workflow")
    assert previous(read_moves()).owner == "w02"
    rolled_back = Move("w02", read_moves()[1].model, "2026-01-31T23:59:59Z", "Ada", pinned=True)
    assert previous((*read_moves(), rolled_back)).owner == "reference"


def test_the_lineage_tells_window_decision_person_and_gain(models):
    walk(models)
    shown = run("lineage")
    assert "w02  promoted, filter impulse_noise, by the simulated reviewer, +66.2 points" in shown
    assert "w03  promoted, retrain rotate, by Ada" in shown
    assert shown.index("w02") < shown.index("w03") < shown.index("← in production") < shown.index("w04  kept")
    told = json.loads(run("lineage", "--json"))
    (second,) = (each for each in told["windows"] if each["window"] == "w02")
    assert (second["parent"], second["repair"], second["by"]) == ("w01", "filter", "the simulated reviewer")
    assert [each["owner"] for each in told["production"]] == ["reference", "w02", "w03"]


def test_a_window_without_a_repair_of_its_own_has_the_model_of_another(models):
    walk(models)
    assert "No repair" not in run("promote", "w03")
    said = run("promote", "w04")
    assert "In production: models/w04. No repair of w04 was promoted: its model is that of w03." in said
    shown = run("lineage")
    assert shown.index("w03  promoted") < shown.index("← in production") < shown.index("w04  kept")
    Path("results/w03/verdict.json").unlink()  # what is reviewed anew is in production still
    shown = run("lineage")
    assert shown.index("w03  decided") < shown.index("← in production") < shown.index("w04  kept")


def test_the_lineage_also_hangs_a_window_below_a_later_one():
    """An undecided window follows what comes into production, be it of a window that arrived after it."""
    states = [WindowState(name, "promoted") for name in ("monday", "tuesday")]
    shown = Console(width=80, color_system=None)
    with shown.capture() as capture:
        shown.print(_tree(states, {"monday": "tuesday", "tuesday": "reference"}, "monday"))
    told = capture.get()
    assert told.index("reference") < told.index("tuesday") < told.index("monday")


def test_weights_that_are_not_their_own_are_not_put_into_production(models):
    walk(models)
    (layout.model("w02") / "model.safetensors").write_text("rotten")
    with pytest.raises(ModelError, match=r"w02/model\.safetensors is not the file"):
        run("promote", "w02")
    with pytest.raises(ModelError, match=r"w02/model\.safetensors is not the file"):
        run("rollback")
    assert production_folder() == layout.model("w03")


@pytest.mark.parametrize("damage", ["cut", "emptied", "older", "changed", "gone", "no head"])
def test_a_damaged_pointer_names_its_remedies_and_a_person_begins_it_anew(models, damage):
    path, head = Path("decisions/production.json"), Path("decisions/production.json.head")
    walk(models)
    content = path.read_text()
    moves = json.loads(content)["moves"]
    damaged = {
        "cut": content[:-20],
        "emptied": "",
        "older": json.dumps({"moves": moves[:-1]}),
        "changed": content.replace("workflow", "wirkflow"),
    }
    if damage in damaged:
        path.write_text(damaged[damage])
    elif damage == "gone":
        path.unlink()
    else:
        head.write_text("")
    for command in (["rollback"], ["lineage"], ["predict", "x.png"]):
        with pytest.raises(ModelError, match=r"production\.json .* driftloop promote WINDOW"):
            run(*command)
    with pytest.raises(ModelError):
        walk(models)  # no run moves it
    run("promote", "w03")
    assert production_folder() == layout.model("w03")
    assert read_moves()[-1].owner == "w03"
    if damage != "gone":
        assert Path("decisions/production.damaged").exists()
