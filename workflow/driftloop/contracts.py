"""Contract tests for a user's own classes: each raises AssertionError that says which promise is broken.

from driftloop.contracts import check_dataset
def test_my_dataset():
    check_dataset(MyDataset(n=300))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from driftloop.checker.detector import Detector
    from driftloop.data.contract import DatasetSource
    from driftloop.improver.filters import Filter
    from driftloop.models.networks import Network


def check_dataset(source: DatasetSource) -> None:
    """Check that a source gives labelled images, and the same ones every time."""
    first, second = (source.fetch(lambda _: None) for _ in range(2))
    _promise(first.labels is not None, "fetch returns labels")
    _promise(bool(first.name and len(first.classes) > 1), "there are a name and two classes or more")
    _promise(len(set(first.known_labels.tolist())) > 1, "more than one class occurs")
    same = np.array_equal(first.images, second.images) and np.array_equal(
        first.known_labels, second.known_labels
    )
    _promise(same, "fetch returns the same images in the same order every time")


def check_network(make: type[Network], *, channels: int = 3, classes: int = 4, side: int = 24) -> None:
    """Check that a network gives embeddings and logits, each image's by itself."""
    import torch

    network = make(channels=channels, classes=classes).eval()
    x = torch.rand(5, channels, side, side)
    with torch.inference_mode():
        embeddings, logits = network.see(x)
        _promise(embeddings.ndim == 2 and len(embeddings) == 5, "embeddings are (N, D)")
        _promise(logits.shape == (5, classes), "logits are (N, K)")
        _promise(torch.allclose(network(x), logits), "forward and see agree")
        _promise(torch.allclose(network(x[:2]), logits[:2], atol=1e-4), "an image does not change others'")


def check_detector(detector: Detector) -> None:
    """Check that a detector scores strange samples higher, and each sample by itself."""
    from driftloop.models.features import Features

    rng = np.random.default_rng(0)

    def features(n: int, away: float) -> Features:
        embeddings = (rng.standard_normal((n, 8)) + away).astype(np.float32)
        grain = (20 + 15 * away) * rng.standard_normal((n, 12, 12, 1))
        images = np.clip(100 + 20 * embeddings[:, :1, None, None] + grain, 0, 255)
        return Features(images.astype(np.uint8), embeddings, embeddings[:, :3])

    state = detector.fit(features(200, 0.0), np.random.default_rng(1))
    _promise(all(isinstance(each, np.ndarray) for each in state.values()), "fit returns plain arrays")
    clean, strange = features(80, 0.0), features(80, 4.0)
    scores = detector.score(state, clean)
    _promise(scores.dtype == np.float64 and scores.shape == (80,), "scores are float64 (N,)")
    _promise(bool(np.isfinite(scores).all()), "scores are finite")
    part = Features(clean.images[3:9], clean.embeddings[3:9], clean.logits[3:9])
    _promise(np.array_equal(detector.score(state, part), scores[3:9]), "a score depends on its sample alone")
    higher = float(np.mean(detector.score(state, strange)[:, None] > scores))
    _promise(higher > 0.5, f"strange samples score higher (they do in {higher:.0%} of pairs)")


def check_filter(make: type[Filter], *, channels: int = 3, side: int = 21) -> None:
    """Check that a filter keeps the form of images, can be trained, and untrained acts on none."""
    import torch

    repair = make(channels=channels)  # type: ignore[call-arg]
    x = torch.rand(4, channels, side, side)
    _promise(repair.suspect(x).shape == (4,), "suspect gives a logit for each image")
    _promise(repair.restore(x).shape == x.shape, "restore keeps the form of the images, odd sides too")
    (repair.suspect(x).sum() + repair.restore(x).sum()).backward()  # type: ignore[no-untyped-call]
    _promise(
        all(each.grad is not None for each in repair.parameters()), "every weight takes part in training"
    )
    _promise(torch.equal(repair.eval()(x), x), "until it is trained, it acts on nothing")


def _promise(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(f"the contract says: {what}")
