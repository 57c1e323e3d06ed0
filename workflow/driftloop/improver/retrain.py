"""Retrain: fine-tune the incumbent on what the review left, without forgetting what it knew.

Every batch mixes clean images, imitations of the drift (both labelled for free), the reviewed samples,
others of the window, and what was repaired before. The filters in front of the network stay as they are,
and it learns from images as they come out of them.

A few labels would drown among so many clean images (arXiv 2304.10762), or would be learnt by heart. So the
reviewed samples are a large part of each batch, and seen another way each time (`driftloop.improver.views`).

The others have no labels. The candidate's own moving average gives them (a mean teacher: Tarvainen and
Valpola, arXiv 1703.01780), where it is sure. It is shown a weak view, and the candidate learns to answer
a strong one likewise (Sohn et al., arXiv 2001.07685). So the candidate also learns a drift that no person
could name and no imitation matches.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from driftloop.errors import DataError, ModelError
from driftloop.improver.lesson import Images, Labels, Lesson
from driftloop.improver.pixels import Held, floats, through_filters
from driftloop.improver.views import strong_view, weak_view
from driftloop.models.classifier import Classifier
from driftloop.models.device import autocast, seeded
from driftloop.models.predict import predict
from driftloop.models.train import Progress
from driftloop.spill import select

_REPLAYED = 20000
"""Clean images, and imitations of each drift, that are drawn from."""
_CLEAN, _HARDEST, _NAMED, _UNNAMED, _EARLIER = 3, 6, 4, 2, 4
"""How much of each batch comes from where, in parts, where all are present. An imitation of one family,
which somebody has named, is more of it than one that was guessed. Of several earlier drifts each is less
than of one, and all of them are more."""
_HARD = 0.05
"""The share of clean images that are the hardest: the incumbent is least sure of them. They come more often,
as they are the first to be lost. (MNIST, rotation behind a filter, two seeds: clean images lose 0.17 points
instead of 0.26 where all come as often.)"""
_REVIEWED, _UNLABELLED, _REVIEWED_BEFORE = 9, 4, 1.5
_BESIDE_A_NAME = 0.25
"""So much of that is left beside an imitation that somebody has named: it is right, and costs clean images
less. (MNIST, rotation behind a filter, one seed: 0.42 points with all of it, 0.30 with this.)"""
_HALF = 40
"""The same of images of the window, and of windows before, as if there were ever so many. Of so many as _HALF
it is half as much: fewer would be learnt by heart."""
_LONGER = 0.2
"""So much longer it takes for each drift that was repaired before. (Of six in sequence on Fashion-MNIST-C the
first loses 0.9 points by the other five. With as many parts and steps as for one earlier drift it was 1.1 to
2.6, and another up to 2.1.)"""
_SURE = 0.8
"""Confidence from which an image of the window counts as what the candidate takes it for."""
_NAIVE = 0.3
"""The part of the steps after which the candidate is trusted with that."""
_VIEWS = (strong_view, weak_view)
"""How the reviewed samples are shown: one half of them each."""
_SMOOTHING = 0.05
_MEMORY = 0.98
"""Decay of the moving average of the weights (EMA), which is the candidate."""
_AWAY, _AWAY_UNNAMED = 0.9, 0.95
"""How far the candidate goes from the incumbent's weights to the averaged ones. The last step of the way
costs more on clean images than it wins on the drift (Wortsman et al., CVPR 2022)."""


@dataclass(frozen=True)
class RetrainSettings:
    """How to retrain.

    Attributes:
        steps: optimiser steps. A fifth more for each drift that was repaired before.
        batch_size: images a step, of all sources together.
        learning_rate: at the peak of the one-cycle schedule.
    """

    steps: int = 500
    batch_size: int = 192
    learning_rate: float = 0.002


def retrain(
    classifier: Classifier,
    lesson: Lesson,
    *,
    settings: RetrainSettings,
    seed: int,
    progress: Progress | None = None,
) -> Classifier:
    """Fine-tune a classifier's network on a drift.

    Args:
        classifier: the incumbent. It is not changed.
        lesson: the drift. It has reviewed samples, or an imitation.
        settings: how to retrain.
        seed: of the corruptions and the order of the samples.
        progress: called after each step.

    Returns:
        The candidate: a new classifier with the same filters and a network of its own.

    Raises:
        DataError: there is nothing to learn from.
        ModelError: the weights grew beyond all bounds.
    """
    if not lesson.clean or not (lesson.reviewed or lesson.imitation):
        raise DataError("Retraining needs clean images, and reviewed samples or a diagnosis; one is missing.")
    named = lesson.imitation is not None and lesson.imitation.named
    settings = replace(settings, steps=round(settings.steps * (1 + _LONGER * len(lesson.earlier))))
    rng = np.random.default_rng(seed)
    candidate = copy.deepcopy(classifier).eval()
    with seeded(seed, classifier.mean.device):
        sources = _sources(candidate, lesson, rng)
        away = _AWAY if named else _AWAY_UNNAMED
        _fit(candidate, sources, settings, away, torch.Generator().manual_seed(seed), progress)
    return candidate.eval()


@dataclass(frozen=True)
class _Source:
    """Where a part of each batch comes from.

    Attributes:
        seen: the images, as they are behind the filters: what `through_filters` holds.
        targets: probabilities of the classes, float (N, K). None where the candidate gives them itself.
        part: how much of each batch it is, beside the other sources' parts.
        few: whether there are so few that they are shown in ever other views.
    """

    seen: Held
    targets: Tensor | None
    part: float
    few: bool = False


def _sources(classifier: Classifier, lesson: Lesson, rng: np.random.Generator) -> list[_Source]:
    clean, imitation, earlier = lesson.clean, lesson.imitation, lesson.earlier
    rows = np.sort(rng.choice(len(clean), min(_REPLAYED, len(clean)), replace=False))
    images, labels = select(clean.images, rows), clean.labels[rows]
    # The candidate must answer a clean image as the incumbent does, and its drifted twin too.
    taught = torch.from_numpy(predict(classifier, images).logits).softmax(1)
    device, classes = classifier.mean.device, len(classifier.classes)

    def source(images: Images, labels: Labels, part: float, teacher: Tensor | None = None) -> _Source:
        targets = smooth(torch.from_numpy(labels), classes)
        if teacher is not None:
            targets = (targets + teacher) / 2
        seen = through_filters(classifier, images)
        return _Source(seen, targets.to(device), part, few=teacher is None)

    surest, next_best = taught.topk(2, dim=1).values.T
    hardest = (surest - next_best).argsort()[: max(1, round(_HARD * len(labels)))].sort().values.numpy()
    sources = [
        source(images, labels, _CLEAN, taught),
        source(select(images, hardest), labels[hardest], _HARDEST, taught[hardest]),
    ]
    if imitation:
        part = _NAMED if imitation.named else _UNNAMED
        sources.append(source(imitation.apply(images, rng), labels, part, taught))
    places = np.arange(len(images))
    for number, each in enumerate(earlier):
        own = slice(number, None, len(earlier))  # they share the images, so that memory stays bounded
        if len(labels[own]):
            twins, part = each.apply(select(images, places[own]), rng), _EARLIER / len(earlier) ** 0.5
            sources.append(source(twins, labels[own], part, taught[own]))
    share = _BESIDE_A_NAME if imitation and imitation.named else 1.0
    for few, most in ((lesson.reviewed, _REVIEWED), (lesson.earlier_reviewed, _REVIEWED_BEFORE)):
        if few:
            sources.append(source(few.images, few.labels, share * _part(most, len(few))))
    if lesson.window is not None and (n := len(lesson.window)):
        seen = through_filters(classifier, lesson.window)
        sources.append(_Source(seen, None, share * _part(_UNLABELLED, n)))
    return sources


def _part(most: float, n: int) -> float:
    """Return how much of each batch n images are, where ever so many are `most`."""
    return most * n / (n + _HALF)


def _fit(
    classifier: Classifier,
    sources: Sequence[_Source],
    settings: RetrainSettings,
    away: float,
    generator: torch.Generator,
    progress: Progress | None,
) -> None:
    network: nn.Module = classifier.network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.steps
    )
    # Averaged weights forget less of the clean images and learn the drift as well.
    remember = get_ema_multi_avg_fn(_MEMORY)  # type: ignore[no-untyped-call]
    average = AveragedModel(network, multi_avg_fn=remember, use_buffers=True)
    total = sum(source.part for source in sources)
    sizes = [max(1, round(settings.batch_size * source.part / total)) for source in sources]
    for step in range(settings.steps):
        teacher = average.module if step >= _NAIVE * settings.steps else None
        x, targets = _batch(classifier, sources, sizes, teacher, generator)
        with autocast(x.device, x.shape[-2] * x.shape[-1]):
            logits = network(x)
        loss = functional.cross_entropy(logits.float(), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        if progress is not None:
            progress(step + 1, settings.steps)
    _blend(network, before, average.module.state_dict(), away)
    if not all(weights.isfinite().all() for weights in network.parameters()):
        raise ModelError("the retraining has diverged. Lower retrain.learning_rate in params.yaml.")


def _batch(
    classifier: Classifier,
    sources: Sequence[_Source],
    sizes: Sequence[int],
    teacher: nn.Module | None,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Draw a batch: normalised images (N, C, H, W) and targets (N, K).

    Images without targets get the teacher's. As long as there is no teacher they get none, all zeros.
    """
    batch = []
    for source, size in zip(sources, sizes, strict=True):
        rows = torch.randint(len(source.seen), (size,), generator=generator).to(source.seen.device)
        x = floats(source.seen[rows])
        if source.targets is not None:
            targets = source.targets[rows]
        elif teacher is not None:
            targets = _sure_answers(teacher, classifier.normalise(weak_view(x, generator)))
        else:
            targets = x.new_zeros(size, len(classifier.classes))
        if source.few:
            x = torch.cat([view(each, generator) for view, each in zip(_VIEWS, x.chunk(2), strict=False)])
        elif source.targets is None:
            x = strong_view(x, generator)
        batch.append((classifier.normalise(x), targets))
    return torch.cat([x for x, _ in batch]), torch.cat([targets for _, targets in batch])


