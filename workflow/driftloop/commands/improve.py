"""What the reviewer decided: candidates, their evaluation against the incumbent, and promotion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftloop import layout
from driftloop.commands.console import progress, say
from driftloop.commands.step import step
from driftloop.errors import ParameterError
from driftloop.files import check_file, digest_file, link_file, read_json, write_json
from driftloop.findings.evaluation import Evaluations, foremost
from driftloop.findings.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from driftloop.commands.repair import Occasion
    from driftloop.improver.imitate import Imitation
    from driftloop.models.classifier import Classifier


@step(
    "retrain-model",
    reads=("seed", "corruptions", "retrain", "stream.{window}.parent"),
    home="results/{window}/candidates/retrain",
)
def retrain_model(params: dict[str, Any], window: str) -> None:
    """Retrain the incumbent on what the reviewer said: a candidate."""
    from driftloop.commands.repair import Occasion

    occasion = Occasion(window, params)
    _retrain(occasion, params, occasion.incumbent, "retrain")


@step(
    "retrain-filtered",
    reads=("seed", "corruptions", "retrain", "stream.{window}.parent"),
    home="results/{window}/candidates/retrain_filtered",
)
def retrain_filtered(params: dict[str, Any], window: str) -> None:
    """Retrain the incumbent behind the window's new filter, on what is left of the drift: a candidate."""
    from driftloop.commands.classify import open_model
    from driftloop.commands.repair import Occasion
    from driftloop.improver.imitate import Imitation

    behind = layout.candidate(window, "filter")
    imitation = Imitation.from_json(read_json(behind / "imitation.json"))
    _retrain(Occasion(window, params), params, open_model(behind), "retrain_filtered", imitation)


def _retrain(
    occasion: Occasion,
    params: dict[str, Any],
    start: Classifier,
    repair: str,
    imitation: Imitation | None = None,
) -> None:
    """Retrain a classifier on the occasion's samples, and keep what comes of it as a candidate.

    Without an imitation of the drift, one is read off the window.
    """
    from functools import partial

    import numpy as np

    from driftloop.improver.align import unaligned
    from driftloop.improver.lesson import Lesson, Samples
    from driftloop.improver.refit import refit
    from driftloop.improver.retrain import RetrainSettings, retrain

    window, fixed = occasion.window, start.network.fixed
    imitation, train = imitation or occasion.imitate(), occasion.split("train")
    parts = occasion.parts
    taught, unlabelled = occasion.samples(parts.taught), occasion.arrived.images[parts.unlabelled]
    # Of a program, the last step to its answers is all that can be learnt anew.
    learn = refit if fixed else partial(retrain, settings=RetrainSettings(**params["retrain"]))
    with progress(f"{window}: {'correcting the answers' if fixed else 'retraining'}") as advance:
        lesson = Lesson(
            Samples(train.images, train.known_labels),
            imitation,
            reviewed=taught,
            window=unlabelled,
            earlier=occasion.earlier_imitations(),
            earlier_reviewed=occasion.earlier_taught(),
        )
        candidate = learn(start if fixed else unaligned(start), lesson, seed=params["seed"], progress=advance)
    occasion.save(candidate, imitation, repair, np.union1d(parts.taught.index, parts.unlabelled))
    what = "answers corrected" if fixed else "retrained"
    what += " behind the filter" if repair == "retrain_filtered" else ""
    samples = f"{len(taught)} reviewed samples, {len(unlabelled)} others of the window"
    say(f"{window}: {what} on {samples}, imitations of the drift and clean images.")


