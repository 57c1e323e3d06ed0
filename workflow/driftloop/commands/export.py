"""`driftloop export`: a model with its filters as one file, for use without driftloop."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--model",
    type=click.Path(path_type=Path, file_okay=False),
    help="A model folder; by default the one in production.",
)
def export(file: Path, model: Path | None) -> None:
    """Write the model in production, its filters and its normalisation included, as one FILE.

    FILE ends in .pt2 (torch.export) or .onnx (for Triton, OpenVINO and others). It takes images as uint8
    (N, H, W, C), any N, and gives logits, float32 (N, K). Before it is put in place it is asked about some
    images: its answers must be the model's.
    """
    from driftloop.commands.console import say
    from driftloop.models.export import export_model
    from driftloop.models.store import load_model
    from driftloop.tracker.production import production_folder
    from driftloop.tracker.provenance import vouched

    with vouched():
        folder = model or production_folder()
        loaded = load_model(folder)
    difference = export_model(loaded, file)
    say(f"Wrote {file}, made from {folder}. Its logits differ from the model's by {difference:.1g} at most.")
