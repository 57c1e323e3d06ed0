"""The sizes that an exported program leaves open, such as height // 2 + 1: which are worked out.

torch hands each to sympy, which evaluates it as Python. So a size is read here first, and let through if
it is arithmetic on named sizes and numbers that ends soon. torch 2.7 writes `s0 // 2 + 1`, later ones write
`Add(FloorDiv(Symbol('s0', positive=True, integer=True), Integer(2)), Integer(1))`.
"""

from __future__ import annotations

import ast
import re

LONGEST = 4000
"""Characters of a size."""
DEEPEST = 60
"""Calls and operators within each other."""
MOST_NAMES = 4
"""Different sizes within one. An image has three, and a batch one."""
HIGHEST = 6
"""Degree of a size: of (N H W)², say."""
_LARGEST = 10**12
_NAME = re.compile(r"[su]\d+")
_FUNCTIONS = (
    *("Add", "Sub", "Div", "Max", "Min", "Mod", "PythonMod", "FloorDiv", "CleanDiv", "CeilDiv", "IntTrueDiv"),
    *("FloatTrueDiv", "FloorToInt", "CeilToInt", "TruncToInt", "RoundToInt", "ToFloat"),
)
_POWERS = ("Pow", "PowByNatural")
_KEYWORDS = ("positive", "nonnegative", "integer")
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod)


def is_plain(size: str) -> bool:
    """Whether a size is arithmetic that is soon done: few names, of a low degree."""
    names = set(re.findall(r"[su]\d+", size))
    if len(size) > LONGEST or len(names) > MOST_NAMES or not size.isascii():
        return False
    try:
        return _degree(ast.parse(size, mode="eval").body, DEEPEST) <= HIGHEST
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _degree(node: ast.expr, deep: int) -> int:
    """Return the degree of a size in its names. A power has that of its exponent at least.

    Raises:
        ValueError: it is no such arithmetic.
    """
    if deep == 0:
        raise ValueError("nested too deep")
    if _number(node) is not None:
        return 0
    if _symbol(node):
        return 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        return _degree(node.operand, deep - 1)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, *_OPERATORS)):
        return _of_parts(type(node.op).__name__, [node.left, node.right], deep - 1)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords and node.args:
        return _of_parts(node.func.id, node.args, deep - 1)
    raise ValueError("no arithmetic")


def _of_parts(does: str, parts: list[ast.expr], deep: int) -> int:
    if does in _POWERS:
        base, exponent = parts
        if (times := _number(exponent)) not in (2, 3, 4):
            raise ValueError("a power of another kind")
        return int(times) * max(1, _degree(base, deep))
    degrees = [_degree(each, deep) for each in parts]
    if does in ("Mul", "Mult"):
        return sum(degrees)
    if does not in _FUNCTIONS:
        raise ValueError("another function")
    return max(degrees)


def _number(node: ast.expr) -> float | None:
    """The number that is written as `2`, `-2`, `1.5`, `Integer(2)` or `Float('1.5', precision=53)`."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand)
        return None if inner is None else -inner
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            return None
        return node.value if abs(node.value) < _LARGEST else None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or len(node.args) != 1:
        return None
    (given,) = node.args
    if node.func.id == "Integer" and not node.keywords:
        return None if isinstance(given, ast.Call) else _number(given)
    if node.func.id == "Float" and isinstance(given, ast.Constant) and isinstance(given.value, str):
        written = re.fullmatch(r"-?\d{1,12}(\.\d{1,20})?", given.value)
        known = all(each.arg == "precision" and _number(each.value) == 53 for each in node.keywords)
        return float(given.value) if written and known else None
    return None


def _symbol(node: ast.expr) -> bool:
    """Whether it is `s0` or `Symbol('s0', positive=True, integer=True)`."""
    if isinstance(node, ast.Name):
        return _NAME.fullmatch(node.id) is not None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "Symbol":
        return False
    named = len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value
    told = all(
        each.arg in _KEYWORDS and isinstance(each.value, ast.Constant) and isinstance(each.value.value, bool)
        for each in node.keywords
    )
    return isinstance(named, str) and _NAME.fullmatch(named) is not None and told
