"""The answers of a simulated window on disk, apart from what production sees.

Only the simulated reviewer and the scoring may import this module.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from driftloop.data.window import Answers
from driftloop.errors import DataError
from driftloop.files import check_array, digest_array, read_array, read_json, write_array, write_json

_ARRAYS = {"labels": np.int64, "corrupted": np.bool_, "population_labels": np.int64}
_FACTS: dict[str, tuple[type, ...]] = {
    "corruption": (str, type(None)),
    "severity": (int, type(None)),
    "share": (int, float),
    "wrapped": (bool,),
}


def save_answers(folder: Path, answers: Answers) -> None:
    """Write the arrays and, last, the facts in `answers.json`.

    A folder with an `answers.json` is whole: it is removed first and written after everything else.
    """
    (folder / "answers.json").unlink(missing_ok=True)
    digests = {}  # so that the manifest changes with whatever it stands for
    for name in _ARRAYS:
        write_array(folder / f"{name}.npy", getattr(answers, name))
        digests[f"{name}_sha256"] = digest_array(getattr(answers, name))
    write_json(folder / "answers.json", {fact: getattr(answers, fact) for fact in _FACTS} | digests)


def load_answers(folder: Path) -> Answers:
    """Read what `save_answers` wrote.

    Raises:
        DataError: a file is missing or damaged, or the arrays do not belong together.
    """
    facts = read_json(folder / "answers.json")
    if not isinstance(facts, dict) or not all(
        isinstance(facts.get(fact, ...), _FACTS[fact]) for fact in _FACTS
    ):
        raise DataError(f"{folder / 'answers.json'} must have {', '.join(_FACTS)}.")
    arrays = {name: read_array(folder / f"{name}.npy") for name in _ARRAYS}
    fitting = all(arrays[name].dtype == dtype and arrays[name].ndim == 1 for name, dtype in _ARRAYS.items())
    if not fitting or len(arrays["labels"]) != len(arrays["corrupted"]):
        raise DataError(
            f"{folder}: labels and corruption masks do not belong together. Draw the window again."
        )
    for name, array in arrays.items():
        check_array(folder / f"{name}.npy", array, str(facts.get(f"{name}_sha256")))
    known = {fact: facts[fact] for fact in _FACTS}
    return Answers(**arrays, **known)  # type: ignore[arg-type]
