"""`driftloop init`: a project on somebody's own images, with parameters that suit them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftloop.commands.console import say
from driftloop.params.load import PARAMS_FILE

if TYPE_CHECKING:
    from driftloop.data.survey import Survey

SNAKEFILE_TEXT = '''\
"""This project's workflow: driftloop's rules, as a Snakemake module that comes with the package.

Rules of your own go below. One of driftloop's is changed without copying it:

    use rule check_window from driftloop as check_window with:
        threads: 2
"""

from driftloop.pipeline import SNAKEFILE


configfile: "params.yaml"


module driftloop:
    snakefile:
        SNAKEFILE
    config:
        config


use rule * from driftloop


# Summary and report follow the stream, also where a review stops the run.
onerror:
    shell("driftloop status --report >&2")
'''

_GITIGNORE = """\
.snakemake/
__pycache__/
/.driftloop/
/data/
/models/
/results/
/answers/
/logs/
/decisions/*.lock
/images
/inbox/
"""


_SCALE = (
    "It is given pixels from 0 to 1. If it was trained with another mean and deviation, say so: "
    "model.mean=0.5 model.std=0.25 behind init, or in params.yaml."
)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    help="A folder with one folder of pictures for each class; a .csv or .jsonl list of paths and labels; an "
    ".npz with images and labels; a folder with images.npy and labels.npy.",
)
@click.option("--dataset", help="Or a dataset in Python, such as torchvision.datasets.SVHN.")
@click.option("--model", help="A trained model: model.onnx, model.pt2, or module:Class with --weights.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help=".safetensors, or a .pt that holds a state dict."
)
def init(
    folder: Path,
    overrides: tuple[str, ...],
    images: Path | None,
    dataset: str | None,
    model: str | None,
    weights: Path | None,
) -> None:
    """Make a project in FOLDER, which runs on your own images.

    Looks at the images, fills in params.yaml (KEY=VALUE overrides it), and sets up Git and DVC. Then
    `snakemake --cores all` there trains a model, or takes yours, and rehearses on simulated windows.
    Real ones go into inbox/.
    """
    from driftloop.commands.trust import remember_made
    from driftloop.files import write_text
    from driftloop.params.compose import compose, render

    if (images is None) == (dataset is None):
        raise click.UsageError("Name the images, with either --images or --dataset.")
    if (weights is None) != (model is None or ":" not in model):
        raise click.UsageError("--weights goes with --model module:Class, and that with --weights.")
    _refuse_occupied(folder)
    seen, values = _describe(folder, images, dataset, model, weights, overrides)
    if model:
        _explain_outputs(overrides, tuple(seen.counts))
    values["inbox"] = {"folder": "inbox", "settle": 10, "cut": None}
    params = _complete(compose(["dataset=digits", "stream=demo"]), values, overrides)
    _tell(seen, params["dataset"])
    if model:
        _try_model(folder, weights or Path(model), seen, params, images, overrides)
    text = render(params, command=f"init {folder.name}")
    for place in (folder, folder / "inbox", folder / "decisions"):
        place.mkdir(parents=True, exist_ok=True)
    write_text(folder / "decisions" / ".gitkeep", "")
    _copy_workflow(folder, [*params["stream"]])
    if model and weights:
        _copy_module(folder, model.partition(":")[0])
    _set_up_git(folder)
    write_text(folder / PARAMS_FILE, text)  # the last of all: it makes the folder a project
    remember_made(folder)
    _tell_clean_side(params)
    say(f"Wrote {folder}. Next: cd {shlex.quote(str(folder))} && snakemake --cores all")


def _tell_clean_side(params: dict[str, Any]) -> None:
    """Say how well a repair can be judged on the clean images, where that is not well."""
    from driftloop.improver.margin import clean_side

    n = params["split"]["test"] + params["split"]["calibration"]
    usual, weak = (
        clean_side(n, accuracy, params["gate"]["margin"], params["gate"]["alpha"]) for accuracy in (0.9, 0.7)
    )
    if usual.tight:
        say(
            f"{n:,} clean images judge what a repair costs. It may be {100 * usual.margin:.1f} points of "
            f"accuracy unseen where the model is right on 90%, {100 * weak.margin:.1f} on 70%. "
            "More labelled images narrow that."
        )


def _refuse_occupied(folder: Path) -> None:
    from driftloop.errors import ParameterError

    workflow = folder / "Snakefile"  # ours alone, without parameters, is an init that was cut short
    strange = workflow.exists() and workflow.read_bytes() != SNAKEFILE_TEXT.encode()
    if strange or (folder / PARAMS_FILE).exists():
        raise ParameterError(
            f"{folder} is a project already. Choose another folder, or edit its params.yaml."
        )


def _describe(
    folder: Path,
    images: Path | None,
    dataset: str | None,
    model: str | None,
    weights: Path | None,
    overrides: tuple[str, ...],
) -> tuple[Survey, dict[str, Any]]:
    """Look at the images and the model. Return what was seen, and the parameters that suit it."""
    from driftloop.data.own import sides
    from driftloop.data.survey import suggest, suggest_form
    from driftloop.errors import ModelError
    from driftloop.params.merge import override

    given = _given_model(folder, model, weights, overrides)
    size, channels, outputs = (given.pop(what, None) for what in ("size", "channels", "outputs"))
    if images is not None:
        source, seen = _look(folder, images, overrides)
    else:
        source, seen = _look_in_python(str(dataset), overrides)
    named = any(each.startswith("dataset.") for each in overrides)
    if outputs and outputs != len(seen.counts) and not named:
        raise ModelError(
            f"{model} gives {outputs} numbers for an image, but the images are of {len(seen.counts)} classes "
            f"({', '.join(seen.counts)}). dataset.classes says what its outputs stand for."
        )
    if not seen.stacked:
        if asked := override({"dataset": {}}, overrides)["dataset"].get("size"):
            size = sides(asked)
        source |= suggest_form(seen, size, channels)
    return seen, {**suggest(seen, size and max(size)), "dataset": source, **given}


def _look(folder: Path, images: Path, overrides: tuple[str, ...]) -> tuple[dict[str, Any], Survey]:
    from driftloop.data.below import Passed
    from driftloop.data.listing import list_file, list_folder
    from driftloop.data.own import kind_of
    from driftloop.data.pictures import notes
    from driftloop.data.survey import survey
    from driftloop.params.merge import override

    kind, asked = kind_of(images), override({"dataset": {}}, overrides)["dataset"]
    reading: dict[str, Any] = {key: tuple(asked[key]) for key in ("levels", "bands") if asked.get(key)}
    source = {"_target_": kind.target, kind.key: _path_from(folder, images)}
    passed, changes = Passed(), Counter[str]()
    if kind.target.endswith("ImageFolder"):
        seen = survey(list_folder(images, passed), **reading)
    elif kind.target.endswith("ImageList"):
        root = asked.get("root")
        seen = survey(list_file(images, folder / root if root else None, changes), **reading)
    else:
        seen = _survey_arrays(images)
    return source, replace(seen, passed=(*passed.lines(), *(f"{note}." for note in notes(changes))))


def _survey_arrays(images: Path) -> Survey:
    from driftloop.data.own import Arrays
    from driftloop.data.survey import Survey

    found = Arrays(file=str(images)).fetch(lambda _: None)
    height, width, channels = found.images.shape[1:]
    counted = Counter(found.known_labels.tolist())
    counts = {name: counted[code] for code, name in enumerate(found.classes)}
    return Survey(counts, Counter({(width, height): len(found)}), grey=channels == 1, stacked=True)


def _look_in_python(dataset: str, overrides: tuple[str, ...]) -> tuple[dict[str, Any], Survey]:
    """Look at a dataset in Python. Its arguments come as dataset.dataset.KEY=VALUE."""
    from driftloop.data.below import Passed
    from driftloop.data.own import PythonDataset
    from driftloop.data.survey import survey_stream
    from driftloop.params.merge import override
    from driftloop.params.named_class import allow

    chosen = [each for each in overrides if each.startswith("dataset.")]
    named = override({"dataset": {"dataset": {"_target_": dataset}}}, chosen)["dataset"]
    allow(named)
    opened = PythonDataset(**{"size": 64, **named})
    source = {"_target_": "driftloop.data.own.PythonDataset", "dataset": named["dataset"]}
    seen = survey_stream(opened.pictures(Passed(), Counter()))
    return source, replace(seen, counts={name: seen.counts.get(name, 0) for name in opened.classes})


def _given_model(
    folder: Path, model: str | None, weights: Path | None, overrides: tuple[str, ...]
) -> dict[str, Any]:
    """Return the parameters that name a model, and `size` and `channels` where it tells what it takes."""
    if model is None:
        return {}
    if weights is not None:
        from driftloop.models.outside import find_network, read_weights
        from driftloop.params.named_class import allow

        module, _, name = model.partition(":")
        network = {"_target_": f"{module}.{name}"}
        allow(network)
        find_network(network)
        read_weights(weights)
        return {
            "network": network,
            "model": {"file": _path_from(folder, weights), "mean": 0.0, "std": 1.0},
        }
    from driftloop.models.program_files import read_program
    from driftloop.params.merge import override

    path = Path(model)
    chosen = [each for each in overrides if each.startswith("model.")]
    output = override({"model": {}}, chosen)["model"].get("output")
    found = read_program(path, output).described
    say(f"{path.name}: takes {found.sentence}; its weights stay, its answers can be corrected.")
    return {
        "outputs": found.outputs,
        "size": found.size,
        "channels": found.channels,
        "model": {"file": _path_from(folder, path), "mean": 0.0, "std": 1.0},
    }


def _explain_outputs(overrides: tuple[str, ...], classes: tuple[str, ...]) -> None:
    """Say what nothing can check: what a model's outputs stand for."""
    if not any(each.startswith("dataset.classes=") for each in overrides):
        say(
            f"Its outputs are taken to be, in this order: {', '.join(classes)}. Another: dataset.classes=[…]."
        )


def _try_model(
    folder: Path,
    given: Path,
    seen: Survey,
    params: dict[str, Any],
    data: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Take the model as the run will, on some of the pictures. Say what is to know of it.

    Raises:
        ModelError: it does not fit the data, or answers otherwise for the same image.
    """
    from driftloop.data.contract import DatasetSource
    from driftloop.models.outside import TRIAL, adopt
    from driftloop.params.instantiate import instantiate
    from driftloop.params.named_class import allow

    source = dict(params["dataset"])
    for key in ("folder", "file"):
        if key in source and data is not None:
            source[key] = str(data)  # where it is from here; params.yaml has it as seen from the project
    if source.get("root"):
        source["root"] = str(folder / source["root"])
    allow(params)
    model = params["model"]
    adopted = adopt(
        given,
        network=params["network"],
        mean=model["mean"],
        std=model["std"],
        images=instantiate(source, DatasetSource).some(TRIAL),
        classes=source.get("classes") or list(seen.counts),
        output=model.get("output"),
    )
    for note in adopted.notes:
        say(f"{given.name}: {note}.")
    named = {key for key in ("mean", "std") if any(each.startswith(f"model.{key}=") for each in overrides)}
    if named < {"mean", "std"} and not adopted.scales_itself:
        say(_SCALE)
    say("Give images that it was not trained on: they calibrate the detector, and test repairs.")


def _path_from(folder: Path, path: Path) -> str:
    """Return a path as the project names it: relative where it lies inside, else absolute."""
    path = path.resolve()
    return str(path.relative_to(folder.resolve()) if path.is_relative_to(folder.resolve()) else path)


def _tell(seen: Survey, source: dict[str, Any]) -> None:
    counts = seen.counts
    few, many = min(counts, key=lambda name: counts[name]), max(counts, key=lambda name: counts[name])
    (width, height), _ = seen.sizes.most_common(1)[0]
    sizes = f"{width} x {height}" if len(seen.sizes) == 1 else f"{len(seen.sizes)} sizes"
    each = f"from {counts[few]:,} ({few}) to {counts[many]:,} ({many})"
    say(
        f"{seen.n:,} {'grey' if seen.grey else 'colour'} images of {len(counts)} classes, {sizes}; "
        f"{each if counts[few] < counts[many] else f'{counts[few]:,}'} of a class."
    )
    if "size" in source:
        say(f"They become {_what_becomes(seen, source)}.")
    if seen.extremes and source.get("levels"):
        (low, high), (black, white) = seen.extremes, source["levels"]
        say(f"Of more than 8 bits, they hold {low:g} to {high:g}: {black:g} becomes black, {white:g} white.")
    if counts[many] > 10 * max(1, counts[few]):
        say(
            ("The classes are unequal", "yellow"),
            f": with so few of {few}, its accuracy will hardly be known.",
        )
    if len(seen.endings) > 1:
        say(f"They end in {', '.join(f'{ending} ({count:,})' for ending, count in seen.endings)}.")
    for line in seen.passed:
        say(("Beside them:", "yellow"), f" {line}")
    for complaint in seen.unreadable[:3]:
        say(("Will be left out:", "yellow"), f" {complaint}")


def _what_becomes(seen: Survey, source: dict[str, Any]) -> str:
    """Say what size pictures are made into, and what share of them is cut off."""
    from driftloop.data.own import form_from

    form = form_from(source)
    height, width = form.shape[:2]
    size = f"{width} pixels a side" if width == height else f"{width} x {height} pixels"
    shares = [form.cut_off(*each) for each in seen.sizes.elements()]
    mean, most = sum(shares) / len(shares), max(shares)
    cut = "nothing is cut off" if most < 0.005 else f"{mean:.0%} of a picture is cut off"
    if most - mean >= 0.005:
        cut += f", at most {most:.0%}"
    return f"{size}; of another proportion: {form.fit}; {cut}"


def _complete(params: dict[str, Any], values: dict[str, Any], overrides: tuple[str, ...]) -> dict[str, Any]:
    from driftloop.params.merge import override, place
    from driftloop.params.validate import validate

    for path, value in values.items():
        place(params, path, value)
    params = override(params, overrides)
    validate(params, "the new params.yaml")
    return params


def _copy_workflow(folder: Path, stream: list[str]) -> None:
    from driftloop.files import write_text
    from driftloop.layout import REFERENCE
    from driftloop.pipeline import ROOT

    stages = (ROOT / "dvc.yaml").read_text(encoding="utf-8").replace("      - rules\n", "")
    stages = stages.replace("path: models/w05", f"path: models/{[REFERENCE, *stream][-1]}")
    for name, text in (("Snakefile", SNAKEFILE_TEXT), ("dvc.yaml", stages)):
        # A person may have changed the files of an init that was cut short.
        if not (folder / name).exists():
            write_text(folder / name, text)
    if not (folder / "profiles").exists():
        _copy_files(ROOT / "profiles", folder / ".profiles")
        (folder / ".profiles").rename(folder / "profiles")


def _copy_files(source: Path, target: Path) -> None:
    """Copy what lies in a folder as new files: what a package brings may be read-only, a project is not."""
    from driftloop.files import write_text

    for path in (each for each in source.rglob("*") if each.is_file()):
        write_text(target / path.relative_to(source), path.read_text(encoding="utf-8"))


def _copy_module(folder: Path, module: str) -> None:
    """Bring along the file of a user's own network that lies here: the project looks beside params.yaml."""
    file = Path(f"{module}.py")
    if file.is_file() and not (folder / file).exists():
        shutil.copyfile(file, folder / file)
        say(f"Copied {file} into {folder}, where the project finds it.")


def _set_up_git(folder: Path) -> None:
    """Make a Git repository with DVC in it, as far as these are here and not set up already."""
    from driftloop.files import write_text
    from driftloop.pipeline import ROOT

    ignored = folder / ".gitignore"
    if not ignored.exists():
        write_text(ignored, _GITIGNORE)
    if not shutil.which("git"):
        say(("There is no git here", "yellow"), ": nothing keeps decisions/ and params.yaml for you.")
        return
    inside = _quietly(folder, "git", "rev-parse", "--is-inside-work-tree")
    if inside:
        say(
            ("It lies in a Git repository", "yellow"), ", and is committed there; move it for one of its own."
        )
    else:
        _quietly(folder, "git", "init", "--quiet")
    if shutil.which("dvc") and not (folder / ".dvc/config").exists():
        _quietly(folder, "dvc", "init", "--quiet", "--force", *(["--subdir"] if inside else []))
        _quietly(folder, "dvc", "config", "core.analytics", "false")
    if (folder / ".dvc").exists():
        _copy_files(ROOT / ".dvc" / "plots", folder / ".dvc" / "plots")


def _quietly(folder: Path, *command: str) -> bool:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(  # noqa: S603 (our own constant commands)
        command, cwd=folder, env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0
