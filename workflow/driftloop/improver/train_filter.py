"""Train a filter on pairs: clean images, and what the diagnosed corruption makes of them.

The classifier's weights stay as they are. The new filter comes before the earlier ones. It sees images as
they arrive, before an earlier filter acts on a drift that it never learnt. The images that it restores look
clean to the others. Drifts repaired before must pass it as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from driftloop.errors import DataError
from driftloop.improver.filters import Filter
from driftloop.improver.imitate import Imitation
from driftloop.improver.lesson import Images, Lesson
from driftloop.improver.pixels import Held, floats, hold_or_stream
from driftloop.improver.suspicion import detecting_loss, limit, must_pass, suspicions
from driftloop.models.classifier import Classifier
from driftloop.models.device import seeded
from driftloop.models.train import Progress
from driftloop.params.instantiate import instantiate
from driftloop.spill import select

_OWN_OUTPUT = 0.3
"""Weight of the classifier's own output in the loss, beside the pixels."""
_PAIRS = 8000


@dataclass(frozen=True)
class FilterSettings:
    """How to train a filter.

    Attributes:
        steps: optimiser steps.
        batch_size: pairs a step.
        learning_rate: at the peak of the one-cycle schedule.
        touched: share of clean images on which the gate may act.
    """

    steps: int = 500
    batch_size: int = 64
    learning_rate: float = 0.004
    touched: float = 0.002

    @classmethod
    def taken_from(cls, params: Mapping[str, Any]) -> tuple[FilterSettings, dict[str, Any]]:
        """Return the settings that stand among a filter's parameters, and the specification that is left.

        >>> settings, spec = FilterSettings.taken_from({"_target_": "m.F", "steps": 9, "width": 7})
        >>> settings.steps, spec
        (9, {'_target_': 'm.F', 'width': 7})
        """
        names = ("steps", "batch_size", "learning_rate")
        spec = {key: value for key, value in params.items() if key not in names}
        return cls(**{key: params[key] for key in names if key in params}), spec


def train_filter(
    classifier: Classifier,
    lesson: Lesson,
    *,
    spec: Mapping[str, Any],
    settings: FilterSettings,
    seed: int,
    progress: Progress | None = None,
) -> Classifier:
    """Train a filter and put it at the head of the classifier's chain.

    Args:
        classifier: the incumbent. It is not changed.
        lesson: the drift. It has an imitation, and calibration images, which set the gate's threshold.
            Earlier drifts must pass this filter as clean images do, but for what belongs more to this one.
        spec: `_target_` and arguments of a `Filter`.
        settings: how to train.
        seed: of the initial weights, the corruptions and the order of the pairs.
        progress: called after each step.

    Returns:
        The candidate: a new classifier with one more filter, which shares all the other parts.

    Raises:
        ParameterError: `spec` names no filter.
        DataError: there are no images, or no calibration images.
    """
    imitation, calibration = lesson.imitation, lesson.calibration
    if not lesson.clean or calibration is None or not len(calibration) or imitation is None:
        raise DataError(
            "A filter is trained on clean images and on imitations of a drift, and its gate set on others; "
            "one of them is missing."
        )
    rng, earlier = np.random.default_rng(seed), imitation.rest_of(lesson.earlier)
    device = classifier.mean.device
    spec = dict(spec) | {"channels": classifier.input_shape[2]}
    with seeded(seed, device):
        repair = instantiate(spec, Filter, where="params.yaml: filter").to(device)
        frozen = copy.deepcopy(classifier).eval().requires_grad_(False)
        pairs = _pairs(lesson.clean.images, imitation, earlier, rng, device)
        _fit(repair, frozen, pairs, settings, torch.Generator().manual_seed(seed), progress)
    repair.eval().requires_grad_(False)
    passing = [calibration, *(each.apply(calibration, rng) for each in earlier)]
    scores = [suspicions(repair.suspect, hold_or_stream(each, device)) for each in passing]
    repair.threshold.fill_(max(limit(each, settings.touched) for each in scores))
    return classifier.with_filter(spec, repair).eval()


@dataclass(frozen=True)
class _Pairs:
    """Clean images, their corrupted twins, and images that must pass as they are: uint8 (N, H, W, C)."""

    clean: Held
    corrupted: Held
    passing: Held


def _pairs(
    images: Images,
    imitation: Imitation,
    earlier: Sequence[Imitation],
    rng: np.random.Generator,
    device: torch.device,
) -> _Pairs:
    chosen = np.sort(rng.choice(len(images), min(_PAIRS, len(images)), replace=False))
    clean = select(images, chosen)
    passing = must_pass(clean, earlier, rng)
    corrupted = imitation.apply(clean, rng)
    return _Pairs(*(hold_or_stream(each, device) for each in (clean, corrupted, passing)))


def _fit(
    repair: Filter,
    classifier: Classifier,
    pairs: _Pairs,
    settings: FilterSettings,
    generator: torch.Generator,
    progress: Progress | None,
) -> None:
    device = pairs.clean.device
    repair.train()
    optimizer = torch.optim.AdamW(repair.parameters(), lr=settings.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.steps
    )
    for step in range(settings.steps):
        rows = torch.randint(len(pairs.clean), (settings.batch_size,), generator=generator).to(device)
        drawn = (floats(each[rows]) for each in (pairs.clean, pairs.corrupted, pairs.passing))
        clean, corrupted, passing = drawn
        # In float32: convolutions as narrow as these have no fast bfloat16 gradient on every processor.
        restored = repair.restore(corrupted)
        # Half a batch is enough for what is easy to learn, or costs as much as the restoring itself.
        few = max(1, settings.batch_size // 2)
        pixels = functional.binary_cross_entropy_with_logits(restored, clean)
        own = own_output_loss(restored[:few], clean[:few], classifier)
        found = detecting_loss(repair.suspect(corrupted[:few]), repair.suspect(passing[:few]))
        loss = pixels + _OWN_OUTPUT * own + found
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, settings.steps)


def own_output_loss(logits: Tensor, clean: Tensor, classifier: Classifier) -> Tensor:
    """Return how far the classifier's answers to restored images are from those to the clean ones."""
    network: nn.Module = classifier.network
    with torch.no_grad():
        wanted = network(classifier.normalise(clean)).softmax(1)
    given = network(classifier.normalise(torch.sigmoid(logits)))
    return functional.cross_entropy(given, wanted)
