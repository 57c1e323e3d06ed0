"""Digests of code: what was measured holds as long as the code that decides it does the same."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from typing import Any

from driftloop.files import digest_json


def digest_of(sources: Iterable[str], facts: Any) -> str:
    """Digest what Python code does, whatever its comments and docstrings say, and the facts it works on."""
    return digest_json([[_bare(source) for source in sources], facts])[:12]


@cache
def _bare(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        match node:
            case (
                ast.Module(body=body)
                | ast.ClassDef(body=body)
                | ast.FunctionDef(body=body)
                | ast.AsyncFunctionDef(body=body)
            ):
                body[:] = [each for each in body if not _is_text(each)]
    return ast.unparse(tree)  # from Python 3.12 on f-strings look otherwise: its cells are measured anew


def _is_text(node: ast.stmt) -> bool:
    """Tell whether a statement is a text alone: a docstring."""
    match node:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False
