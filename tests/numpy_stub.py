"""Writes lazyzarr/numpy.pyi: to type checkers the functions of the lazy namespace, which are made when asked for.

Each function has the parameters that it has at run time. `python tests/numpy_stub.py` writes the stub, with the newest
NumPy that there is: an older one has not all names. tests/typing holds it to the code.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_overloads

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lazyzarr import creating, numpy_names, verbs
from tests import source

STUB = source.PACKAGE / "numpy.pyi"

# What NumPy has under this name and is no function of arrays, in all its versions and on all machines.
OWN = """
    bool bool_ bytes_ c_ complex128 complex64 complexfloating datetime64 dtype e errstate euler_gamma finfo floating
    float16 float32 float64 generic iinfo inexact inf int16 int32 int64 int8 int_ integer intp isdtype isscalar
    issubdtype longdouble mgrid nan ndarray ndenumerate ndindex newaxis number object_ ogrid pi promote_types s_
    signedinteger str_ timedelta64 uint uint16 uint32 uint64 uint8 uintp unsignedinteger void
""".split()

HEAD = """\
# Written by tests/numpy_stub.py from the functions themselves.

import builtins
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, overload

import numpy as np
{imports}
from numpy.typing import DTypeLike

from lazyzarr.graph.functions.unique import Unique
from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.ops.groups import How
from lazyzarr.graph.words import Axes, Axis, ChunksLike, Lengths

__all__ = {names}

class _Ufunc(Protocol):
    def reduce(
        self,
        array: Any,
        axis: Axes = 0,
        dtype: DTypeLike | None = None,
        keepdims: builtins.bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> LazyArray: ...
    def accumulate(self, array: Any, axis: Axis = 0, dtype: DTypeLike | None = None) -> LazyArray: ...

class _Unary(_Ufunc, Protocol):
    def __call__(self, x: Any, /, *, dtype: DTypeLike | None = None, casting: str = ...) -> LazyArray: ...

class _Binary(_Ufunc, Protocol):
    def __call__(self, x1: Any, x2: Any, /, *, dtype: DTypeLike | None = None, casting: str = ...) -> LazyArray: ...
    def outer(self, a: Any, b: Any, /) -> LazyArray: ...

class _UnaryPair(Protocol):
    def __call__(self, x: Any, /) -> tuple[LazyArray, LazyArray]: ...

class _BinaryPair(Protocol):
    def __call__(self, x1: Any, x2: Any, /) -> tuple[LazyArray, LazyArray]: ...

"""
KINDS = {(1, 1): "_Unary", (2, 1): "_Binary", (1, 2): "_UnaryPair", (2, 2): "_BinaryPair"}


def stub() -> str:
    """The text of the stub."""
    names = sorted(numpy_names.NAMES)
    own = [f"from numpy import {name} as {name}" for name in OWN]
    taken = [
        f"from {home.__name__} import {name} as {name}" for home in (creating, verbs) for name in home.__all__
    ]
    body = [_declared(name) for name in names if name not in (*creating.__all__, *verbs.__all__)]
    head = HEAD.format(imports="\n".join([*own, *taken]), names=numpy_names.NAMES)
    return head + "\n".join(body) + "\n"


def _declared(name: str) -> str:
    """The declaration of one function, or of its overloads."""
    if name in numpy_names._PLAIN:
        return f"{name} = {numpy_names._PLAIN[name].__name__}"
    if name in numpy_names._UFUNCS and name not in numpy_names._LAZY:
        function = numpy_names._UFUNCS[name]
        return f"{name}: {KINDS[function.nin, function.nout]}"
    lazy = numpy_names._LAZY[name]
    overloads = get_overloads(lazy)
    if overloads:
        return "\n".join(f"@overload\n{_definition(name, each)}" for each in overloads)
    return _definition(name, lazy)


def _definition(name: str, function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    parameters = [
        each.replace(
            annotation=Written(_type(each.annotation)),
            default=Written("...") if each.default is ... else each.default,
        )
        for each in signature.parameters.values()
    ]
    gives = Written(_type(signature.return_annotation))
    return f"def {name}{signature.replace(parameters=parameters, return_annotation=gives)}: ..."


def _type(annotation: str) -> str:
    """An annotation as users see it; NumPy's bool has the name of Python's here."""
    return re.sub(r"\bbool\b", "builtins.bool", re.sub(r"\bNode\b", "LazyArray", annotation))


class Written:
    """What a signature shows as it is written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def declarations(text: str) -> dict[str, str]:
    """What a stub says of each name, in one form however it is written."""
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = found.get(node.name, "") + ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{alias.asname}": ast.unparse(node) for alias in node.names if alias.asname}
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            target = ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])
            if target != "__all__":  # as many as this NumPy has
                found[target] = ast.unparse(node)
    return found


if __name__ == "__main__":
    STUB.write_text(stub())
    for words in (["format"], ["check", "--fix"]):
        subprocess.run(["ruff", *words, "--quiet", STUB], check=True)
