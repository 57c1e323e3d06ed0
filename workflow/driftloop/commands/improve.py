"""What the reviewer decided: candidates, their evaluation against the incumbent, and promotion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from driftloop import layout
from driftloop.commands.console import say
from driftloop.commands.report import evaluation_of
from driftloop.commands.step import step
from driftloop.files import link_file, read_json, write_json
from driftloop.tracker.lineage import Lineage


@step("retrain-model", reads=("seed", "corruptions", "retrain", "stream.{window}.parent"), windowed=True)
def retrain_model(params: dict[str, Any], window: str) -> None:
    """Retrain the incumbent on what the reviewer said: a candidate."""


@step("train-filter", reads=("seed", "corruptions", "filter", "stream.{window}.parent"), windowed=True)
def train_filter(params: dict[str, Any], window: str) -> None:
    """Train a filter that removes the diagnosed corruption before the incumbent: a candidate."""


@step("evaluate-candidates", reads=("seed", "gate", "stream.{window}.parent"), windowed=True)
def evaluate_candidates(params: dict[str, Any], window: str) -> None:
    """Compare the candidates with the incumbent, on reviewed samples they never saw and on clean data."""


@step(
    "promote-model",
    reads=("seed", "detector.method", "detector.reference", "stream.{window}.parent"),
    windowed=True,
)
def promote_model(params: dict[str, Any], window: str) -> None:
    """Put the winner into production with a detector of its own; without one the incumbent stays."""
    parent, home = layout.model(params["stream"][window]["parent"]), layout.model(window)
    evaluation = evaluation_of(window)
    if evaluation is None or evaluation["winner"] is None:
        _keep(parent, home, window)
    else:
        _promote(params, window, evaluation)


def _keep(parent: Path, home: Path, window: str) -> None:
    """Give the window the incumbent's model and detector."""
    from driftloop.tracker.lineage import load_lineage, save_lineage

    _copy(parent, home, "detector")
    _copy(parent, home, "model")
    save_lineage(home, replace(load_lineage(parent), owner=window))


def _copy(source: Path, target: Path, what: str) -> None:
    """Copy a model or a detector. Only the large part is linked: engines judge the small one by its times."""
    link_file(source / f"{what}.safetensors", target / f"{what}.safetensors")
    write_json(target / f"{what}.json", read_json(source / f"{what}.json"))


def _promote(params: dict[str, Any], window: str, evaluation: dict[str, Any]) -> None:
    from driftloop.checker.check import add_kind
    from driftloop.checker.store import save_detector
    from driftloop.commands.classify import open_model, see
    from driftloop.commands.detect import fit_clean
    from driftloop.data.dataset import load_dataset
    from driftloop.files import digest_file
    from driftloop.models.store import model_digest
    from driftloop.tracker.lineage import Repair, load_lineage, save_lineage

    repair, home = evaluation["winner"], layout.model(window)
    verdict_path = layout.results(window) / "verdict.json"
    _copy(layout.candidate(window, repair), home, "model")
    classifier, digest = open_model(home), model_digest(home)
    before = load_lineage(layout.model(params["stream"][window]["parent"]))
    added = Repair(window, repair, read_json(verdict_path)["diagnosis"], digest, digest_file(verdict_path))
    lineage = Lineage(
        owner=window,
        model=digest,
        clean_accuracy=evaluation["candidates"][repair]["clean"]["candidate_accuracy"],
        repairs=(*before.repairs, added),
    )
    fitted = fit_clean(classifier, params)
    for known in lineage.repairs:
        arrived = load_dataset(layout.window(known.window)).images
        features = see(classifier, arrived, f"embedding {known.window}")
        fitted = add_kind(fitted, known.window, features, seed=params["seed"])
    save_detector(home, fitted, model=digest)
    save_lineage(home, lineage)
    say(f"{window}: [bold green]{repair} promoted[/]; the detector now knows this drift.")
