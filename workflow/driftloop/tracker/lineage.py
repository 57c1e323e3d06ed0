"""Lineage: how the model in production came to be, from the reference model through every repair."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from driftloop.errors import ModelError
from driftloop.files import read_json, write_json
from driftloop.layout import REFERENCE

FILE = "lineage.json"


@dataclass(frozen=True)
class Repair:
    """One promoted repair.

    Attributes:
        window: whose drift it repaired.
        repair: `retrain` or `filter`.
        diagnosis: what the reviewer thought had happened, or None.
        model: digest of the model that was promoted.
        verdict: digest of the verdict that asked for it.
        imitation: the drift as it can be done to clean images (`driftloop.improver.imitate.Imitation`), so
            that later repairs can be kept from undoing this one.
    """

    window: str
    repair: str
    diagnosis: str | None
    model: str
    verdict: str
    imitation: dict[str, Any]


@dataclass(frozen=True)
class Lineage:
    """What stands in production after a window.

    Attributes:
        owner: the window, or `reference`.
        model: digest of the model in production.
        clean_accuracy: on the clean test split, in [0, 1].
        repairs: all promoted repairs since the reference model, oldest first.
    """

    owner: str
    model: str
    clean_accuracy: float
    repairs: tuple[Repair, ...] = ()

    @property
    def maker(self) -> str:
        """The window whose repair made the model, or `reference`."""
        return self.repairs[-1].window if self.repairs else REFERENCE


def save_lineage(folder: Path, lineage: Lineage) -> None:
    """Write `lineage.json` into a production folder."""
    write_json(folder / FILE, asdict(lineage))


def load_lineage(folder: Path) -> Lineage:
    """Read `lineage.json`.

    Raises:
        DataError: it is missing or is not JSON.
        ModelError: it lacks something.
    """
    value = read_json(folder / FILE)
    try:
        repairs = tuple(Repair(**repair) for repair in value.pop("repairs"))
        return Lineage(**value, repairs=repairs)
    except (TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{folder / FILE} is no lineage of this version of driftloop ({error}).") from error
