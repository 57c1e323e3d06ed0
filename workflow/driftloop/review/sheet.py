"""The grid of picked samples as one picture, for a mail or a ticket."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from driftloop.review.material import Material

_INK, _QUIET, _PAPER, _BAR = (20, 20, 20), (110, 110, 110), (255, 255, 255), (150, 60, 150)
_MARGIN, _CAPTION, _TILE = 16, 34, 128


def draw_sheet(material: Material) -> Image.Image:
    """Draw every picked sample with its number, the model's answer, and its drift score as a bar.

    Small images are enlarged by whole numbers, so that their pixels stay square and sharp.
    """
    count = max(1, len(material.picks))
    across = min(count, max(1, math.ceil(math.sqrt(count * 1.5))))
    down = math.ceil(count / across)
    font, title = ImageFont.load_default(12), ImageFont.load_default(18)
    step_x, step_y = _TILE + _MARGIN, _TILE + _CAPTION + _MARGIN
    sheet = Image.new("RGB", (max(across * step_x, 360) + _MARGIN, down * step_y + _MARGIN + 40), _PAPER)
    pen = ImageDraw.Draw(sheet)
    state = "drifted" if material.drifted else "not drifted"
    pen.text((_MARGIN, _MARGIN), f"{material.window}: {state}, {len(material.images):,} samples", _INK, title)
    strangest = max((pick.drift_score for pick in material.picks), default=0.0) or 1.0
    for place, pick in enumerate(material.picks):
        x = _MARGIN + place % across * step_x
        y = _MARGIN + 40 + place // across * step_y
        picture = _enlarge(np.asarray(material.images[pick.index]))
        sheet.paste(picture, (x + (_TILE - picture.width) // 2, y + (_TILE - picture.height) // 2))
        pen.text((x, y + _TILE + 4), f"says {pick.predicted}, {pick.confidence:.0%}", _INK, font)
        pen.text((x + _TILE, y + _TILE + 4), f"#{place + 1}", _QUIET, font, anchor="ra")
        width = round(_TILE * min(max(pick.drift_score / strangest, 0), 1))
        pen.rectangle((x, y + _TILE + 22, x + max(width, 1), y + _TILE + 27), _BAR)
    return sheet


def _enlarge(image: np.ndarray) -> Image.Image:
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")
    scale = _TILE / max(picture.size)
    if scale >= 1:
        scale = math.floor(scale)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    return picture.resize(size, how)
