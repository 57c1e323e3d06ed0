"""Imitate a drift: do to labelled clean images what the window seems to have gone through.

Production has no clean twins of its images and few labels. But a machine can repeat a corruption that a
reviewer can name. Clean images put through it are labelled, paired with their clean form, and as many as we
like. How strong the corruption is nobody says. It is read off the window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from driftloop.corruptions import CHUNK, SEVERITIES, SUITES, corrupt, find_corruption
from driftloop.models.classifier import Classifier
from driftloop.models.predict import at_once, predict
from driftloop.spill import empty_images, parts, release

Images = npt.NDArray[np.uint8]

_CLEAN = ("", 0)
_SAMPLES = 400
"""Clean images that stand for each kind of drift. Their mean is known to a twentieth of its spread."""
_AT_ONCE = 500
_FREQUENCIES = 512
_FLOOR = 0.1
"""Probability spread over all kinds, so that a wrong estimate costs a little and not everything."""


@dataclass(frozen=True)
class Imitation:
    """How often to do which corruption, at which severity.

    Attributes:
        suite: a key of `driftloop.corruptions.SUITES`.
        kinds: probability of each (corruption, severity). They add up to 1.
        share: estimated share of the window's images that are corrupted.
    """

    suite: str
    kinds: Mapping[tuple[str, int], float]
    share: float = 1.0

    @property
    def named(self) -> bool:
        """Whether it is of one family, which somebody has named."""
        return len({corruption for corruption, _ in self.kinds}) == 1

    def apply(self, images: Images, rng: np.random.Generator) -> Images:
        """Corrupt uint8 images (N, H, W, C), each in a way drawn for itself."""
        kinds = list(self.kinds)
        drawn = rng.choice(len(kinds), size=len(images), p=np.array(list(self.kinds.values())))
        result = empty_images(images.shape)
        for code, (corruption, severity) in enumerate(kinds):
            rows = np.flatnonzero(drawn == code)
            for part in parts(len(rows), images.shape[1:], CHUNK):
                chosen = rows[part]
                result[chosen] = corrupt(images[chosen], self.suite, corruption, severity, rng)
                release(images, result)
        return result

    def without(self, other: Imitation) -> Imitation | None:
        """Return it without the kinds that belong more to another. None where nothing is left.

        Every estimate gives each kind a little, and so a little of what comes now to what came before: a
        filter that is to let the one pass and to act on the other could do neither.
        """
        kinds = {kind: weight for kind, weight in self.kinds.items() if weight > other.kinds.get(kind, 0)}
        if len(kinds) in (0, len(self.kinds)):
            return self if kinds else None
        total = sum(kinds.values())
        return replace(self, kinds={kind: weight / total for kind, weight in kinds.items()})

    def rest_of(self, earlier: Iterable[Imitation]) -> list[Imitation]:
        """Return earlier drifts, each without what belongs more to this one."""
        return [rest for each in earlier if (rest := each.without(self))]

    def to_json(self) -> dict[str, Any]:
        """Return the imitation as plain values, to be kept with a repair."""
        kinds = [[corruption, severity, weight] for (corruption, severity), weight in self.kinds.items()]
        return {"suite": self.suite, "share": self.share, "kinds": kinds}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Imitation:
        """Read what `to_json` returned. KeyError, TypeError or ValueError when it is none."""
        kinds = {
            (str(corruption), int(severity)): float(weight) for corruption, severity, weight in value["kinds"]
        }
        return cls(str(value["suite"]), kinds, float(value["share"]))


def imitate(
    classifier: Classifier,
    clean: Images,
    window: Images,
    *,
    suite: str,
    corruptions: Sequence[str] | None,
    seed: int,
) -> Imitation:
    """Estimate the mixture of corruptions and severities that a window was drawn from.

    The window's mean embedding in a kernel's feature space is matched by a mixture of the means of clean
    images and of clean images after each kind of corruption. This is kernel mean matching (Iyer, Nath and
    Sarawagi, ICML 2014). The kernel is one of random Fourier features (Rahimi and Recht, NeurIPS 2007) of the
    classifier's outputs. No label is used.

    Args:
        classifier: the incumbent, with its filters.
        clean: uint8 (N, H, W, C), images like those it was trained on.
        window: uint8 (M, H, W, C).
        suite: a key of `driftloop.corruptions.SUITES`.
        corruptions: the diagnosed ones. None when nobody knows, which means any of the suite.
        seed: of the draws.

    Raises:
        ParameterError: there is no such suite or corruption.
    """
    names = (
        list(SUITES[suite]) if corruptions is None else [find_corruption(suite, n).name for n in corruptions]
    )
    # Of many corruptions one severity each says as much, and takes a fifth of the time.
    kinds = [_CLEAN] + [
        (name, severity)
        for name in names
        for severity in (SEVERITIES if len(names) == 1 else (SUITES[suite][name].default_severity,))
    ]
    rng = np.random.default_rng(seed)
    seen = [describe(classifier, window)]
    for name, severity in kinds:
        images = clean[np.sort(rng.choice(len(clean), min(_SAMPLES, len(clean)), replace=False))]
        seen.append(describe(classifier, corrupt(images, suite, name, severity, rng) if name else images))
    weights = _mixture(seen[0], seen[1:], rng)
    share = float(1 - weights[0])
    weights = weights[1:] / max(share, 1e-9) if share > 0 else np.zeros(len(kinds) - 1)
    weights = (1 - _FLOOR) * weights + _FLOOR / len(weights)
    return Imitation(suite, dict(zip(kinds[1:], (weights / weights.sum()).tolist(), strict=True)), share)


def describe(classifier: Classifier, images: Images) -> npt.NDArray[np.float32]:
    """Return what tells kinds of images apart, float32 (N, D + 3): embeddings and pixel statistics."""
    starts = range(0, len(images), at_once(_AT_ONCE, *images.shape[1:3]))
    simple = [_pixel_statistics(images[start : start + starts.step]) for start in starts]
    return np.concatenate([predict(classifier, images).embeddings, np.concatenate(simple)], axis=1)


def _pixel_statistics(images: Images) -> npt.NDArray[np.float32]:
    """Return mean, spread and roughness of images: float32 (N, 3)."""
    pixels = images.astype(np.float32) / 255
    rough = np.abs(np.diff(pixels, axis=1)).mean((1, 2, 3)) + np.abs(np.diff(pixels, axis=2)).mean((1, 2, 3))
    return np.stack([pixels.mean((1, 2, 3)), pixels.std((1, 2, 3)), rough], axis=1)


def _mixture(
    window: npt.NDArray[np.float32], kinds: Sequence[npt.NDArray[np.float32]], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return the weights, adding up to 1, with which the kinds' kernel means come closest to the window's."""
    from scipy.optimize import nnls

    scale = np.concatenate(kinds).std(0) + 1e-6
    width = np.sqrt(window.shape[1])  # about the distance of two samples, now that each feature has scale 1
    frequencies = rng.standard_normal((window.shape[1], _FREQUENCIES)).astype(np.float32) / width

    def mean(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        angles = features / scale @ frequencies
        return np.concatenate([np.cos(angles).mean(0), np.sin(angles).mean(0)]).astype(np.float64)

    means = np.stack([mean(kind) for kind in kinds], axis=1)
    strong = 1e3  # makes the weights add up to 1
    weights, _ = nnls(
        np.vstack([means, np.full(len(kinds), strong)]), np.concatenate([mean(window), [strong]])
    )
    return np.asarray(weights / weights.sum(), dtype=np.float64)
