"""The types of the public face: what mypy finds out of a user's program, and whether it is true."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.format import slots
from lazyzarr.graph.brackets import Blocks
from lazyzarr.graph.functions.unique import Unique
from lazyzarr.graph.masked import Masked
from lazyzarr.graph.operators import Operators
from lazyzarr.graph.words import WriteOptions
from lazyzarr.zarr2 import NAMES as ZARR2_NAMES
from tests import numpy_stub, source
from tests.test_layout import own_attributes
from tests.typing import daily

HERE = Path(__file__).parent
# What has no narrower type, and why.
ANY = {
    "Array.__getitem__": "an array, or a scalar where integers pick one element",
    "Array.get_basic_selection": "as between brackets",
    "Array.get_orthogonal_selection": "as between brackets",
    "Array.fill_value": "a scalar of the array's own data type",
    "Array.serializer": "a codec: of ours, of a third party, or none",
    "Array.compressor": "a codec: of ours, of numcodecs, or none",
    "AsyncArray.getitem": "as Array's brackets",
    "AsyncArray.get_orthogonal_selection": "as Array's",
    "LazyArray.compute": "an array, or a scalar where there are no axes",
    "LazyArray.result": "as compute",
    "LazyArray.item": "a Python number, text, time: as the dtype says",
    "LazyArray.to_dask_array": "a dask.array, whose package publishes no types",
    "LazyArray.to_xarray": "an xarray.DataArray; xarray is loaded on first use",
    "Plan.run": "what compute or to_zarr gives",
    "apply_gufunc": "one array, or several: as the text of the signature says",
}
FACE = [*(getattr(lz, name) for name in lz.__all__), Masked, Unique, Blocks]


def mypy(*programs: str) -> str:
    """What mypy says of programs that know lazyzarr as an installed package, by none of its own settings."""
    words = "--strict --config-file= --follow-imports=silent --hide-error-context --no-error-summary".split()
    cache = f"--cache-dir={source.ROOT / '.mypy_cache' / 'users'}"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words, cache, *programs],
        capture_output=True,
        text=True,
        cwd=HERE,
        env=os.environ | {"MYPYPATH": str(source.ROOT)},
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


def test_what_mypy_says_of_users_programs():
    said = mypy("daily.py", "wrong.py")
    assert [line for line in said.splitlines() if line.startswith("daily.py")] == []
    found = {int(number) for number in re.findall(r"^wrong\.py:(\d+): error:", said, re.MULTILINE)}
    lines = (HERE / "wrong.py").read_text().splitlines()
    assert found == {i for i, line in enumerate(lines, start=1) if line.endswith("# wrong")}, said


@pytest.mark.parametrize("part", daily.PARTS, ids=lambda part: part.__name__)
def test_what_mypy_says_is_true(part, monkeypatch):
    """Run, the program has what mypy takes it to have."""
    checked = []

    def is_of_its_type(value, expected):
        checked.append(expected)
        assert fits(value, expected), f"{value!r} is no {expected}"
        return value

    monkeypatch.setattr(daily, "assert_type", is_of_its_type)
    daily.source()
    part()
    assert checked


def fits(value: Any, expected: Any) -> bool:
    """Whether a value is of a type, and what it holds of the types that it says."""
    origin, inner = get_origin(expected), get_args(expected)
    if expected is Any:
        return True
    if hasattr(origin, "__value__"):  # an alias, as NumPy's NDArray
        origin = get_origin(origin.__value__)
    if origin in (UnionType, Union):
        return any(fits(value, each) for each in inner)
    if origin is None:
        return value is None if expected is None else isinstance(value, expected)
    if not isinstance(value, origin):
        return False
    if origin is tuple:
        types = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return len(types) == len(value) and all(map(fits, value, types))
    if origin is dict:
        return all(fits(k, inner[0]) and fits(v, inner[1]) for k, v in value.items())
    return origin not in (list, Iterator) or all(fits(each, inner[0]) for each in value)


def test_false_types_are_found():
    assert fits((1, "a"), tuple[int, str])
    assert not fits((1, "a"), tuple[int, ...])
    assert not fits([lz.zeros(2)], list[lz.LazyArray])
    assert not fits({"a": 1}, dict[str, str])
    assert not fits(3, lz.Array | None)
    assert not fits(np.float64(1), np.ndarray[Any, np.dtype[Any]])


def callables() -> Iterator[tuple[str, Any]]:
    """Public functions and methods, and operators, by the names that users know."""
    for thing in FACE:
        if inspect.isfunction(thing):
            yield thing.__name__, thing
        elif inspect.isclass(thing):
            for name, value in own_attributes(thing).items():
                value = getattr(value, "__func__", value)
                value = value.fget if isinstance(value, property) else getattr(value, "func", value)
                shown = not name.startswith("_") or name in vars(Operators) or name == "__getitem__"
                if shown and inspect.isfunction(value):
                    yield f"{thing.__name__}.{name}", value


def test_every_public_name_says_what_it_gives():
    gives = {name: inspect.signature(each).return_annotation for name, each in callables()}
    assert [name for name, given in gives.items() if given is inspect.Signature.empty] == []
    assert {name for name, given in gives.items() if given in ("Any", Any)} == ANY.keys()


def test_parameters_have_types():
    untyped = [
        f"{name}({parameter.name})"
        for name, each in callables()
        for i, parameter in enumerate(inspect.signature(each).parameters.values())
        if parameter.annotation is inspect.Parameter.empty and not (i == 0 and "." in name)
    ]
    assert untyped == []


@pytest.mark.parametrize(
    ("verb", "own"),
    [
        (lz.LazyArray.to_zarr, {"self", "store", "path", "component", "region", "compute"}),
        (lz.store, {"sources", "targets", "regions", "lock", "compute"}),
    ],
)
def test_the_overloads_of_writes_take_what_the_verbs_take(verb, own):
    """A keyword that is added to one is to be added to the other: mypy takes the overloads alone."""
    signature = inspect.signature(verb)
    assert set(signature.parameters) - own == set(WriteOptions.__annotations__) | set(
        WriteOptions.__base__.__annotations__ if WriteOptions.__base__ is not dict else ()
    )


def test_stubs_are_two():
    """Types stand in the code, but where a name is made when asked for, or stands above."""
    stubs = {str(path.relative_to(source.PACKAGE)) for path in source.PACKAGE.rglob("*.pyi")}
    assert stubs == {"numpy.pyi", "format/slots.pyi"}


def test_the_stub_of_the_lazy_namespace_is_as_the_code_is():
    """`python tests/numpy_stub.py` writes it."""
    written = numpy_stub.declarations(numpy_stub.STUB.read_text())
    found = numpy_stub.declarations(numpy_stub.stub())
    assert {name: said for name, said in written.items() if found.get(name) != said}.keys() <= {
        name
        for name in written
        if not hasattr(np, name)  # of a newer NumPy
    }
    assert found.keys() - written.keys() == set()
    assert set(lnp.__all__) <= found.keys()
    assert [name for name in numpy_stub.OWN if getattr(lnp, name) is not getattr(np, name)] == []


def test_the_stub_of_the_slots_is_as_the_code_is():
    stub = ast.parse(Path(str(slots.__file__)).with_suffix(".pyi").read_text())
    said = {
        ast.literal_eval(node.value) if isinstance(node, ast.Expr) else tuple(ast.literal_eval(node.value))
        for node in stub.body
        if isinstance(node, ast.Assign)
    }
    assert said == {tuple(slots.__all__)}
    for node in stub.body:
        if isinstance(node, ast.FunctionDef):
            own = inspect.signature(getattr(slots, node.name)).parameters
            assert [argument.arg for argument in node.args.args] == list(own)


def test_completion_knows_every_name():
    x, z, g = lz.from_array(np.arange(3)), lz.zeros(3), lz.group()
    g["u"] = np.arange(3)
    for thing in (x, z, g, lz.LazyArray, lz.Array, lz.Group):
        kind = thing if inspect.isclass(thing) else type(thing)
        assert [name for name in own_attributes(kind) if name not in dir(thing)] == []
        assert len(set(dir(thing))) == len(dir(thing))
    assert "u" in dir(g)
    assert {"mean", "to_zarr", "groupby_reduce", "chunks", "T", "blocks", "compute"} <= set(dir(lz.LazyArray))
    assert set(lz.__all__) <= set(dir(lz))
    assert dir(lnp) == lnp.__all__


def test_names_of_zarr_python_2_are_known_to_checkers():
    module = ast.parse((source.PACKAGE / "__init__.py").read_text())
    taken = [
        node.names[0].name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module == "zarr2"
    ]
    assert set(taken) == ZARR2_NAMES


def test_public_names_are_known_to_checkers():
    """Each name is imported where a checker looks."""
    module = ast.parse((source.PACKAGE / "__init__.py").read_text())
    taken = [
        alias.asname for node in ast.walk(module) if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    assert set(lz.__all__) - set(taken) == {"config"}


def test_there_is_a_marker():
    """PEP 561: without it checkers do not look into the package."""
    assert (source.PACKAGE / "py.typed").is_file()
