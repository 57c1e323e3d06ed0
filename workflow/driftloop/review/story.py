"""What happened to a window, in plain words."""

from __future__ import annotations

from driftloop.review.material import Estimate, Material


def tell(material: Material) -> list[tuple[str, str]]:
    """Return the story as (sentence, style) pairs; an empty sentence is a gap."""
    report, lines = material.report, []
    n = int(report.get("n", len(material.images)))
    novel, accuracy = material.share("novel_share"), material.share("estimated_accuracy")
    if material.drifted:
        lines.append(
            (f"{material.window} has drifted: {n:,} samples, and they are not what the model knows.", "bold")
        )
    else:
        lines.append((f"{material.window} has not drifted.", "bold green"))
    lines.append(("", ""))
    if novel:
        lines.append((f"About {_share(novel)} of them are unlike anything seen before.", ""))
    if accuracy:
        lines.append((f"The model is right about an estimated {_share(accuracy)}.", ""))
    if report.get("p_value") is not None:
        lines.append(
            (
                f"Chance does this with p = {report['p_value']:.2g}; the alarm is at {report['alpha']:g}.",
                "",
            )
        )
    if report.get("known_as"):
        lines.append((f"It resembles {report['known_as']}.", ""))
    return lines


def _share(value: Estimate) -> str:
    return f"{value.estimate:.0%} ({value.low:.0%} to {value.high:.0%})"