@step(
    "train-filter",
    reads=("seed", "corruptions", "filter", "stream.{window}.parent"),
    home="results/{window}/candidates/filter",
)
def train_filter(params: dict[str, Any], window: str) -> None:
    """Train a filter that removes the diagnosed corruption before the incumbent: a candidate.

    Where `filter._target_` names no filter but `Aligned`, the incumbent is aligned instead.
    """
    from functools import partial

    from driftloop.commands.repair import Occasion
    from driftloop.improver import train_filter as core
    from driftloop.improver.align import TARGET, align
    from driftloop.improver.lesson import Lesson, Samples

    occasion = Occasion(window, params)
    imitation = occasion.imitate()
    settings, spec = core.FilterSettings.taken_from(params["filter"])
    aligning = spec["_target_"] == TARGET
    if aligning and (extra := spec.keys() - {"_target_"}):
        raise ParameterError(f"params.yaml: filter: {TARGET} takes no {min(extra)}; remove it.")
    repair = align if aligning else partial(core.train_filter, spec=spec)
    train = occasion.split("train")
    lesson = Lesson(
        Samples(train.images, train.known_labels),
        imitation,
        window=occasion.arrived.images[occasion.aligned_on] if aligning else None,
        calibration=occasion.split("calibration").images,
        earlier=occasion.earlier_imitations(),
    )
    with progress(f"{window}: {'aligning' if aligning else 'training a filter'}") as advance:
        candidate = repair(
            occasion.incumbent, lesson, settings=settings, seed=params["seed"], progress=advance
        )
    occasion.show(candidate)
    # A filter learns from imitations alone, and has not seen any sample of the window.
    occasion.save(candidate, imitation, "filter", occasion.aligned_on[: None if aligning else 0])
    against = occasion.verdict.diagnosis or "corruptions of every kind"
    say(f"{window}: {'aligned with its statistics' if aligning else f'filter trained against {against}'}.")


@step(
    "evaluate-candidates",
    reads=(
        "seed",
        "corruptions",
        "gate",
        "filter._target_",
        "review.error_rate",
        "review.abstention_rate",
        "stream.{window}.parent",
    ),
    home="results/{window}",
)
def evaluate_candidates(params: dict[str, Any], window: str) -> None:
    """Compare the candidates with the incumbent, on reviewed samples they never saw and on clean data.

    Of a simulated window's population it keeps the classes that each candidate predicts, for the scoring.
    """
    import numpy as np

    from driftloop.commands.classify import predicted_classes
    from driftloop.commands.gate import Rivals
    from driftloop.commands.repair import Occasion, before_and_after
    from driftloop.commands.settle import settling_labels
    from driftloop.data.dataset import load_dataset
    from driftloop.files import write_array
    from driftloop.improver.evidence import said_of

    occasion = Occasion(window, params)
    rivals = Rivals(occasion, params)
    labels: dict[int, str] = {}
    while True:  # people's labels are there at once. The simulated reviewer gives them as they are asked for
        answered = said_of(labels, (), occasion.arrived.classes, len(occasion.arrived))
        decided, winner = rivals.judge(answered)
        asked = rivals.ask(decided, answered)
        given, waits = settling_labels(window, asked, params, labels)
        if given == labels:
            break
        labels = given
    unsettled = asked if waits else []
    if winner is None and not unsettled:
        say(f"{window}: to label more of what the review showed: driftloop review {window}")
    reviewed, taught = occasion.reviewed, occasion.parts.taught
    others = reviewed.take(~np.isin(reviewed.index, taught.index))
    shown = occasion.samples(others if len(others) else taught)
    best = rivals.models[foremost(decided, winner)]
    images, strip = before_and_after(occasion.incumbent, best, shown, taught=not len(others))
    population = load_dataset(layout.population(window)).images
    predicted = [predicted_classes(model, population) for model in rivals.models.values()]
    write_array(layout.results(window) / "population.npy", np.stack(predicted))
    write_array(layout.results(window) / "strip.npy", images)
    Evaluations(
        window=window,
        verdict=occasion.verdict.digest,
        winner=winner,
        candidates=decided,
        ask=tuple(unsettled),
        draws=rivals.draws(decided) if unsettled else {},
        settling=labels,
        strip=strip,
    ).write(layout.evaluation(window))
    for name, evaluation in decided.items():
        say(f"{window}: {name}: {evaluation.sentence}")
    if unsettled:
        say(f"{window}: to label the next {len(unsettled)}, or fewer: driftloop settle {window}")


