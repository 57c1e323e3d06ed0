"""Who runs this: also in a container, whose accounts may have no name."""

from __future__ import annotations

import getpass
import os
import re


def account() -> str:
    """Return the account's name as it can stand in a file's name. Its number where nothing names it."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # neither the environment nor the list of accounts has one
        name = ""
    return re.sub(r"[^\w.-]", "_", name) or f"user-{os.getuid()}"
