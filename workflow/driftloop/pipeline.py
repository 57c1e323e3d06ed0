"""Where the workflow lies that came with this package: a project's Snakefile takes it as a module."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_INSTALLED = _PACKAGE / "_workflow"
ROOT = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parents[1]
"""The folder with the Snakefile, the rules and the profiles: inside an installed package, or the checkout."""

SNAKEFILE = str(ROOT / "Snakefile")
