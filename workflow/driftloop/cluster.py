"""The record that Slurm keeps of its jobs. Without one, Snakemake would wait for their end for ever."""

from __future__ import annotations

import subprocess
from functools import cache
from typing import Any

from driftloop.commands.console import say


def choose_status_command(settings: Any) -> None:
    """Let Snakemake ask `squeue` how jobs fare, where the cluster keeps no accounts that `sacct` could read.

    Args:
        settings: of Snakemake's executor for Slurm. Those of another executor, or None, stay as they are.
    """
    if getattr(settings, "status_command", None) == "sacct" and not keeps_accounts():
        settings.status_command = "squeue"
        say("This cluster keeps no accounts of its jobs: squeue is asked for their state, not sacct.")


@cache
def keeps_accounts() -> bool:
    """Tell whether `sacct` has an answer here. It is there also where the cluster keeps no accounts."""
    try:
        done = subprocess.run(["sacct", "--noheader"], capture_output=True, timeout=30, check=False)  # noqa: S607
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