@step(
    "promote-model",
    reads=(
        "seed",
        "detector.method",
        "detector.reference",
        "stream.{window}.parent",
        "stream.{window}.rehearsal",
    ),
    home="models/{window}",
)
def promote_model(params: dict[str, Any], window: str) -> None:
    """Put the winner into production with a detector of its own. Without one the incumbent stays."""
    parent, home = layout.model(params["stream"][window]["parent"]), layout.model(window)
    evaluation = Evaluations.of(window)
    if evaluation is None or evaluation.winner is None:
        _keep(parent, home, window)
    else:
        _promote(params, window, evaluation, evaluation.winner)
    _put_to_use(window, params["stream"][window])


def _put_to_use(window: str, facts: Mapping[str, Any]) -> None:
    """Let production follow to a window's model, if that is made from what is in use, and say so.

    Where windows arrive from production, those that are simulated are rehearsals, and stay out of it.
    """
    from driftloop.models.store import model_digest
    from driftloop.trace import tracing
    from driftloop.tracker.production import follow, leave_out, read_moves

    parent: str = layout.REFERENCE if facts["rehearsal"] else facts["parent"]
    model, incumbent = model_digest(layout.model(window)), model_digest(layout.model(parent))
    with tracing():  # the pointer is no product of a step: it moves on
        if facts["rehearsal"]:
            moved = leave_out(window, incumbent)
        else:
            moved = follow(window, model, (parent, incumbent))
        now = read_moves()[-1]
    if moved:
        say(f"{moved.owner}: its model is in production.")
    elif not facts["rehearsal"] and model not in (now.model, incumbent):
        say(
            f"{window}: its model is not in production; that of {now.owner} is, put there by {now.by}. "
            f"To use this one: driftloop promote {window}"
        )


def _keep(parent: Path, home: Path, window: str) -> None:
    """Give the window the incumbent's model and detector."""
    from driftloop.tracker.lineage import load_lineage, save_lineage

    _copy(parent, home, "detector")
    _copy(parent, home, "model")
    save_lineage(home, replace(load_lineage(parent), owner=window))


def _copy(source: Path, target: Path, what: str) -> None:
    """Copy a model or a detector. Only the large part is linked: engines judge the small one by its times.

    Raises:
        ModelError: the large part is not the one that the small one was written for.
    """
    manifest, arrays = (source / f"{what}.{ending}" for ending in ("json", "safetensors"))
    facts = read_json(manifest)
    check_file(arrays, facts["sha256"], manifest)
    link_file(arrays, target / arrays.name)
    write_json(target / manifest.name, facts)


def _promote(params: dict[str, Any], window: str, evaluation: Evaluations, repair: str) -> None:
    from driftloop.checker.fitted import LEAST_SAMPLES, add_kind
    from driftloop.checker.store import save_detector
    from driftloop.commands.classify import open_model, see
    from driftloop.commands.detect import fit_clean
    from driftloop.data.dataset import load_dataset
    from driftloop.models.store import model_digest
    from driftloop.tracker.lineage import Lineage, Repair, load_lineage, save_lineage

    candidate, home = layout.candidate(window, repair), layout.model(window)
    _copy(candidate, home, "model")
    digest = model_digest(home)
    added = Repair(
        window=window,
        repair=repair,
        diagnosis=Verdict.of(window).diagnosis,
        model=digest,
        verdict=digest_file(layout.verdict(window)),
        imitation=read_json(candidate / "imitation.json"),
    )
    least = 2 * LEAST_SAMPLES
    repairs = (*load_lineage(layout.model(params["stream"][window]["parent"])).repairs, added)
    classifier = open_model(home)
    fitted = fit_clean(classifier, params)
    for known in repairs:
        arrived = load_dataset(layout.window(known.window)).images
        if len(arrived) < least:
            continue  # too few to know the drift by
        features = see(classifier, arrived, f"embedding {known.window}")
        fitted = add_kind(fitted, known.window, features, seed=params["seed"])
    save_detector(home, fitted, model=digest)
    clean = evaluation.candidates[repair].clean.candidate_accuracy
    assert clean is not None  # noqa: S101 (the gate judges on clean samples)
    save_lineage(home, Lineage(window, digest, clean, repairs))
    knows = "now knows this drift"
    if window not in (kind.name for kind in fitted.kinds):
        knows = f"needs {least} images to know a drift, and may ask about this one again"
    say(f"{window}: ", (f"{repair} promoted", "bold green"), f"; the detector {knows}.")
