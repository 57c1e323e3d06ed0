"""What the rules share: checked parameters, and functions that answer a question about a window."""

import json
import math
import os
import shlex
from pathlib import Path

from driftloop import layout
from driftloop.account import account
from driftloop.commands.arrive import arrivals_now, through
from driftloop.commands.console import say
from driftloop.commands.ledger import left_behind
from driftloop.commands.track import settle_times
from driftloop.cluster import choose_status_command
from driftloop.containers import apptainer
from driftloop.containers.image import require_image, sif
from driftloop.errors import DriftloopError
from driftloop.files import read_json
from driftloop.params.load import load_params, read_params
from driftloop.params.merge import overrides_between
from driftloop.printable import printable
from driftloop.review.decision import DECISIONS, repairs_of
from driftloop.tracker.run_lock import elsewhere, hold

# An account that has no name, as in some containers, goes by its number: Snakemake asks.
os.environ.setdefault("LOGNAME", account())

# Snakemake heeds this of a project's own Snakefile alone; those of earlier versions of `driftloop init` lack it.
_WITHOUT_ONERROR = """The Snakefile has no "onerror:", so where a review stops a run, the report stays as it was.
Add two lines at its end:

onerror:
    shell("driftloop status --report >&2")
"""

# What `snakemake --config` says otherwise than params.yaml goes onto every step's command line, so that the
# rules and the steps read the same parameters in the same way.
try:
    changes = overrides_between(read_params(), config)
    # A plan leaves no traces. (`workflow.dryrun` is not known yet while the rules are read.)
    running = workflow.is_main_process and not workflow.output_settings.dryrun
    if running:
        hold()
        if left := elsewhere():
            say((left, "yellow"))  # Snakemake refuses the run, but not --unlock
        if missing := left_behind():
            say((missing, "yellow"))
        if "onerror" not in Path(workflow.main_snakefile).read_text():
            say((_WITHOUT_ONERROR, "yellow"))
    PARAMS = load_params(changes, arrived=arrivals_now(changes, keep=running))
    changes += through(PARAMS)
    if running:
        # The outputs of the stage in dvc.yaml, none of which may be missing.
        for folder in layout.PRODUCTS:
            folder.mkdir(exist_ok=True)
    FINISHED = frozenset()
    if workflow.is_main_process:
        FINISHED = settle_times(PARAMS, keep=running)
except DriftloopError as error:
    raise WorkflowError(printable(str(error), lines=True))
OVERRIDES = " ".join(map(shlex.quote, changes))

# Products are put back where a step fails; that there was nothing to put back is no news.
logger.addFilter(lambda record: "no backup found" not in record.getMessage())


# What small networks can use; Snakemake lowers it to the cores that it has.
TORCH_THREADS = 8


SIMULATED = [window for window, facts in PARAMS["stream"].items() if facts["simulated"]]
ARRIVED = [window for window in PARAMS["stream"] if window not in SIMULATED]


def any_of(windows):
    """A pattern that fits these windows, or nothing."""
    return "|".join(windows) or "(?!)"


wildcard_constraints:
    window=any_of(PARAMS["stream"]),


def forced():
    """Whether something is made again that holds."""
    asked = workflow.dag_settings
    return asked.forceall or asked.forcetargets or asked.forcerun


def planned(window):
    """Whether a plan names a window's jobs. A finished window costs none, unless all jobs are only shown."""
    # Shown alone, as by --dag, --summary and --delete-all-output.
    shown = workflow.executor_plugin is None
    return shown or forced() or window not in FINISHED


def overrides(wildcards, input):
    """What else a step's command line says. Where something is forced, its step does not ask its record."""
    return f"--anew {OVERRIDES}" if forced() and workflow.is_main_process else OVERRIDES


def image(role):
    """The container image of a role: a file made by `driftloop images build`, or one from a registry."""
    contained = "apptainer" in map(str, workflow.deployment_settings.deployment_method)
    try:
        if contained:
            apptainer.program()
        if registry := PARAMS["containers"]["registry"]:
            return f"{registry}/{role}"
        # Relative: Snakemake puts it on a command line as it is, and the project's own path may hold spaces.
        return str(require_image(role) if contained else sif(Path(), role))
    except DriftloopError as error:
        raise WorkflowError(printable(str(error), lines=True))


