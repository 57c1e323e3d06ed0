"""How images look, as a few dozen numbers: what a classifier learns to overlook is kept here.

A classifier trained well maps a sheared or shifted digit close to where the straight one lies. These
statistics need no training and say at once whether an image is blurred, noisy, shifted, resized or relit.
All take images uint8 (N, H, W, C).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.fft import dctn

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

_RINGS, _SECTORS = 8, 3
_TONES = 16
_LONGEST_PROFILE = 32
_STEPS = np.array([1, 4, 12, 30, 60, 100, 150, 200])
"""Upper ends of the classes of differences between neighbouring pixels, in grey levels."""

PROPERTIES = ("brightness", "contrast", "saturation", "sharpness", "grain")
"""What can be said of any image, whatever it shows."""


def properties(images: Images) -> Floats:
    """Return the `PROPERTIES` (N, 5).

    They are the mean and the standard deviation of the grey levels, the mean distance between the strongest
    and the weakest channel, the mean step between neighbours, and how much of the steps the next row does not
    share: noise has much of that, edges have little.
    """
    colours = np.asarray(images) / 255
    grey = colours.mean(axis=3)
    light, contrast = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2))
    saturation = (colours.max(axis=3) - colours.min(axis=3)).mean(axis=(1, 2))
    down, across = np.diff(grey, axis=1), np.diff(grey, axis=2)
    sharpness = _mean_size(down) + _mean_size(across)
    grain = _mean_size(np.diff(down, axis=2)) / (sharpness + 0.01)
    return np.stack([light, contrast, saturation, sharpness, grain], axis=1)


def _mean_size(steps: Floats) -> Floats:
    """Return the mean absolute step of each image; 0 where it is one pixel wide and has none."""
    return np.asarray(np.abs(steps).sum(axis=(1, 2)) / max(1, steps.shape[1] * steps.shape[2]))


def spectrum(images: Images) -> Floats:
    """Return log energies of the cosine transform by frequency and direction: blur, noise, texture."""
    grey = _grey(images) / 255
    _, height, width = grey.shape
    down, across = np.meshgrid(np.arange(height) / height, np.arange(width) / width, indexing="ij")
    ring = np.minimum(np.hypot(down, across) * _RINGS, _RINGS).astype(np.int64)
    sector = np.minimum(np.arctan2(down, across) / (np.pi / 2) * _SECTORS, _SECTORS - 1).astype(np.int64)
    _, band = np.unique(ring * _SECTORS + sector, return_inverse=True)
    members = np.eye(band.max() + 1)[band.ravel()]
    energy = dctn(grey, axes=(1, 2), norm="ortho") ** 2
    return np.asarray(np.log(energy.reshape(len(grey), -1) @ (members / members.sum(axis=0)) + 1e-6))


def profiles(images: Images) -> Floats:
    """Return the square roots of the mean brightness of rows and columns: where things are, how large."""
    grey = _grey(images) / 255
    sides = [grey.mean(axis=2), grey.mean(axis=1)]
    return np.concatenate([np.sqrt(_shorten(side)) for side in sides], axis=1)


def _shorten(profile: Floats) -> Floats:
    bins = np.minimum(profile.shape[1], _LONGEST_PROFILE)
    place = np.arange(profile.shape[1]) * bins // profile.shape[1]
    members = np.eye(bins)[place]
    return np.asarray(profile @ (members / members.sum(axis=0)))


def tones(images: Images) -> Floats:
    """Return log histograms of each channel's levels: light, contrast, saturation, colour."""
    levels = np.asarray(images).astype(np.int64) // (256 // _TONES)
    channels = [levels[..., channel].reshape(len(images), -1) for channel in range(images.shape[3])]
    return np.concatenate([_log_histogram(channel, _TONES) for channel in channels], axis=1)


def edges(images: Images) -> Floats:
    """Return log histograms of the differences between neighbours, down, across and aslant."""
    grey = _grey(images)
    steps = [
        grey[:, 1:] - grey[:, :-1],
        grey[:, :, 1:] - grey[:, :, :-1],
        grey[:, 1:, 1:] - grey[:, 1:, :-1] - grey[:, :-1, 1:] + grey[:, :-1, :-1],
    ]
    classes = [np.searchsorted(_STEPS, np.abs(step)).reshape(len(grey), -1) for step in steps]
    return np.concatenate([_log_histogram(each, len(_STEPS) + 1) for each in classes], axis=1)


def _grey(images: Images) -> Floats:
    return np.asarray(np.asarray(images).mean(axis=3, dtype=np.float64))


def _log_histogram(classes: npt.NDArray[np.int64], count: int) -> Floats:
    """Return log(1 + how often) of each class, by row of classes (N, P)."""
    n = len(classes)
    flat = (classes + count * np.arange(n)[:, None]).ravel()
    return np.asarray(np.log1p(np.bincount(flat, minlength=n * count).reshape(n, count)))
