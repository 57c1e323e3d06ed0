"""Refit: correct a network's answers on its embeddings, which stay as they are. Seconds, at any size.

A program made elsewhere cannot be retrained, and of a large network with few images little else can be
learnt safely (Kumar et al., arXiv 2202.10054). So the embeddings stay, and only the way to read classes off
them is learnt anew. That holds for embeddings like the drift's: a second linear layer tells these from clean
ones. How far the correction goes, and whether an imitation of the drift helps it, is read off the labels that
teach, by cross-validation.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from driftloop.errors import DataError
from driftloop.improver.imitate import Imitation
from driftloop.improver.lesson import Lesson, Samples
from driftloop.improver.pixels import floats, through_filters
from driftloop.improver.retrain import smooth
from driftloop.improver.views import strong_view, weak_view
from driftloop.models.classifier import Classifier
from driftloop.models.device import seeded
from driftloop.models.predict import batch_size
from driftloop.models.refitted import TARGET, Refitted
from driftloop.models.train import Progress

_REPLAYED = 3000
"""Clean images, and imitations of the drifts, that are looked at: a linear layer needs no more."""
_VIEWS = 6
"""Ways in which each labelled image is looked at: as it is, and in so many views less one."""
_FOLDS = 5
_RIDGES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Penalties on the correction that are tried. The gate has the least."""
_STEPS = 60
"""Of the optimiser, which sees everything at once."""


@dataclass(frozen=True)
class _Seen:
    """What a network makes of one source of images.

    Attributes:
        embeddings: (N, D), standardised where a layer is fitted to them.
        logits: (N, K).
        targets: probabilities of the classes, (N, K).
        image: int64 (N,), which image each row shows: several may be views of one.
        share: (N, 1), how much of the correction applies to each.
    """

    embeddings: Tensor
    logits: Tensor
    targets: Tensor
    image: Tensor
    share: Tensor

    def take(self, rows: Tensor) -> _Seen:
        """Return some rows."""
        parts = (self.embeddings, self.logits, self.targets, self.image, self.share)
        return _Seen(*(each[rows] for each in parts))


def refit(
    classifier: Classifier, lesson: Lesson, *, seed: int, progress: Progress | None = None
) -> Classifier:
    """Correct a classifier's answers to a drift.

    Args:
        classifier: the incumbent. It is not changed. Its network may be a program.
        lesson: the drift. Its imitation counts if it helps.
        seed: of the views, the corruptions and the folds.
        progress: called after each part of the cross-validation, which is most of it.

    Returns:
        The candidate: the same filters, and a `Refitted` network around the incumbent's.

    Raises:
        DataError: there are no clean images or no reviewed samples.
    """
    clean, imitation, earlier = lesson.clean, lesson.imitation, lesson.earlier
    if not clean or not lesson.reviewed:
        raise DataError("Refitting needs clean images and reviewed samples; one is missing.")
    rng, order = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    rows = np.sort(rng.choice(len(clean), min(_REPLAYED, len(clean)), replace=False))
    usual = Samples(np.asarray(clean.images[rows]), clean.labels[rows])

    def twins(drift: Imitation, part: slice = slice(None)) -> Samples:
        return Samples(drift.apply(usual.images[part], rng), usual.labels[part])

    # Earlier drifts share the images, so that there are no more of them than of clean ones.
    befores = [twins(each, slice(number, None, len(earlier))) for number, each in enumerate(earlier)]
    see = partial(_see, classifier, generator=order)
    with seeded(seed, classifier.mean.device), torch.no_grad():
        taught = see(lesson.reviewed, views=_VIEWS)
        kept = [_as_before(see(each)) for each in (usual, *befores) if len(each)]
        kept += [see(lesson.earlier_reviewed)] if lesson.earlier_reviewed else []
        imitated = [see(twins(imitation))] if imitation else []
        alike = [taught.embeddings]
        if lesson.window is not None and (n := len(lesson.window)):
            alike.append(see(Samples(lesson.window, np.zeros(n, np.int64))).embeddings)
        network = _around(classifier, torch.cat([kept[0].embeddings, *alike]))
        looks = network.standardise(torch.cat(alike))
    kept, imitated = ([_standardised(each, network) for each in some] for some in (kept, imitated))
    network.gate.load_state_dict(_gate(looks, [each.embeddings for each in kept]))
    kept, imitated = ([_gated(each, network) for each in some] for some in (kept, imitated))
    taught = _gated(_standardised(taught, network), network)
    ridge, helps = _choose(taught, kept, imitated, order, progress)
    network.correction.load_state_dict(
        _fit([taught, *kept, *(imitated if helps else [])], ridge).state_dict()
    )
    spec = {"_target_": TARGET, "network": dict(classifier.spec.network), "embedding": len(network.centre)}
    return classifier.with_network(spec, network.requires_grad_(False)).eval()


