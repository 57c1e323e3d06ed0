"""From cells to `check.json`, and from that to the page in `docs/`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

DEFAULT = "driftloop"
RIVAL_PREFIXES = ("detector/", "rival/")
ABOUT = """Written by `python benchmarks/check.py`: do not edit. All detectors see the same embeddings,
in the same run. `n` is the images of a window. Power is the share of corrupted windows that alarm at
alpha 0.01. Each corruption has 200 windows, drawn from 500 corrupted images. Rivals get the threshold
that 1 % of 2,000 clean windows exceed. The false alarms of their own p-values stand in the first table.
MNIST has MNIST-C's own severities, other datasets severity 3. `driftloop` is the default. It looks for
novel samples, and for windows that moved as a whole. Of detectors marked * the scores are put through the
first of these tests. We chose the default score on generic damages (last table), not on these
corruptions."""


def summarise(done: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `check.json` holds, but for the hardware, from the results of cells by name."""
    result: dict[str, Any] = {
        "false_alarm": [],
        "power": {},
        "power_mean": {},
        "auroc": {},
        "auroc_mean": {},
        "contaminated": {},
        "accuracy_estimate": _accuracy(done),
        "speed": done.get("mnist-0/speed", {}).get("ratio", {}),
        "speed_details": done.get("mnist-0/speed"),
        "scale": sorted((done[name] for name in done if "/scale/" in name), key=lambda each: each["n"]),
        "known_drift": _known(done),
        "label_shift": {},
        "streams": {},
        "choice": {},
    }
    for name, cell in done.items():
        key, _, what = name.partition("/")
        if what in ("false_alarm", "alibi"):
            result["false_alarm"] += [{"dataset": key, **each} for each in cell]
        elif what == "default" or what.startswith(RIVAL_PREFIXES):
            label = (
                DEFAULT
                if what == "default"
                else what.partition("/")[2] + ("*" if what.startswith("detector/") else "")
            )
            _performance(result, key, label, cell)
        elif what in ("contaminated", "label_shift", "choice"):
            result[what][key] = cell
        elif what in ("clean_streams", "rising_streams"):
            result["streams"].setdefault(key, {})[what] = cell
    return result


def _performance(result: dict[str, Any], key: str, label: str, cell: Mapping[str, Any]) -> None:
    result["false_alarm"] += [{"dataset": key, **each} for each in cell.get("false_alarm", [])]
    for n, by_corruption in cell["power"].items():
        mean = float(np.mean(list(by_corruption.values())))
        result["power_mean"].setdefault(key, {}).setdefault(label, {})[n] = mean
    if "auroc" in cell:
        result["auroc_mean"].setdefault(key, {})[label] = float(np.mean(list(cell["auroc"].values())))
    if label == DEFAULT:
        result["power"][key], result["auroc"][key] = cell["power"], cell["auroc"]


