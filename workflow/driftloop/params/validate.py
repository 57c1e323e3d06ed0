"""Checks parameters against `schema.yaml`, and says in one message what is wrong and what to write."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from driftloop.errors import ParameterError
from driftloop.params.arrivals import ALLOWED
from driftloop.params.merge import Params
from driftloop.params.yaml_text import parse_yaml

if TYPE_CHECKING:
    from jsonschema import ValidationError


_LARGEST = 1 << 53
_DEEPEST = 20


@cache
def schema() -> dict[str, Any]:
    """Return the schema of `params.yaml`."""
    text = resources.files("driftloop.params").joinpath("schema.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = parse_yaml(text)
    return loaded


def validate(params: Any, where: str = "params.yaml", arrived: Mapping[str, str] | None = None) -> Params:
    """Return the parameters, checked and complete.

    Optional keys of a window get their defaults. Each window is given its `parent`, `before` (the sizes
    of the simulated windows before it, which have used up that much of the pool), and whether it is
    `simulated` and, in a project with an inbox, a `rehearsal`. Windows that arrived from production follow
    the simulated ones. No rehearsal changes what is in production.

    Args:
        params: what was read, of any type.
        where: what the messages call its source.
        arrived: the windows from production, oldest first, with the owner of their incumbent.

    Raises:
        ParameterError: names the first key that is wrong, what came, and what is allowed.
    """
    import jsonschema

    check_plain(params, where)
    # To JSON, 2.0 is a whole number; to what the parameters are for it is none.
    types = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole)
    checker = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
        jsonschema.Draft202012Validator, type_checker=types
    )
    error = jsonschema.exceptions.best_match(checker(schema()).iter_errors(params))
    if error is not None:
        raise ParameterError(_say(error, where))
    complete = copy.deepcopy(dict(params))
    _complete_optional(complete)
    _complete_stream(complete["stream"], where, rehearsal=complete["inbox"] is not None)
    _add_arrived(complete, where, arrived or {})
    if complete["split"]["population"] >= complete["split"]["production"]:
        raise ParameterError(
            f"{where}: split.population is {complete['split']['population']}; it is a part of "
            f"split.production ({complete['split']['production']}) and must be smaller."
        )
    usable = complete["split"]["production"] - complete["split"]["population"]
    for name, window in complete["stream"].items():
        if window["simulated"] and window["n"] > usable:
            raise ParameterError(
                f"{where}: stream.{name}.n is {window['n']}; split.production less split.population leaves "
                f"{usable} images to show. Lower n or raise production: stream.{name}.n={usable}"
            )
    return complete


def _is_whole(_: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _complete_stream(stream: dict[str, Params], where: str, *, rehearsal: bool) -> None:
    rules = schema()["properties"]["stream"]["additionalProperties"]["properties"]
    defaults = {key: rule["default"] for key, rule in rules.items() if "default" in rule}
    earlier: list[str] = []
    for name in stream:
        window = stream[name] = {**defaults, **stream[name]}
        window["parent"] = window["parent"] or (earlier[-1] if earlier else "reference")
        if window["parent"] not in ("reference", *earlier):
            raise ParameterError(
                f"{where}: stream.{name}.parent is {window['parent']!r}; "
                "it names a window that stands before it in the stream, or reference."
            )
        window["before"] = [stream[each]["n"] for each in earlier]
        window |= {"simulated": True, "rehearsal": rehearsal}
        earlier.append(name)


def check_plain(params: Any, where: str) -> None:
    """Refuse what YAML can say and parameters cannot.

    Raises:
        ParameterError: a key is no text, a number has no bounds, something is an alias or nested too deep.
    """
    _check_plain(params, where, set(), "", 0)


def _check_plain(value: Any, where: str, seen: set[int], path: str, depth: int) -> None:
    at = f"{where}: {path}" if path else where
    if depth > _DEEPEST:
        raise ParameterError(f"{at} is nested too deep.")
    if isinstance(value, Mapping | list):
        if id(value) in seen:  # an anchor, which may repeat things more often than anybody can count
            raise ParameterError(f"{at} is an alias of another part. Write it out.")
        seen.add(id(value))
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ParameterError(f"{at}: the key {str(key)[:40]} is no text. Write it in quotes.")
            _check_plain(inner, where, seen, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_plain(inner, where, seen, path, depth + 1)
    elif isinstance(value, int | float) and not -_LARGEST <= value <= _LARGEST:
        raise ParameterError(
            f"{at} is no number that anything can be counted with; it lies below {_LARGEST}."
        )


def _complete_optional(params: Params) -> None:
    """Give `model` and `inbox`, where there are any, and the whole, the keys that were left out."""
    params.setdefault("trust", [])
    for section in ("model", "inbox"):
        rules = schema()["properties"][section]["properties"]
        defaults = {key: rule["default"] for key, rule in rules.items() if "default" in rule}
        if params[section] is not None:
            params[section] = {**defaults, **params[section]}


def _add_arrived(params: Params, where: str, arrived: Mapping[str, str]) -> None:
    inbox, stream = params["inbox"], params["stream"]
    if inbox is None:
        if not stream:
            raise ParameterError(
                f"{where}: stream is empty, and there is no inbox. Name a window or an inbox."
            )
        return
    names = list(arrived)
    if (last := inbox["through"]) is not None:
        if last not in arrived:
            raise ParameterError(f"{where}: inbox.through is {last!r}, which has not arrived.")
        names = names[: names.index(last) + 1]
    for name in names:
        if name in stream:
            raise ParameterError(
                f"{where}: {name} is a simulated window of the stream and one that arrived. Rename either."
            )
        stream[name] = {"parent": arrived[name], "before": [], "simulated": False, "rehearsal": False}


def _say(error: ValidationError, where: str) -> str:
    path = ".".join(map(str, error.absolute_path))
    at = f"{where}: {path}" if path else where
    value: Any = error.instance
    allowed: Any = error.validator_value
    rule: Any = error.schema
    match error.validator:
        case "additionalProperties":
            known = rule.get("properties", {})
            unknown = next(key for key in value if key not in known)
            return f"{at}: unknown key {unknown!r}.{did_you_mean(str(unknown), known)}"
        case "required":
            missing = next(key for key in allowed if key not in value)
            example = f"{'  ' * len(error.absolute_path)}{missing}: …"
            note = rule.get("properties", {}).get(missing, {}).get("description", "")
            return f"{at} lacks {missing!r}. Add:\n\n    # {note}\n    {example}"
        case "enum":
            return f"{at} is {value!r}; it is one of {', '.join(allowed)}.{did_you_mean(str(value), allowed)}"
        case "type":
            wanted = [allowed] if isinstance(allowed, str) else allowed
            return f"{at} is {value!r}; it must be {' or '.join(_TYPES[name] for name in wanted)}."
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            return f"{at} is {value!r}; it lies {_range(rule)}."
        case "minProperties":
            return f"{at} is empty; it needs at least one entry."
    if "propertyNames" in error.absolute_schema_path:
        return f"{where}: stream: {value!r} cannot name a window; {ALLOWED}."
    return f"{at}: {error.message}."


_TYPES = {
    "object": "a mapping of keys to values",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "boolean": "true or false",
    "null": "null",
}


def _range(rule: Mapping[str, Any]) -> str:
    low, high = (
        rule.get("minimum", rule.get("exclusiveMinimum")),
        rule.get("maximum", rule.get("exclusiveMaximum")),
    )
    if low is None or high is None:
        bound = f"at or above {low}" if "minimum" in rule else f"above {low}"
        return bound if high is None else f"at or below {high}"
    ends = [f"{end} itself excluded" for key, end in rule.items() if key.startswith("exclusive")]
    return f"between {low} and {high}" + (f" ({', '.join(ends)})" if ends else "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?`, or the list of what is known, to end a message with.

    >>> did_you_mean("alhpa", ["alpha", "margin"])
    " Did you mean 'alpha'?"
    >>> did_you_mean("zzz", ["alpha", "margin"])
    ' Known: alpha, margin.'
    """
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(names)}."