def _around(classifier: Classifier, embeddings: Tensor) -> Refitted:
    """Return a network around a copy of the classifier's that corrects nothing yet.

    Args:
        classifier: whose network it is.
        embeddings: (N, D), of clean images and of the window's.
    """
    channels, classes, width = classifier.input_shape[2], len(classifier.classes), embeddings.shape[1]
    network = Refitted(channels, classes, dict(classifier.spec.network), width).to(embeddings.device)
    network.inner = copy.deepcopy(classifier.network)
    network.centre.copy_(embeddings.mean(0))
    # So that a standardised embedding is about 1 long, whatever its width.
    network.scale.copy_((embeddings.std(0) + 1e-3 * embeddings.std() + 1e-12) * width**0.5)
    return network


def _see(classifier: Classifier, samples: Samples, *, generator: torch.Generator, views: int = 1) -> _Seen:
    """Let a classifier's network look at what its filters make of samples, and at more views of that."""
    held = through_filters(classifier, samples.images)
    found, step = [], batch_size(classifier, len(held))
    for view in range(views):
        for start in range(0, len(held), step):
            x = floats(held[start : start + step])
            if view:
                x = (weak_view if view % 2 else strong_view)(x, generator)
            found.append(classifier.network.eval().see(classifier.normalise(x)))
    embeddings, logits = (torch.cat(each).float() for each in zip(*found, strict=True))
    image = torch.arange(len(held), device=held.device).repeat(views)
    labels = torch.from_numpy(np.asarray(samples.labels)).to(held.device)[image]
    share = torch.ones(len(image), 1, device=held.device)
    return _Seen(embeddings, logits, smooth(labels, logits.shape[1]), image, share)


def _as_before(seen: _Seen) -> _Seen:
    """Ask of images what the network makes of them now, besides their labels."""
    return replace(seen, targets=(seen.targets + seen.logits.softmax(1)) / 2)


def _standardised(seen: _Seen, network: Refitted) -> _Seen:
    return replace(seen, embeddings=network.standardise(seen.embeddings))


@torch.no_grad()
def _gated(seen: _Seen, network: Refitted) -> _Seen:
    return replace(seen, share=torch.sigmoid(network.gate(seen.embeddings)))


def _gate(drifted: Tensor, kept: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return weights of a layer that tells embeddings (N, D) of a drift from those that are to stay."""

    def source(embeddings: Tensor, kind: int) -> _Seen:
        n = len(embeddings)
        targets = embeddings.new_zeros(n, 2)
        targets[:, kind] = 1
        image = torch.arange(n, device=embeddings.device)
        return _Seen(embeddings, targets.new_zeros(n, 2), targets, image, targets.new_ones(n, 1))

    layer = _fit([source(drifted, 1)] * len(kept) + [source(each, 0) for each in kept], _RIDGES[0])
    return {name: value[1:] - value[:1] for name, value in layer.state_dict().items()}


def _choose(
    reviewed: _Seen,
    others: Sequence[_Seen],
    imitated: Sequence[_Seen],
    generator: torch.Generator,
    progress: Progress | None,
) -> tuple[float, bool]:
    """Choose by cross-validation on the reviewed samples: which penalty, and whether imitations help."""
    images = int(reviewed.image.max()) + 1
    if images < 2:
        return _RIDGES[-1], bool(imitated)
    fold = torch.randperm(images, generator=generator).to(reviewed.image.device) % min(_FOLDS, images)
    plain = reviewed.take(torch.arange(images, device=fold.device))  # no views, which come behind

    def loss(way: tuple[float, bool]) -> float:
        ridge, helped = way
        total = 0.0
        for number in range(int(fold.max()) + 1):
            teaching = reviewed.take(fold[reviewed.image] != number)
            layer = _fit([teaching, *others, *(imitated if helped else [])], ridge)
            judging = plain.take(fold == number)
            answers = _corrected(judging, layer)
            total += float(functional.cross_entropy(answers, judging.targets, reduction="sum"))
        return total

    ways = list(product(_RIDGES, (False, True) if imitated else (False,)))
    losses = []
    for number, way in enumerate(ways, start=1):
        losses.append(loss(way))
        if progress is not None:
            progress(number, len(ways))
    return ways[int(np.argmin(losses))]


def _corrected(seen: _Seen, layer: nn.Linear) -> Tensor:
    answers: Tensor = seen.logits + seen.share * layer(seen.embeddings)
    return answers


def _fit(sources: Sequence[_Seen], ridge: float) -> nn.Linear:
    """Fit a correction to sources that count alike, however many images each has."""
    width, classes = sources[0].embeddings.shape[1], sources[0].logits.shape[1]
    layer = nn.Linear(width, classes).to(sources[0].embeddings.device)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.LBFGS(
        layer.parameters(), max_iter=_STEPS, history_size=10, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses = [functional.cross_entropy(_corrected(each, layer), each.targets) for each in sources]
        loss = torch.stack(losses).mean() + ridge * layer.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return layer.requires_grad_(False)
