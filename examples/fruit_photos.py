"""Photographs of fruit stickers, to follow docs/second-domain.md: one vendor's drawings, or another's.

npm pack emoji-datasource-google@16.0.0
python fruit_photos.py emoji-datasource-google-16.0.0.tgz photos --each 120
"""

from __future__ import annotations

import argparse
import json
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

SIDE = 48


def drawings(package: Path) -> dict[str, Image.Image]:
    """Return each fruit's drawing, 64 x 64 with alpha, by its name."""
    with tarfile.open(package) as archive:
        members = {Path(each.name).name: each for each in archive.getmembers() if "/img/" in each.name}
        listed = json.load(archive.extractfile("package/emoji.json"))
        fruit = [each for each in listed if each["subcategory"] == "food-fruit"]
        read = {each["short_name"]: archive.extractfile(members[each["image"]]).read() for each in fruit}
    return {name: Image.open(BytesIO(png)).convert("RGBA") for name, png in read.items()}


def photograph(drawing: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Stick a drawing askew on a shaded wall, and take a slightly noisy picture of it."""
    shade = np.linspace(*rng.uniform(0.6, 1.0, 2), SIDE)[:, None, None] * rng.integers(120, 256, 3)
    wall = Image.fromarray(np.broadcast_to(shade, (SIDE, SIDE, 3)).astype(np.uint8))
    size = int(rng.integers(28, 43))
    sticker = drawing.rotate(rng.uniform(-25, 25), Image.Resampling.BICUBIC).resize((size, size))
    wall.paste(sticker, tuple(map(int, rng.integers(0, SIDE - size + 1, 2))), sticker)
    pixels = np.asarray(wall.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.5))), dtype=float)
    return Image.fromarray(np.clip(pixels + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("folder", type=Path, help="gets one folder of pictures for each fruit")
    parser.add_argument("--each", type=int, default=120, help="pictures of each fruit")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    for name, drawing in drawings(given.package).items():
        (given.folder / name).mkdir(parents=True)
        for number in range(given.each):
            photograph(drawing, rng).save(given.folder / name / f"{number:03}.png")
