"""What a dataset has to offer, ours or a user's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop.data.dataset import Dataset
from driftloop.data.pictures import Form
from driftloop.params.instantiate import instantiate

Report = Callable[[str], None]

FORM_OPTIONS = tuple(field.name for field in fields(Form) if field.name != "shape")


class DatasetSource(ABC):
    """A dataset that driftloop can fetch. Subclass it to bring your own.

    `dataset._target_` in `params.yaml` names the subclass by its importable name, and the other keys
    beside it are the arguments it is made with.

    Attributes:
        name: what the dataset is called. It becomes `Dataset.name`.
        classes: the class names, in the order of the labels.
        fit: how pictures that arrive in production are made to fit, as this dataset's were. See
            `driftloop.data.pictures.Form`.
        background, interpolation, crop, levels, bands: likewise.
    """

    name: str
    classes: tuple[str, ...]
    fit: str = "refuse"
    background: str | None = None
    interpolation: str = "bicubic"
    crop: float | None = None
    levels: tuple[float, float] | None = None
    bands: tuple[int, ...] | None = None

    @abstractmethod
    def fetch(self, report: Report) -> Dataset:
        """Return all labelled images, those meant for training and for testing pooled.

        The images are uint8 (N, H, W, C) with C 1 or 3, all of one size. The labels int64 (N,). The order
        means nothing but is always the same: driftloop draws its splits at random from positions. Call
        `report` with one line for everything worth knowing (what is tried, why it failed, what is
        used). Leave no files behind. Raise `DataError` when the images cannot be had.
        """

    def some(self, most: int) -> npt.NDArray[np.uint8]:
        """Return a few of the images, to try something on, uint8 (N, H, W, C).

        Raises:
            DataError: there are none.
        """
        return self.fetch(lambda _: None).images[:most]


def form_of(spec: Mapping[str, Any], shape: tuple[int, int, int]) -> Form:
    """Return how pictures are made to fit for a model of a dataset: those of windows, and those to predict.

    Args:
        spec: `dataset` of the parameters.
        shape: (H, W, C) of the images that the model takes.

    Raises:
        ParameterError: the dataset is none, or says what is no form.
    """
    source = instantiate(spec, DatasetSource, where="params.yaml: dataset")
    return Form(shape, **{option: getattr(source, option) for option in FORM_OPTIONS})
