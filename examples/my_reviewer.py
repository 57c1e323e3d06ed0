"""A reviewer of your own, such as a labelling service: asks driftloop for the questions, sends the answer.

python my_reviewer.py 2026-11-24
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path


def review(window: str, labels: dict[int, str], decision: str, diagnosis: str) -> None:
    """Answer a window; driftloop refuses labels of samples that were not asked about."""
    with Path("labels.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("index", "label"), *labels.items()])
    given = [
        "--decision",
        decision,
        "--diagnosis",
        diagnosis,
        "--labels",
        "labels.csv",
        "--reviewer",
        "service",
    ]
    subprocess.run(["driftloop", "review", window, *given], check=True)


def questions(window: str) -> dict:
    """Return the samples, the labels to choose from, the diagnoses, and what was decided before."""
    asked = subprocess.run(["driftloop", "review", window, "--json"], check=True, capture_output=True)
    return json.loads(asked.stdout)


if __name__ == "__main__":
    asked = questions(sys.argv[1])
    # Here the model's own word stands in for the service.
    told = {sample["index"]: sample["predicted"] for sample in asked["samples"]}
    review(sys.argv[1], told, "retrain", asked["diagnoses"][0])
