"""The layout of the house: order of imports, no cycle, a purpose for each file, public names documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys

import pytest

from tests import source

# Optional or heavy packages, loaded on first use; everything else is imported at the head of a file.
ON_FIRST_USE = set("asyncio dask distributed donfig fsspec obstore rich threadpoolctl xarray".split())
HEAVY = ("dask", "distributed", "fsspec", "rich", "asyncio")
PUBLIC_MODULES = ["lazyzarr", "lazyzarr.errors", "lazyzarr.storage", "lazyzarr.codecs", "lazyzarr.numpy"]
MODULES = sorted(source.modules())
# tasks.py alone knows Dask's types, schedule.py alone calls a scheduler.
DASK_FILES = {"graph.tasks", "graph.schedule"}

# A parameter of this name needs one of these words in the docstring: its unit, or what its shape is.
WORDS = {
    "shape": ("shape",),
    "chunks": ("chunk",),
    "dtype": ("dtype", "data type"),
    "memory": ("byte", "MB", "GB"),
    "axis": ("axis", "axes"),
    "axes": ("axis", "axes"),
    "region": ("region",),
}


def test_no_import_cycle():
    graph = {name: source.imports(module) for name, module in source.modules().items()}
    assert source.cycle(graph) == []


def test_cycle_is_found():
    assert source.cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert source.cycle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize("name", MODULES)
def test_order(name):
    """A module imports only what stands before it."""
    here = source.place(name)
    assert here is not None, f"{name} has no place in tests/source.py ORDER"
    later = {n for n in source.imports(source.modules()[name]) if (source.place(n) or 0) > here}
    assert later == set()


@pytest.mark.parametrize("name", MODULES)
def test_imports_in_functions(name):
    """Inside functions stand only the packages that are loaded on first use."""
    assert source.foreign_imports_in_functions(source.modules()[name]) <= ON_FIRST_USE


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("graph.")])
def test_graph_reaches_storage_through_the_format_half(name):
    """graph/ imports no module of format/stores, and `lazy` is imported by no file of graph/."""
    imported = source.imports(source.modules()[name])
    assert [n for n in imported if n.startswith("format.stores") or n == "graph.lazy"] == []


@pytest.mark.parametrize("name", [name for name in MODULES if name not in DASK_FILES])
def test_dask_stays_in_its_files(name):
    assert source.foreign_imports(source.modules()[name]) & {"dask", "distributed"} == set()


@pytest.mark.parametrize("name", MODULES)
def test_purpose_stands_first(name):
    module = source.modules()[name]
    if not module.text.strip():
        return
    doc = ast.get_docstring(module.tree)
    assert doc, f"{name} does not say its purpose in its first line"
    assert module.text.startswith('"""'), f"{name} does not start with its purpose"
    assert doc.splitlines()[0].rstrip().endswith((".", ":", "?")), f"the first line of {name} is no sentence"


@pytest.mark.parametrize("name", [n for n in MODULES if not n.endswith("__init__")])
def test_all_is_declared_and_true(name):
    assigned = [n for n in source.modules()[name].tree.body if isinstance(n, ast.Assign | ast.AnnAssign)]
    assert any("__all__" in ast.dump(n) for n in assigned), f"{name} has no __all__"
    module = importlib.import_module(f"lazyzarr.{name}")
    assert [n for n in module.__all__ if not hasattr(module, n)] == []


def public_objects():
    """(dotted name, object) of every public function, class and public method, each object once."""
    seen = set()
    for module_name in PUBLIC_MODULES:
        if importlib.util.find_spec(module_name) is None:
            continue
        module = importlib.import_module(module_name)
        for name in module.__all__:
            yield from _documented(f"{module_name}.{name}", getattr(module, name), seen)


def _documented(name, thing, seen):
    if id(thing) in seen or not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return
    seen.add(id(thing))
    if not (getattr(thing, "__module__", None) or "").startswith("lazyzarr"):
        return
    yield name, thing
    if inspect.isclass(thing):
        for attribute, value in vars(thing).items():
            value = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            value = value.fget if isinstance(value, property) else getattr(value, "func", value)
            if not attribute.startswith("_") and inspect.isfunction(value):
                yield f"{name}.{attribute}", value


@pytest.fixture(scope="module")
def public():
    return list(public_objects())


def test_every_public_name_is_documented(public):
    assert [name for name, thing in public if not (inspect.getdoc(thing) or "").strip()] == []


def test_docstrings_begin_with_one_sentence(public):
    def sentence(thing):
        return re.match(r"[^\n]*[.:?]( |\n|$)", inspect.getdoc(thing) or "")

    assert [name for name, thing in public if not sentence(thing)] == []


def test_docstrings_name_shapes_and_units(public):
    missing = [
        f"{name}({parameter})"
        for name, thing in public
        for parameter in _parameters(thing)
        if parameter in WORDS and not any(word in _doc(thing) for word in WORDS[parameter])
    ]
    assert missing == []


def test_docstrings_name_errors(public):
    """A public function that raises an error itself says so."""
    said = re.compile(r"Error\b|[Rr]aises?\b|[Rr]efuse")
    assert [name for name, thing in public if _raises(thing) and not said.search(_doc(thing))] == []


def _doc(thing):
    return inspect.getdoc(thing) or ""


def _parameters(thing):
    try:
        return list(inspect.signature(thing).parameters)
    except (ValueError, TypeError):
        return []


def _raises(thing):
    if not inspect.isfunction(thing):
        return False
    try:
        tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(inspect.unwrap(thing))))
    except (OSError, SyntaxError):
        return False
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


def test_import_is_light():
    """Importing lazyzarr brings in neither Dask, fsspec, rich nor asyncio."""
    code = f"import sys, lazyzarr; print([n for n in {HEAVY!r} if n in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_public_names_do_not_shadow_modules():
    """`from .config import x` would rebind `lazyzarr.config`: only the public modules share a public name."""
    lazyzarr = importlib.import_module("lazyzarr")
    modules = {name for name in MODULES if "." not in name}
    faces = {name.partition(".")[2] for name in PUBLIC_MODULES}
    assert set(lazyzarr.__all__) & modules - faces == set()
