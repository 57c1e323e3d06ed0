"""The page of the repair benchmark, `docs/benchmark-improve.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from improve_cells import POPULATION, WINDOW

ABOUT = f"""Made by `python benchmarks/improve.py`: do not edit. Accuracy is in percent on {POPULATION:,}
images that no window shows, after a window of {WINDOW}. The methods:

- `none`: no repair. `bn`: the window's batch-norm statistics.
- `tent`: entropy minimisation, three passes over the window.
- `scanflow`: retraining on the training set with 100 picks in it, each seen about once.
- `finetune_100`: plain fine-tuning on 100 random labels.
- `retrain_N`: retraining with N picks, the family of corruption known.
- `…_random`: the same with random samples instead.
- `…_unknown`: the same with the corruption withheld from the imitation.
- `align`: batch-norm statistics of a quarter of the window, for images that look like it. It takes no
  label and no diagnosis.
- `filter_unknown`: the corruption withheld from all that the filter learned from.
- `both_100`: retrained through the filter.
- `ceiling`: 20,000 labelled images of the drift.

Picks follow the classifier's confidence here, without the detector. A method is listed with the seeds
under which it was measured on every corruption in the list. `±` is the standard deviation of its mean
over these seeds. Seconds are of the repair alone. They are the mean over machines as different as the
last line says, beside other work. Those of `both_100` come on top of its filter's."""


def table(result: dict[str, Any]) -> str:
    """Return the page."""
    return "\n".join(
        [
            "# The repairs against their anchors",
            "",
            ABOUT,
            "",
            *(line for dataset in result["means"] for line in _dataset_tables(result, dataset)),
            *(
                line
                for dataset, ways in result["sequence"].items()
                if ways
                for line in _sequence_lines(result, dataset)
            ),
            "## The gate",
            "",
            *_gate_lines(result),
            "",
            f"Measured on: {'; '.join(result['environment']['machines'])}.",
            "",
        ]
    )


def _sequence_lines(result: dict[str, Any], dataset: str) -> Iterator[str]:
    yield f"## {dataset}: six drifts, each repaired, one after another"
    yield ""
    yield "Accuracy at the end, and in brackets how many points lower than right after the repair of that"
    yield "drift (clean data: than before any). Means over seeds. Nothing is refused here: there is no gate."
    yield ""
    ways = result["sequence"][dataset]
    names = list(next(iter(ways.values()))["drifts"])
    yield f"| | seeds | {' | '.join(names)} |"
    yield f"|---|---|{'---|' * len(names)}"
    for way, found in ways.items():
        drifts = (found["drifts"][name] for name in names)
        cells = (f"{100 * each['at the end']:.1f} ({100 * each['lost']:+.1f})" for each in drifts)
        yield f"| {way} | {_listed(found['seeds'])} | {' | '.join(cells)} |"
    yield ""


def _gate_lines(result: dict[str, Any]) -> Iterator[str]:
    gate = result["gate"]
    yield f"Made-up candidates, windows of {WINDOW}, alpha {gate['alpha']}, 100 labels beyond"
    yield "those that teach at most. A candidate that is no better gets all labels where it says so:"
    yield ""
    yield "| candidate | promoted | labels used |"
    yield "|---|---|---|"
    for name, rate in gate["cases"].items():
        yield f"| {name.replace('_', ' ')} | {100 * rate['promoted']:.1f} % | {rate['labels']:.0f} |"
    yield ""
    yield "The repaired models below were judged by the gate of version 0.1.0, which had two looks."
    for dataset, models in result["gate_on_models"].items():
        yield ""
        yield f"Repaired models of {dataset}, 20 windows each, by their true gain on the drift:"
        yield ""
        yield "| true gain | models | promoted | labels used | right alone | wrong alone |"
        yield "|---|---|---|---|---|---|"
        edges = [-1.0, 1e-9, 0.02, 0.04, 0.08, 1.0]
        for low, high in pairwise(edges):
            group = [m for m in models if low <= m["better"] - m["worse"] < high]
            if group:
                means = [
                    np.mean([m[key] for m in group]) for key in ("promoted", "labels", "better", "worse")
                ]
                span = f"{100 * low:.0f} to {100 * high:.0f} points" if low >= 0 else "none, or a loss"
                yield (
                    f"| {span} | {len(group)} | {100 * means[0]:.1f} % | {means[1]:.0f} "
                    f"| {100 * means[2]:.1f} % | {100 * means[3]:.1f} % |"
                )
        if (least := result["least_promoted_gain"][dataset]) is not None:
            yield ""
            yield f"Of all that were promoted, the one that gained least changed {100 * least:+.1f} points."


def _dataset_tables(result: dict[str, Any], dataset: str) -> Iterator[str]:
    per = result["per_corruption"][dataset]
    means, spread, clean = (result[key][dataset] for key in ("means", "spread", "clean_after"))
    yield f"## {dataset} ({len(per)} corruptions)"
    yield ""
    yield "| | seeds | mean | clean after | seconds |"
    yield "|---|---|---|---|---|"
    for method in means:
        seconds = result["seconds"][dataset][method]
        mean = f"{100 * means[method]:.1f}" + (f" ± {100 * spread[method]:.1f}" if method in spread else "")
        seeds = _listed(result["seeds"][dataset][method])
        yield f"| {method} | {seeds} | {mean} | {100 * clean[method]:.2f} | {seconds:.0f} |"
    yield ""
    yield f"| | {' | '.join(means)} |"
    yield f"|---|{'---|' * len(means)}"
    for corruption, row in per.items():
        yield f"| {corruption} | {' | '.join(f'{100 * row[m]:.1f}' for m in means)} |"
    yield ""


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, seeds))
