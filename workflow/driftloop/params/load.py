"""Reads `params.yaml`, the one file that every engine and every step take their parameters from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from driftloop import layout
from driftloop.errors import ParameterError
from driftloop.params.arrivals import read_arrivals
from driftloop.params.merge import Params, override
from driftloop.params.named_class import allow
from driftloop.params.validate import check_plain, validate
from driftloop.params.yaml_text import parse_yaml

PARAMS_FILE = Path("params.yaml")


def read_params(path: Path = PARAMS_FILE) -> Any:
    """Read a YAML file as it stands, unchecked.

    Raises:
        ParameterError: there is no such file, or it is not YAML.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParameterError(
            f"{path} does not exist here. Go to a driftloop project, or make the file: driftloop configure"
        ) from error
    except OSError as error:
        raise ParameterError(f"{path} cannot be read ({error.strerror}).") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise ParameterError(f"{path} is not valid YAML: {error}") from error
    except RecursionError as error:
        raise ParameterError(f"{path} is nested too deep to be read.") from error


def load_params(
    overrides: Iterable[str] = (),
    path: Path = PARAMS_FILE,
    *,
    arrived: Mapping[str, str] | None = None,
) -> Params:
    """Read parameters, lay `key.path=value` overrides over them, check and complete them.

    The classes that they name may be imported from here on.

    Args:
        overrides: single values.
        path: of the file.
        arrived: the windows from production, if they are not those of `arrivals.txt`.

    Raises:
        ParameterError: see `driftloop.params.validate.validate`.
        DataError: `arrivals.txt` is damaged.
    """
    params = read_params(path)
    if not isinstance(params, dict):
        raise ParameterError(
            f"{path} holds {type(params).__name__}, not keys and values. Run: driftloop configure"
        )
    check_plain(params, str(path))
    changed = override(params, overrides)
    if arrived is None and changed.get("inbox") is not None:
        arrived = read_arrivals(layout.ARRIVALS)
    allow(changed)
    return validate(changed, str(path), arrived)
