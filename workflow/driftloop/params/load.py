"""Reads `params.yaml`, the one file that every engine and every step take their parameters from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from driftloop.errors import ParameterError
from driftloop.params.merge import Params, override
from driftloop.params.validate import validate

PARAMS_FILE = Path("params.yaml")


def read_params(path: Path = PARAMS_FILE) -> Any:
    """Read a YAML file as it stands, unchecked.

    Raises:
        ParameterError: there is no such file, or it is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParameterError(
            f"{path} does not exist here. Go to a driftloop project, or make the file: driftloop configure"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} is not valid YAML: {error}") from error


def load_params(overrides: Iterable[str] = (), path: Path = PARAMS_FILE) -> Params:
    """Read parameters, lay `key.path=value` overrides over them, check and complete them.

    Raises:
        ParameterError: see `driftloop.params.validate.validate`.
    """
    params = read_params(path)
    if not isinstance(params, dict):
        raise ParameterError(
            f"{path} holds {type(params).__name__}, not keys and values. Run: driftloop configure"
        )
    return validate(override(params, overrides), str(path))
