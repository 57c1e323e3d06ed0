"""Make an object from a `_target_` specification, so that a user's own class can take the place of ours."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from driftloop.errors import DriftloopError, ParameterError
from driftloop.params.named_class import find_class

T = TypeVar("T")


def instantiate(
    spec: Mapping[str, Any],
    base: type[T],
    *,
    where: str = "params.yaml",
    error: type[DriftloopError] = ParameterError,
    **facts: Any,
) -> T:
    """Call the class that `spec["_target_"]` names with the rest of `spec` and `facts` as keywords.

    `find_class` says which classes may be named. Nothing is called before the class proves to fit `base`.
    Nested specifications are passed on as they are.

    Args:
        spec: `{"_target_": "package.module.Class", keyword: value, …}`.
        base: the class that the target must derive from, or a Protocol whose methods it must have.
        where: where the specification stands, for messages.
        error: the kind of error to raise. `ModelError` for a specification out of a model folder.
        facts: keywords that the pipeline knows and a specification may not contradict.

    Raises:
        ParameterError: (or `error`) the target cannot be imported, is no such class, or does not take
            these keywords or values.

    >>> from driftloop.checker.detector import Detector
    >>> instantiate({"_target_": "driftloop.checker.softmax.Energy"}, Detector)
    Energy()
    """
    target = spec.get("_target_")
    if not isinstance(target, str):
        raise error(f"{where}: _target_ is {target!r}; it names a class, such as package.module.Class.")
    cls = _locate(target, base, where, error)
    arguments = {str(key): value for key, value in spec.items() if key != "_target_"}
    if doubled := sorted(arguments.keys() & facts.keys()):
        raise error(f"{where}: {doubled[0]} of {target} follows from the data; remove it.")
    arguments |= facts
    _check_keywords(cls, arguments, f"{where}: {target}", error)
    try:
        return cls(**arguments)
    except DriftloopError:
        raise
    except Exception as cause:  # a user's class may raise anything
        raise error(f"{where}: {target} refuses its arguments: {cause}") from cause


def _locate(target: str, base: type[T], where: str, error: type[DriftloopError]) -> type[T]:
    found = find_class(target, where, error)
    if getattr(base, "_is_protocol", False):
        lacking = [name for name in _methods(base) if not callable(getattr(found, name, None))]
        if lacking:
            raise error(f"{where}: {target} is no {base.__name__}: it has no {', '.join(lacking)}().")
    elif not issubclass(found, base):
        raise error(f"{where}: {target} is no {base.__module__}.{base.__qualname__}.")
    return cast("type[T]", found)


def _methods(protocol: type) -> list[str]:
    return [
        name
        for owner in protocol.__mro__
        if getattr(owner, "_is_protocol", False) and owner.__name__ != "Protocol"
        for name, member in vars(owner).items()
        if inspect.isfunction(member) and (not name.startswith("_") or name == "__call__")
    ]


def _check_keywords(cls: type, arguments: Mapping[str, Any], where: str, error: type[DriftloopError]) -> None:
    try:
        parameters = list(inspect.signature(cls).parameters.values())
    except ValueError:  # some classes written in C have no signature. Their call will tell
        return
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in named]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for key in arguments:
            if key not in names:
                raise error(f"{where} takes no {key}{_did_you_mean(key, names)}.")
    missing = [p.name for p in named if p.default is p.empty and p.name not in arguments]
    if missing:
        raise error(f"{where} needs {', '.join(missing)}.")


def _did_you_mean(key: str, names: list[str]) -> str:
    close = difflib.get_close_matches(key, names, n=1)
    if close:
        return f"; did you mean {close[0]}"
    return f"; it takes {', '.join(names)}" if names else ""
