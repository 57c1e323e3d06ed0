"""The answers of a simulated window on disk, apart from what production sees.

Only the simulated reviewer and the scoring may import this module.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from driftloop.data.dataset import load_dataset, save_dataset
from driftloop.data.window import Answers
from driftloop.errors import DataError
from driftloop.files import digest_array, read_array, read_json, write_array, write_json

_FACTS: dict[str, tuple[type, ...]] = {
    "corruption": (str, type(None)),
    "severity": (int, type(None)),
    "share": (int, float),
    "wrapped": (bool,),
}


def save_answers(folder: Path, answers: Answers) -> None:
    """Write the arrays, the population as a dataset folder and, last, the facts in `answers.json`.

    A folder with an `answers.json` is whole: it is removed first and written after everything else.
    """
    (folder / "answers.json").unlink(missing_ok=True)
    write_array(folder / "labels.npy", answers.labels)
    write_array(folder / "corrupted.npy", answers.corrupted)
    save_dataset(folder / "population", answers.population)
    write_array(folder / "population" / "corrupted.npy", answers.population_corrupted)
    digests = {  # so that the manifest changes with whatever it stands for
        "labels_sha256": digest_array(answers.labels),
        "corrupted_sha256": digest_array(answers.corrupted),
        "population_sha256": digest_array(answers.population.images),
    }
    write_json(folder / "answers.json", {fact: getattr(answers, fact) for fact in _FACTS} | digests)


def load_answers(folder: Path) -> Answers:
    """Read what `save_answers` wrote; the population's images are memory-mapped.

    Raises:
        DataError: a file is missing or damaged, or the arrays do not belong together.
    """
    facts = read_json(folder / "answers.json")
    if not isinstance(facts, dict) or not all(
        isinstance(facts.get(fact, ...), _FACTS[fact]) for fact in _FACTS
    ):
        raise DataError(f"{folder / 'answers.json'} must have {', '.join(_FACTS)}.")
    population = load_dataset(folder / "population")
    labels, corrupted = read_array(folder / "labels.npy"), read_array(folder / "corrupted.npy")
    population_corrupted = read_array(folder / "population" / "corrupted.npy")
    if (
        labels.dtype != np.int64
        or corrupted.dtype != np.bool_
        or population_corrupted.dtype != np.bool_
        or labels.ndim != 1
        or corrupted.shape != labels.shape
        or population_corrupted.shape != (len(population),)
    ):
        raise DataError(
            f"{folder}: labels and corruption masks do not belong together. Draw the window again."
        )
    known = {fact: facts[fact] for fact in _FACTS}
    return Answers(labels, corrupted, population, population_corrupted, **known)
