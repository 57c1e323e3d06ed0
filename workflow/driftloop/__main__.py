"""`python -m driftloop` is `driftloop`."""

import os
import sys

# Python puts the working directory first. A file there must not take the place of an installed module.
if not sys.flags.safe_path and sys.path[0] == os.getcwd():  # noqa: PTH109 (before anything is imported)
    del sys.path[0]

from driftloop.cli import main

main()
