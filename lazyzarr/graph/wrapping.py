"""Wrapping: differences of unsigned integers, which wrap around below 0, are told of where a program makes them."""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from lazyzarr.errors import UnsignedWrapWarning
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.elementwise import Constant, Elementwise, ufunc
from lazyzarr.graph.ops.joined import Extremum
from lazyzarr.graph.origins import Origin, caller, line_of_code, place_of
from lazyzarr.graph.telling import tell

__all__ = ["called", "tell_of_wrapping"]

Operand: TypeAlias = Node | Constant

# By the bytes of what wraps: the least dtype that holds all differences, or nearly holds them.
_WIDER = {1: "i2", 2: "i4", 4: "i8", 8: "f8"}
# What is shown of calls whose text is not at hand: before, and with the cure.
_PLAIN = {
    "subtract": ("a difference", "x.astype({wider}) - y"),
    "negative": ("a negative", "-x.astype({wider})"),
    "diff": ("np.diff(x)", "np.diff(x.astype({wider}))"),
}


def called(function: np.ufunc, *operands: Operand, **keywords: Any) -> Elementwise:
    """The node of a ufunc that the user's program calls; warns where its values can wrap around below 0."""
    node = ufunc(function, *operands, **keywords)
    if node.dtype.kind == "u" and "dtype" not in keywords and _can_wrap(function, operands):
        tell_of_wrapping(function.__name__, node.dtype, _first_node(operands))
    return node


def _can_wrap(function: np.ufunc, operands: Sequence[Operand]) -> bool:
    """Whether unsigned values may lie below 0 without wrapping; False where they clearly do not."""
    if function is np.negative:
        return True
    if function is not np.subtract:
        return False
    one, two = operands
    if isinstance(two, Constant):
        return bool(two.value != 0)
    if isinstance(one, Constant):
        most = 1 if two.dtype.kind == "b" else np.iinfo(two.dtype).max
        return int(one.value) < most  # NumPy's own bools do not compare with all of Python's integers
    return not (one is two or _is_extremum(two, np.minimum, one) or _is_extremum(one, np.maximum, two))


def _is_extremum(node: Node, function: np.ufunc, of: Node) -> bool:
    """Whether each value of a node is an extremum of values that it meets of another one, as they are broadcast."""
    if not isinstance(node, Extremum) or node.operand is not of or node.params[3][0] is not function:
        return False
    axes, kept = node.axes, node.params[1]
    return kept or axes == tuple(range(len(axes)))


def _first_node(operands: Sequence[Operand]) -> int:
    return next(i for i, operand in enumerate(operands) if isinstance(operand, Node))


def tell_of_wrapping(name: str, dtype: np.dtype[Any], operand: int = 0) -> None:
    """Warns at the user's line that what is called there can wrap; `operand`: which one is to be cast."""
    origin = caller()
    file, line = line_of_code(origin)
    tell(_text(origin, name, dtype, operand), UnsignedWrapWarning, file or "lazyzarr", line)


@functools.lru_cache(256)
def _text(origin: Origin | None, name: str, dtype: np.dtype[Any], operand: int) -> str:
    """What is told: the call, its dtype, the place, and what to write instead."""
    place, wider = place_of(origin), f'"{_WIDER[dtype.itemsize]}"'
    shown, cure = _PLAIN[name]
    cure = cure.format(wider=wider)
    if place is not None and place.text:
        shown = place.text
        cure = _with_cast(shown, name, wider, operand) or cure
    where = f" ({place})" if place is not None else ""
    return f'{shown} is {dtype} and can wrap below 0{where}; {cure} or from_zarr(..., dtype="f4") cannot'


def _with_cast(text: str, name: str, wider: str, operand: int) -> str | None:
    """The user's expression in a wider dtype; None where its text is another one, or cut off."""
    try:
        call = ast.parse(text, mode="eval").body
    except SyntaxError:
        return None
    if isinstance(call, ast.Call) and name != "diff":
        return None if call.keywords else f"{text[:-1]}, dtype={wider})"
    part = _part_to_cast(call, name, operand)
    if part is None:
        return None
    source, start, stop = text.encode(), part.col_offset, part.end_col_offset or 0
    before, inner, after = (each.decode() for each in (source[:start], source[start:stop], source[stop:]))
    in_brackets = before.endswith("(") and after.startswith(")") and not isinstance(call, ast.Call)
    if not in_brackets and not isinstance(part, (ast.Name, ast.Attribute, ast.Subscript, ast.Call)):
        inner = f"({inner})"
    cast = f".astype({wider})"
    return f"{before}{inner}){cast}{after[1:]}" if in_brackets else f"{before}{inner}{cast}{after}"


def _part_to_cast(call: ast.expr, name: str, operand: int) -> ast.expr | None:
    """The operand that is to be cast, where the text is that of the call."""
    if isinstance(call, ast.BinOp) and isinstance(call.op, ast.Sub) and name == "subtract":
        return (call.left, call.right)[operand]
    if isinstance(call, ast.UnaryOp) and isinstance(call.op, ast.USub) and name == "negative":
        return call.operand
    return call.args[0] if isinstance(call, ast.Call) and name == "diff" and call.args else None
