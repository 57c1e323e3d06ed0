#!/usr/bin/env bash
# Pillow and 16-bit TIFFs, both valid by TIFF 6.0 and read without an error or a warning:
#
# 1. WhiteIsZero (PhotometricInterpretation 0) is turned round at 8 bits, and left as it is at 16: the same
#    picture comes out as a positive or as a negative, by its depth alone. Mode I;16 does not say which.
# 2. RGB with its planes one after another (PlanarConfiguration 2), uncompressed: each byte is taken for a pixel,
#    so that low bytes and high bytes alternate across the picture. The same file, deflated, is read with its high
#    bytes, as it should be.
#
# Seen with Pillow 13.0.0 and tifffile 2026.3.3 (which writes the files), Python 3.11:
#
#    white is zero, 8 bits: white reads as 255; 16 bits: white reads as 0
#    planes apart, deflated: [0, 1, 2, 3]; uncompressed: [0, 0, 0, 1]
#
# What follows for a reader: look at tags 262 and 284 itself wherever BitsPerSample is above 8.
set -eu
python=${PYTHON:-python3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
"$folder/venv/bin/python" - <<'P'
from io import BytesIO

import numpy as np
import tifffile
from PIL import Image


def read(pixels, **how):
    stream = BytesIO()
    tifffile.imwrite(stream, pixels, **how)
    return np.asarray(Image.open(stream))


white = [int(read(np.zeros((8, 8), kind), photometric="miniswhite")[0, 0]) for kind in (np.uint8, np.uint16)]
print(f"white is zero, 8 bits: white reads as {white[0]}; 16 bits: white reads as {white[1]}")
planes = np.stack([np.arange(8, dtype=np.uint16) * 256] * 3)[:, None, :].repeat(8, axis=1)
apart = {"photometric": "rgb", "planarconfig": "separate"}
deflated = read(planes, compression="zlib", **apart)[0, :4, 0].tolist()
plain = read(planes, **apart)[0, :4, 0].tolist()
print(f"planes apart, deflated: {deflated}; uncompressed: {plain}")
assert white == [255, 0]
assert deflated == [0, 1, 2, 3]
assert plain == [0, 0, 0, 1]
P
