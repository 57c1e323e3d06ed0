"""What happened to a window, in plain words: the first screen of the review."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from driftloop.estimate import Estimate
from driftloop.findings.drift import moved
from driftloop.review.decision import REPAIRS, agreement
from driftloop.review.ledger import Entry, reviews
from driftloop.review.material import STRANGE, Material
from driftloop.review.past import Past, Trial
from driftloop.review.state import Unsettled

_ALIKE = 0.9
"""Where so many of each class are strange, naming classes says nothing."""
Line = tuple[str, str]
"""A sentence and its style. An empty sentence is a gap."""


def tell(material: Material, entries: Sequence[Entry] = (), reviewer: str = "") -> list[Line]:
    """Return the story of a drifted window: how much, what it costs, whom it hits, and what went before.

    Args:
        material: of the window.
        entries: of its ledger.
        reviewer: who is asked now.
    """
    report, way = material.report, "many are not what the model knows"
    if report.novel_share.low == 0 and moved(report.moves):
        way = "together they are not what the model knows"
    lines: list[Line] = [(f"{material.window} has drifted: {report.n:,} samples, and {way}.", "bold")]
    lines += [("", ""), *_cost(material), *_hit(material)]
    lines += [(material.clean_side, "yellow")] if material.clean_side else []
    lines += [("", ""), *_before(material.past)] if material.past else []
    answered = _answered(material, entries, reviewer)
    return [*lines, ("", ""), *answered] if answered else lines


def tell_unsettled(material: Material, unsettled: Unsettled) -> list[Line]:
    """Return what the gate left open about a window, and what is asked for its sake."""
    n = len(material.picks)
    which = f"these {n} samples, drawn at random" if n > 1 else "this sample"
    return [
        (f"It is open yet what becomes of {material.window}.", "bold"),
        ("", ""),
        *((sentence, "") for sentence in unsettled.said),
        ("", ""),
        (f"The models disagree on {which}. Label as many as you like, and sign; the rest is signed.", ""),
    ]


def earlier_labels(
    material: Material, entries: Sequence[Entry], reviewer: str = ""
) -> tuple[Entry, dict[int, str]] | None:
    """Return a person's answer whose labels can be started from, and these, for the samples shown now.

    Where a person's answer stands, it is the reviewer's own newest one. A second opinion is given without
    seeing the first. If none stands, the check has said something else since. Then the newest answer is
    offered, but not applied: the same sample of the same images still shows the same. None where there is no
    such answer.
    """
    people = reviews(entries)
    if any(_stands(entry, material) for entry in people):
        people = [entry for entry in people if _stands(entry, material) and entry.reviewer == reviewer]
    if not people:
        return None
    newest = people[-1]
    if newest.content != material.content:
        return newest, {}
    return newest, {index: label for index, label in newest.answer.labels.items() if index in material.shown}


def _stands(entry: Entry, material: Material) -> bool:
    return entry.answers(material.reported) and entry.images == material.images_digest


def how_it_fared(material: Material, repair: str, diagnosis: str | None) -> str:
    """Return how a repair did on this kind of drift before. Nothing where that means nothing.

    Repairs tried on this very window come last, so that a second look reads them.
    """
    if repair not in REPAIRS[repair] or diagnosis is None:
        return ""
    trials = [
        (past.window, past.trials[repair])
        for past in material.story
        if past.diagnosis == diagnosis and repair in past.trials
    ]
    if not trials:
        return f"It was not tried on {diagnosis} before."
    window, last = trials[-1]
    outcome = "promoted" if last.promoted else "not promoted"
    text = f"On {diagnosis}, in {window}: {_course(last)}, {outcome}"
    if len(trials) > 1:
        text += f" ({sum(trial.promoted for _, trial in trials)} of {len(trials)} were)"
    return text + "."


def what_it_costs(material: Material, decision: str) -> str:
    """Return how long the repairs of a decision take, as far as anything was recorded."""
    if not REPAIRS[decision]:
        return "No time."
    last: dict[str, float] = {}
    for past in material.story:
        last |= past.seconds
    took = [last.get(part) for part in REPAIRS[decision]]
    if None not in took:
        total = sum(filter(None, took)) + last.get("evaluation", 0)
        return f"About {_duration(total)}, as last time."
    if material.training_seconds is None:
        return "How long it takes is not recorded yet."
    return f"Not done here before; the reference model took {_duration(material.training_seconds)} to train."


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _cost(material: Material) -> list[Line]:
    report, accuracy = material.report, material.report.accuracy
    lines = [(f"{_share(report.novel_share)} of them are unlike everything known.", "")]
    if change := moved(report.moves):
        words = ", ".join(f"{many} are {way}" for many, way in change)
        lines.append((f"Beside usual images of their class, {words}.", ""))
    if accuracy:
        then = [past.accuracy for past in material.past if not past.drifted and past.accuracy is not None]
        usual = ""
        if then:
            usual = f"; before the drift {_percent(then[-1])}"
        elif material.clean_accuracy is not None:
            usual = f"; on clean test data {_percent(material.clean_accuracy)}"
        lines.append((f"The model is right about an estimated {_share(accuracy)}{usual}.", ""))
    p_value, alpha, together = report.alarm
    chance = f"p = {p_value:.2g}; the alarm is at {alpha:g}"
    which = f"the latest {together} windows together" if together else "usual images"
    if together:
        lines.append(("The drift is slow: no window shows it by itself.", ""))
    return [*lines, (f"By chance alone, {which} come to look like this with {chance}.", "dim")]


def _hit(material: Material) -> list[Line]:
    """Name the classes with the largest share of strange samples, if that is more than chance has."""
    hit = [item for item in material.counts if item.strange > max(1, 2 * STRANGE * item.n)]
    hit.sort(key=lambda item: (-item.strange / item.n, item.name))
    if not hit:
        return []
    if all(item.strange >= _ALIKE * item.n for item in material.counts):
        return [("Every class is hit alike.", "")]
    named = ", ".join(f"{item.name} ({item.strange} of {item.n})" for item in hit[:3])
    return [(f"Strangest is what the model takes for {named}.", "")]


def _before(past: Sequence[Past]) -> list[Line]:
    """Say since when, and what drift looked like last time."""
    streak = list(itertools.takewhile(lambda item: item.drifted, reversed(past)))
    if not streak:
        lines = [(f"The window before it, {past[-1].window}, was as usual.", "")]
    else:
        lines = [(f"Windows have drifted since {streak[-1].window}; this is number {len(streak) + 1}.", "")]
    drifts = [item for item in past if item.drifted and item.decision]
    if drifts:
        item = drifts[-1]
        text = f"The last drift, {item.window}, was answered with {item.decision}"
        text += f" ({item.diagnosis})" if item.diagnosis else ""
        if item.foremost:
            best = item.trials[item.foremost]
            text += f": {_course(best, ' on reviewed samples')}"
            text += f", {item.foremost} promoted" if best.promoted else ", not promoted"
        lines.append((text + ".", ""))
    return lines


def _answered(material: Material, entries: Sequence[Entry], reviewer: str) -> list[Line]:
    """Say who has answered already, to this or to something else."""
    standing = [entry for entry in entries if _stands(entry, material) and not entry.settles]
    lines = []
    for entry in standing:
        who = "The simulated reviewer" if entry.simulated else entry.reviewer
        also = "A person's answer goes before it." if entry.simulated else "You can answer too."
        lines.append((f"{who} answered {entry.answer.decision} on {entry.time[:10]}. {also}", "cyan"))
    lines += _compared(material, standing)
    offer = earlier_labels(material, entries, reviewer)
    if offer and offer[0] in standing:
        lines.append((f"O takes over your {len(offer[1])} labels to start from.", "yellow"))
    elif offer:
        entry, labels = offer
        if entry.content != material.content:
            changed = "the images are others now"
        elif entry.images != material.images_digest:
            changed = "the check picks other samples now"
        else:
            changed = "the check says otherwise now"
        text = f"{entry.reviewer} answered {entry.answer.decision} on {entry.time[:10]}, but {changed}."
        lines.append(
            (text + (f" O takes over {len(labels)} labels to start from." if labels else ""), "yellow")
        )
    return lines


def _compared(material: Material, entries: Sequence[Entry]) -> list[Line]:
    """Say how far each two people agree on these samples, and which ones want a third look."""
    newest = {entry.reviewer: entry.answer.labels for entry in reviews(entries)}
    places = {pick.index: place for place, pick in enumerate(material.picks, start=1)}
    lines = []
    for (one, first), (two, second) in itertools.combinations(newest.items(), 2):
        compared = agreement(first, second)
        text = f"{one} and {two} {compared}"
        numbers = [f"#{places[index]}" for index, _, _ in compared.disagreements if index in places]
        if numbers:
            text += f" Look again at {', '.join(numbers[:12])}{', …' if len(numbers) > 12 else ''}."
        lines.append((text, "yellow" if compared.disagreements else "cyan"))
    return lines


def _share(value: Estimate) -> str:
    return f"{_percent(value.estimate)} ({_percent(value.low)} to {_percent(value.high)})"


def _course(trial: Trial, where: str = "") -> str:
    if trial.before is None or trial.after is None:
        return "too few labels to measure it"
    return f"{_percent(trial.before)} → {_percent(trial.after)}{where}"


def _percent(value: float) -> str:
    return f"{value:.0%}"
