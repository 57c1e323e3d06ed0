"""The page of the benchmark of natural drifts, `docs/benchmark-natural.md`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

ABOUT = """Made by `python benchmarks/natural.py`: do not edit. Accuracy is in percent: the mean over
seeds and, behind `±`, their standard deviation. A window of {window} images arrives. So many of them are
labelled as a review asks for: half are strange, half random. Every method starts from the same model and
gets the same labels. `retrain` and `refit` learn as the pipeline does. They use all labels (three quarters
where a half of the random ones could judge at once), and a tenth of the images that the review did not
show. Nobody names the drift. A corruption of a suite is withheld from all that a repair learns from.
Accuracy is taken on
{unseen} images of the same kind that no window shows, and on {clean:,} clean ones. The model of a dataset
was trained on {trained:,} images, and all seeds share it. Seeds differ in the window, the labels and the
repair.

- `batch_norm`: the window's statistics. `tent`: entropy minimisation.
- `finetune`: 300 steps, half of each batch labels, half clean replay.
- `lp_ft`: the last layer first, then all (arXiv 2202.10054).
- `linear_head`: the last layer alone. `3_nn_head`: the three nearest labelled embeddings.
- `refit`: the corrected answers that a program gets.
- `ceiling`: fine-tuning on all other images of the drift.

Seconds are of one processor core. The recipe was chosen on other splits of MNIST with another model (seed
10), with the digits enlarged in another way. It was also chosen on scikit-learn's digits after six
corruptions. `promoted` says of how many seeds the gate promotes the repair, if a person labels up to 100
disagreements. It allows what {clean:,} clean images can show. Cells that are missing below are not measured
yet. Nor are emoji, CIFAR-10-C, and a published few-label method."""

NOT_CASES = ("n", "versions", "machine")


def table(found: dict[str, Any]) -> str:
    """Return the page."""
    cases = [name for name in found if name not in NOT_CASES]
    sizes = list(found["n"].values())
    unseen = " or ".join(f"{n:,}" for n in sorted({each["unseen"] for each in sizes}))
    lines = ["# Drifts that nobody can name", "", ABOUT.format(**sizes[0] | {"unseen": unseen}), ""]
    for name in cases:
        lines += [
            f"## {name}",
            "",
            "| | labels | seeds | drift | clean | seconds | promoted |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [*_rows(found[name]), ""]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return "\n".join([*lines, f"Measured on: {found['machine']}; {versions}.", ""])


def _rows(methods: dict[str, Any]) -> Iterator[str]:
    for method, by_labels in methods.items():
        for n, seeds in sorted(by_labels.items(), key=lambda each: int(each[0])):
            drift, clean, seconds = (
                [cell[key] for cell in seeds.values()] for key in ("accuracy", "clean", "seconds")
            )
            spread = f" ± {100 * np.std(drift, ddof=1):.1f}" if len(drift) > 1 else ""
            judged = [cell["promoted"] for cell in seeds.values() if cell["promoted"] is not None]
            passed = f"{sum(judged)} of {len(judged)}" if judged else ""
            after = f"{100 * np.mean(clean):.1f} | {np.mean(seconds):.0f} | {passed}"
            yield (
                f"| {method} | {n if n != '0' else ''} | {', '.join(sorted(seeds))} "
                f"| {100 * np.mean(drift):.1f}{spread} | {after} |"
            )
