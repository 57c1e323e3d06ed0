"""alibi-detect itself, run by an interpreter of its own: `python check_alibi.py WINDOWS.npz`, JSON to stdout.

`make bench-check` makes that interpreter, as alibi-detect wants an older numpy than driftloop. torch, which
its MMD needs, is borrowed from driftloop's environment, whose site-packages `DRIFTLOOP_SITE` names. The file
has `reference` (m, D) and `windows` (W, n, D).
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time

sys.path.append(os.environ["DRIFTLOOP_SITE"])

import numpy as np


def main() -> None:
    """Check every window with both detectors at their defaults."""
    with contextlib.redirect_stdout(sys.stderr):
        from alibi_detect.cd import KSDrift, MMDDrift

        given = np.load(sys.argv[1], allow_pickle=False)
        detectors = {
            "KS": lambda: KSDrift(given["reference"], correction="bonferroni"),
            "MMD": lambda: MMDDrift(given["reference"], backend="pytorch"),
        }
        found = {}
        for name in json.loads(str(given["detectors"])):
            started = time.perf_counter()
            detector = detectors[name]()
            results = [detector.predict(window)["data"] for window in given["windows"]]
            found[name] = {
                "seconds": time.perf_counter() - started,
                "p_values": [float(np.min(each["p_val"])) for each in results],
                "thresholds": [float(each["threshold"]) for each in results],
                "distances": [float(np.max(each["distance"])) for each in results],
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
