"""The grid of picked samples as one picture, for a mail or a ticket."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from driftloop.review.decision import NONE, UNSURE
from driftloop.review.material import Material

_INK, _QUIET, _PAPER, _BAR = (20, 20, 20), (110, 110, 110), (255, 255, 255), (150, 60, 150)
_RIGHT, _WRONG = (30, 120, 50), (160, 90, 0)
_MARGIN, _CAPTION, _LABEL, _TILE = 16, 34, 14, 128

_OTHERWISE = {NONE: "none of the classes", UNSURE: "can't tell"}

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def draw_sheet(material: Material, labels: Mapping[int, str] = MappingProxyType({})) -> Image.Image:
    """Draw every picked sample with its number, the model's answer, its drift score as a bar, and its label.

    Small images are enlarged by whole numbers, so that their pixels stay square and sharp.

    Args:
        material: what the check prepared.
        labels: sample index to label, as far as they were given.
    """
    count = max(1, len(material.picks))
    across = min(count, max(1, math.ceil(math.sqrt(count * 1.5))))
    down = math.ceil(count / across)
    font, title = ImageFont.load_default(12), ImageFont.load_default(18)
    step_x, step_y = _TILE + _MARGIN, _TILE + _CAPTION + _MARGIN + (_LABEL if labels else 0)
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
        number, sure = f"#{place + 1} ", f" {pick.confidence:.0%}"
        start = font.getlength(number)
        name = _shorten(pick.predicted, _TILE - start - font.getlength(sure), font)
        pen.text((x, y + _TILE + 4), number, _QUIET, font)
        pen.text((x + start, y + _TILE + 4), name + sure, _INK, font)
        width = round(_TILE * min(max(pick.drift_score / strangest, 0), 1))
        pen.rectangle((x, y + _TILE + 22, x + max(width, 1), y + _TILE + 27), _BAR)
        if pick.index in labels:
            label, right = labels[pick.index], labels[pick.index] == pick.predicted
            text = "the model is right" if right else _OTHERWISE.get(label, f"it is {label}")
            pen.text((x, y + _TILE + 30), _shorten(text, _TILE, font), _RIGHT if right else _WRONG, font)
    return sheet


def _enlarge(image: np.ndarray) -> Image.Image:
    picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).convert("RGB")
    scale = _TILE / max(picture.size)
    if scale >= 1:
        scale = math.floor(scale)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    how = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    return picture.resize(size, how)


def _shorten(text: str, width: float, font: Font) -> str:
    """Cut text until it fits, and show that it was cut."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
