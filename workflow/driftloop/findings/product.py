"""Frozen dataclasses that JSON files hold: what a file must have stands once, in the fields of its class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Self, Union, get_args, get_origin, get_type_hints

from driftloop.errors import DataError
from driftloop.files import digest_json, read_json, write_json

MAY_LACK, NOT_KEPT = {"may_lack": True}, {"not_kept": True}
"""Metadata of a field that a file may lack, which has a default; and of one that no file has."""
_NAMES = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


class Product:
    """The content of a product's file, which has a key for each field, and no others."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read it from its file.

        Raises:
            DataError: the file is missing, is damaged, or is from another version of driftloop.
        """
        found: Self = read_typed(cls, path)
        return found

    @classmethod
    def find(cls, path: Path) -> Self | None:
        """Read it from its file, or return None where there is none."""
        return cls.read(path) if path.exists() else None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` returned.

        Raises:
            ValueError: it is something else. The message says where, what it is, and what it must be.
        """
        found: Self = _read(cls, value, "")
        return found

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, in the order of the fields."""
        facts: dict[str, Any] = _plain(self)
        return facts

    def write(self, path: Path) -> None:
        """Write its file atomically."""
        write_json(path, self.to_json())

    @property
    def digest(self) -> str:
        """SHA-256 of the content, whatever the file's layout."""
        return digest_json(self.to_json())


def read_typed(kind: Any, path: Path) -> Any:
    """Read a file as what a type hint says, such as a product or a tuple of them; as `Product.read` does."""
    try:
        return _read(kind, read_json(path), "")
    except ValueError as error:
        raise DataError(
            f"{path} is damaged, or from another version of driftloop: {error}. "
            "To have it made anew: snakemake --cores all"
        ) from error


def _plain(value: Any) -> Any:
    if type(value) in _NAMES:
        return value
    if is_dataclass(value):
        kept = (each.name for each in fields(value) if each.metadata != NOT_KEPT)
        return {name: _plain(getattr(value, name)) for name in kept}
    if hasattr(value, "_asdict"):  # a named tuple
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _read(kind: Any, value: Any, at: str) -> Any:
    """Return a plain value as what a type hint names."""
    if kind in _NAMES:
        _expect(_is_plain(kind, value), _NAMES[kind], value, at)
        return value
    base, arguments = get_origin(kind) or kind, get_args(kind)
    if base in (Union, UnionType):  # of one type and None
        one = next(each for each in arguments if each is not NoneType)
        return None if value is None else _read(one, value, at)
    if base is tuple:
        _expect(isinstance(value, list), "a list", value, at)
        return tuple(_read(arguments[0], each, f"{at}[{place}]") for place, each in enumerate(value))
    if base is Mapping:
        _expect(isinstance(value, dict), "an object with keys", value, at)
        keys, values = arguments
        return {keys(key): _read(values, each, f"{at}.{key}") for key, each in value.items()}
    _expect(isinstance(value, dict), "an object with keys", value, at)
    hints, optional = _fields(base)
    lacking, unknown = sorted(hints.keys() - optional - value.keys()), sorted(value.keys() - hints.keys())
    if lacking or unknown:
        said = [f"lacks {', '.join(lacking)}"] * bool(lacking) + [f"has {', '.join(unknown)}"] * bool(unknown)
        raise ValueError(f"{at or 'it'} {' and '.join(said)}; its keys are {', '.join(hints)}")
    return base(
        **{name: _read(hints[name], each, f"{at}.{name}".lstrip(".")) for name, each in value.items()}
    )


@cache
def _fields(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """Return a class's fields with their types, and the names of those that a file may lack."""
    optional = {each.name for each in fields(kind) if each.metadata} if is_dataclass(kind) else ()
    return get_type_hints(kind), frozenset(optional)


def _is_plain(base: type, value: Any) -> bool:
    if base is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is base


def _expect(holds: bool, wanted: str, value: Any, at: str) -> None:
    if not holds:
        raise ValueError(f"{at or 'it'} is {value!r:.60}; it must be {wanted}")