@torch.no_grad()
def _sure_answers(network: nn.Module, x: Tensor) -> Tensor:
    """Return the network's answers to normalised images as targets (N, K): all zeros where it is unsure."""
    probabilities: Tensor = network.eval()(x).softmax(1)
    confidence, answers = probabilities.max(1)
    sure = (confidence >= _SURE).float()[:, None]
    return smooth(answers, probabilities.shape[1]) * sure


def smooth(labels: Tensor, classes: int) -> Tensor:
    """Return labels (N,) as probabilities of the classes, float (N, K)."""
    return functional.one_hot(labels, classes) * (1 - _SMOOTHING) + _SMOOTHING / classes


@torch.no_grad()
def _blend(
    network: nn.Module, before: Mapping[str, Tensor], after: Mapping[str, Tensor], away: float
) -> None:
    """Give a network weights and statistics that lie between two sets of them, `away` from the first.

    Values that training left alone stay: a buffer that holds infinities, such as a mask, has no average.
    """
    now = network.state_dict()

    def between(name: str, value: Tensor) -> Tensor:
        if torch.equal(now[name], before[name]):
            return before[name]
        return torch.lerp(before[name], value, away) if value.is_floating_point() else value

    network.load_state_dict({name: between(name, value) for name, value in after.items()})