def _accuracy(done: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mean absolute error by method: over everything, and by dataset."""
    cells = {name.partition("/")[0]: cell for name, cell in done.items() if name.endswith("/accuracy")}
    if not cells:
        return {}
    methods = next(iter(cells.values()))["errors"]
    every = {m: np.concatenate([np.abs(cell["errors"][m]) for cell in cells.values()]) for m in methods}
    return {
        "mae": {method: float(errors.mean()) for method, errors in every.items()},
        "windows": len(every[DEFAULT]),
        "by_dataset": {key: {k: v for k, v in cell.items() if k != "errors"} for key, cell in cells.items()},
    }


def _known(done: Mapping[str, Any]) -> dict[str, Any]:
    cells = {name.rpartition("/")[2]: cell for name, cell in done.items() if "/known/" in name}
    if not cells:
        return {}
    others = [rate for cell in cells.values() for rate in cell["others"].values()]
    return {
        "repaired": len(cells),
        "asks_again": float(np.mean([cell["again"] for cell in cells.values()])),
        "others_alarm": float(np.mean(others)),
        "by_corruption": cells,
    }


def table(result: Mapping[str, Any]) -> str:
    """Return the figures as Markdown."""
    parts = [_false_alarms, _power, _accuracy_table, _contaminated, _rest, _choice]
    lines = ["# The checker, measured", "", ABOUT, "", f"On {_hardware(result['hardware'])}.", ""]
    for part in parts:
        lines += [*part(result), ""]
    if result["missing"]:
        lines += [f"Not measured with the present code: {', '.join(result['missing'])}.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _hardware(facts: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {facts[name]}" for name in ("python", "numpy", "scipy", "torch"))
    return f"{facts['cores']} cores of {facts['machine']}, shared with other work: {versions}"


def _rows(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    cells = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(str, row))} |" for row in cells]


def _f(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _false_alarms(result: Mapping[str, Any]) -> Iterator[str]:
    yield "## False alarms on clean windows"
    yield ""
    listed: dict[tuple[Any, ...], dict[float, float]] = {}
    for each in result["false_alarm"]:
        key = (each["dataset"], each["detector"], each["n"], each["windows"])
        listed.setdefault(key, {})[each["alpha"]] = each["rate"]
    rows = [
        [*key[:3], f"{key[3]:,}", _f(rates[0.01], 4), _f(rates[0.05], 4)] for key, rates in listed.items()
    ]
    yield from _rows(("dataset and seed", "detector", "n", "windows", "at 0.01", "at 0.05"), rows)


def _power(result: Mapping[str, Any]) -> Iterator[str]:
    for key, by_label in result["power_mean"].items():
        corruptions = len(result["power"].get(key, {}).get("20", {}))
        yield f"## Power and AUROC: {key}, mean over {corruptions} corruptions"
        yield ""
        areas = result["auroc_mean"].get(key, {})
        rows = [
            [label, *(_f(by_n[n]) for n in ("10", "20", "50")), _f(areas.get(label))]
            for label, by_n in by_label.items()
        ]
        yield from _rows(("detector", "n = 10", "n = 20", "n = 50", "sample AUROC"), rows)
        yield ""
        if key not in result["power"]:
            continue
        power, area = result["power"][key], result["auroc"][key]
        rows = [[name, *(_f(power[n][name], 2) for n in ("10", "20", "50")), _f(area[name])] for name in area]
        yield from _rows(("corruption (default)", "n = 10", "n = 20", "n = 50", "AUROC"), rows)
        yield ""


def _accuracy_table(result: Mapping[str, Any]) -> Iterator[str]:
    yield "## Accuracy without labels"
    yield ""
    found = result["accuracy_estimate"]
    if not found:
        return
    keys = list(found["by_dataset"])
    yield (
        f"Mean absolute error over {found['windows']} windows of 500: every corruption at severities 1 to 5. "
        "The 95 % interval covers "
        + ", ".join(f"{found['by_dataset'][key]['interval_covers']:.0%} ({key})" for key in keys)
        + "."
    )
    yield ""
    rows = [
        [method, _f(error), *(_f(found["by_dataset"][key]["mae"][method]) for key in keys)]
        for method, error in found["mae"].items()
    ]
    yield from _rows(("method", "all", *keys), rows)


def _contaminated(result: Mapping[str, Any]) -> Iterator[str]:
    yield "## Windows of 500 with 10 % corrupted images"
    yield ""
    rows = [
        [
            key,
            _f(each["mean"]["power"]),
            _f(each["mean"]["precision"]),
            _f(each["mean"]["precision_without_random_slice"]),
        ]
        for key, each in result["contaminated"].items()
    ]
    yield from _rows(
        ("dataset", "power", "share of the 20 picks that are corrupted", "of those not random"), rows
    )


def _rest(result: Mapping[str, Any]) -> Iterator[str]:
    yield "## Label shift, streams, known drift, speed"
    yield ""
    for key, each in result["label_shift"].items():
        one, many = each["one_class_mean"], each["mixture"]
        yield f"- {key}: clean windows of 200, all of one class, alarm in {one:.3f} (0.01 is due)."
        yield f"  Windows in which classes come in random proportions alarm in {many:.3f}."
    for key, each in result["streams"].items():
        if calm := each.get("clean_streams"):
            least, most, mean = min(calm["alarms"]), max(calm["alarms"]), calm["alarms_mean"]
            together = np.mean(calm["by_stream"])
            yield f"- {key}: {calm['seeds']} streams of {calm['windows']} clean windows of {calm['n']}:"
            yield f"  {mean:.2f} alarms on average ({least} to {most}), {together:.2f} of them by several"
            yield f"  windows together. At most {calm['promised']:.1f} are promised."
        for n, rising in each.get("rising_streams", {}).items():
            yield f"- {key}: a corruption rises from severity 0 to 3 over 30 windows of {n}. It is found"
            yield f"  before accuracy has fallen 5 points in {rising['in_time']:.3f} of runs"
            yield f"  ({rising['seeds']} for each). The median is window {rising['median_window']:.0f}."
    if known := result["known_drift"]:
        yield f"- Known drift, MNIST: after each of {known['repaired']} repairs the same corruption asks"
        yield f"  again in {known['asks_again']:.3f} of fresh windows of 100. Another one still alarms in"
        yield f"  {known['others_alarm']:.3f} of windows of 50."
    for name, ratio in result["speed"].items():
        yield f"- {name} takes {ratio:.1f} times as long as the whole check (10,000 against 10,000)."
    if result["scale"]:
        yield ""
        rows = [[f"{each['n']:,}", f"{each['seconds']:.1f}", each["peak_rss_mb"]] for each in result["scale"]]
        yield from _rows(("images", "seconds", "peak memory, MB"), rows)


def _choice(result: Mapping[str, Any]) -> Iterator[str]:
    yield "## The choice of the default: AUROC over generic damages"
    yield ""
    keys = list(result["choice"])
    if not keys:
        return
    candidates = result["choice"][keys[0]]
    rows = []
    for name in candidates:
        means = [result["choice"][key][name]["mean"] for key in keys]
        rows.append([name, *map(_f, means), _f(float(np.mean(means)))])
    yield from _rows(("members of Combined", *keys, "mean"), rows)
