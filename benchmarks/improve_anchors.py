"""What the repairs are held against: well-known ways to adapt a classifier to a drift."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from driftloop.improver.lesson import Samples
from driftloop.models.classifier import Classifier
from driftloop.models.predict import predict

Images = npt.NDArray[np.uint8]


def align_statistics(classifier: Classifier, window: Images) -> Classifier:
    """Re-estimate the batch-norm statistics on the window (Schneider et al., arXiv 2006.16971)."""
    adapted = copy.deepcopy(classifier)
    for norm in _norms(adapted):
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
    adapted.train()
    with torch.no_grad():
        adapted(_on_device(adapted, window))
    return adapted.eval()


def tent(classifier: Classifier, window: Images, *, seed: int, epochs: int = 3) -> Classifier:
    """Minimise the entropy of the answers over the norms' scales and shifts (Wang et al., arXiv 2006.10726).

    Adapted on the window and judged on other images, with the window's statistics: the offline form.
    """
    adapted = copy.deepcopy(classifier).requires_grad_(False)
    norms = _norms(adapted)
    for norm in norms:
        norm.requires_grad_(True)
    adapted.train()
    optimizer = torch.optim.Adam([p for norm in norms for p in norm.parameters()], lr=1e-3)
    order = np.random.default_rng(seed)
    for _ in range(epochs):
        for rows in np.array_split(order.permutation(len(window)), max(1, len(window) // 125)):
            log = functional.log_softmax(adapted(_on_device(adapted, window[rows])), 1)
            optimizer.zero_grad()
            (-(log.exp() * log).sum(1).mean()).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return align_statistics(adapted, window)


def scanflow(classifier: Classifier, train: Samples, picked: Samples, *, steps: int, seed: int) -> Classifier:
    """Retrain on the training set with the picked samples added to it (arXiv 2111.03003)."""
    images, labels = (
        np.concatenate([train.images, picked.images]),
        np.concatenate([train.labels, picked.labels]),
    )
    return _fine_tune(classifier, [Samples(images, labels)], [128], steps=steps, seed=seed)


def fine_tune(
    classifier: Classifier, train: Samples, drifted: Samples, *, steps: int, seed: int
) -> Classifier:
    """Fine-tune on drifted samples, half of each batch replayed from clean data."""
    return _fine_tune(classifier, [train, drifted], [64, 64], steps=steps, seed=seed)


def _fine_tune(
    classifier: Classifier, sources: list[Samples], sizes: list[int], *, steps: int, seed: int
) -> Classifier:
    adapted = copy.deepcopy(classifier).requires_grad_(True).train()
    optimizer = torch.optim.AdamW(adapted.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, total_steps=steps)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        rows = [rng.integers(0, len(s), size) for s, size in zip(sources, sizes, strict=True)]
        images = np.concatenate([s.images[r] for s, r in zip(sources, rows, strict=True)])
        labels = np.concatenate([s.labels[r] for s, r in zip(sources, rows, strict=True)])
        logits = adapted(_on_device(adapted, images))
        loss: Tensor = functional.cross_entropy(logits, _on_device(adapted, labels))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return adapted.eval()


def linear_head(
    classifier: Classifier, train: Samples, drifted: Samples, *, steps: int, seed: int
) -> Classifier:
    """Fine-tune what lies behind the embeddings alone, with replay; batch-norm statistics stay too."""
    adapted = copy.deepcopy(classifier).requires_grad_(False).eval()
    head: Any = adapted.network.last  # of our own networks
    head.requires_grad_(True)
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-2, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    rng = np.random.default_rng(seed)
    seen = [
        (torch.from_numpy(predict(adapted, each.images).embeddings), torch.from_numpy(each.labels))
        for each in (_some(train, 3000, rng), drifted)
    ]
    for _ in range(steps):
        rows = [torch.from_numpy(rng.integers(0, len(labels), 64)) for _, labels in seen]
        embeddings = torch.cat([each[r] for (each, _), r in zip(seen, rows, strict=True)])
        labels = torch.cat([each[r] for (_, each), r in zip(seen, rows, strict=True)])
        loss: Tensor = functional.cross_entropy(
            head(embeddings.to(head.weight)), labels.to(head.weight.device)
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return adapted


def head_then_all(
    classifier: Classifier, train: Samples, drifted: Samples, *, steps: int, seed: int
) -> Classifier:
    """Fine-tune the last layer first, and then the whole network (LP-FT, Kumar et al., arXiv 2202.10054)."""
    probed = linear_head(classifier, train, drifted, steps=steps, seed=seed)
    return fine_tune(probed, train, drifted, steps=steps, seed=seed)


def nearest_head(classifier: Classifier, drifted: Samples, *, neighbours: int) -> Classifier:
    """Answer with the classes of the nearest labelled embeddings."""
    adapted = copy.deepcopy(classifier)
    embeddings = torch.from_numpy(predict(adapted, drifted.images).embeddings).to(adapted.mean.device)
    adapted.network.last = _Nearest(
        embeddings, torch.from_numpy(drifted.labels), len(adapted.classes), neighbours
    )
    return adapted


class _Nearest(nn.Module):
    """Counts the classes of the nearest of labelled embeddings (N, D)."""

    def __init__(self, embeddings: Tensor, labels: Tensor, classes: int, neighbours: int) -> None:
        super().__init__()
        self.embeddings, self.neighbours = embeddings, min(neighbours, len(labels))
        self.votes = functional.one_hot(labels, classes).float().to(embeddings.device)

    def forward(self, embedding: Tensor) -> Tensor:
        near = torch.cdist(embedding, self.embeddings).topk(self.neighbours, largest=False)
        # Of as many votes the nearer ones count.
        weights = 1 + 1e-3 / (1 + near.values)
        return (self.votes[near.indices] * weights[..., None]).sum(1)


def _some(samples: Samples, most: int, rng: np.random.Generator) -> Samples:
    rows = rng.permutation(len(samples))[:most]
    return Samples(samples.images[rows], samples.labels[rows])


def _on_device(classifier: Classifier, values: npt.NDArray[Any]) -> Tensor:
    return torch.from_numpy(values).to(classifier.mean.device)


def _norms(classifier: Classifier) -> list[nn.modules.batchnorm._BatchNorm]:
    return [m for m in classifier.network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