def image_mb(input):
    """Megabytes of the images that a job reads, by the manifests among its inputs."""
    manifests = (file for file in input if Path(file).name == "meta.json")
    return sum(map(math.prod, map(shape, manifests))) / 1e6


def shape(manifest):
    """The shape of the images that a manifest is about; none where it is damaged, and will be made anew."""
    try:
        return [*map(int, json.loads(Path(manifest).read_text())["shape"])]
    except (ValueError, KeyError, TypeError):
        return [0]


def memory(wildcards, input, attempt):
    """Megabytes of memory that a job asks of a cluster; more when it is tried again."""
    # Every job of a cluster comes by here before it is sent.
    if workflow.is_main_process:
        choose_status_command(workflow.executor_settings)
    return round((3000 + 6 * image_mb(input)) * attempt)


def fitting_memory(wildcards, input, attempt):
    """The same for fitting a detector: it learns the accuracy from 16,000 damaged images besides."""
    manifest = next(file for file in input if file.endswith("splits/train/meta.json"))
    return memory(wildcards, input, attempt) + round(
        2 * 16e3 * math.prod(shape(manifest)[1:]) / 1e6 * attempt
    )


def minutes(wildcards, input, attempt):
    """Minutes that a job asks of a cluster; more when it is tried again."""
    return round((10 + image_mb(input) / 5) * attempt)


def parent(wildcards):
    """The window whose model is this window's incumbent."""
    return PARAMS["stream"][wildcards.window]["parent"]


def incumbent(file):
    """A file of the model that is in production when the window arrives, while that may still change."""

    def path(wildcards):
        window = parent(wildcards)
        return f"models/{window}/{file}" if planned(window) else []

    return path


def carried(wildcards):
    """Where the stream stands after the window before, while that may still change."""
    before = parent(wildcards)
    done = before == layout.REFERENCE or not planned(before)
    return [] if done else str(layout.carried(before))


def parts(wildcards):
    """The scores of a window's parts, where several jobs share it (--set-scatter check=N)."""
    files = gather.check(
        f"results/{wildcards.window}/parts/{{scatteritem}}.safetensors"
    )
    return files if len(files) > 1 else []


def gathered(wildcards, input):
    """The option that says how many parts a check gathers; derived from the input, like the overrides."""
    count = len(parts(wildcards))
    return f"--parts {count}" if count else ""


def check_group(wildcards):
    """On a cluster, checking shares a job with predicting, unless other jobs score the window in between."""
    alone = parts(wildcards) or not workflow.non_local_exec
    return None if alone else f"check_{wildcards.window}"


def ledger(wildcards):
    """The window's ledger; a run makes it empty where there is none, so that the rule's inputs never change."""
    path = layout.ledger(wildcards.window)
    if not path.exists():
        if workflow.dryrun:  # a plan leaves no traces
            return []
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return str(path)


def decision(wildcards):
    """What was decided on a window: keep, retrain, filter or both."""
    verdict = checkpoints.review_window.get(window=wildcards.window).output[0]
    try:
        return DECISIONS[DECISIONS.index(read_json(Path(verdict))["decision"])]
    except (DriftloopError, KeyError, TypeError, ValueError):
        raise WorkflowError(f"{verdict} is damaged. Remove it, and run this again.")


def candidates(wildcards):
    """The models that the decision asks for."""
    repairs = repairs_of(decision(wildcards), config["filter"]["_target_"])
    return [
        f"results/{wildcards.window}/candidates/{repair}/model.json"
        for repair in repairs
    ]


def evaluation(wildcards):
    """The gate's evaluation, where there is anything to evaluate."""
    return (
        [f"results/{wildcards.window}/evaluation.json"] if candidates(wildcards) else []
    )


def last_of_each(wildcards):
    """What comes last of each window, for all that is read of it: whatever changes before has it asked again."""
    windows = [*filter(planned, PARAMS["stream"])]
    simulated = [window for window in windows if window in SIMULATED]
    return [
        *expand("models/{owner}/lineage.json", owner=["reference", *windows]),
        *expand("results/{window}/score.json", window=simulated),
    ]
