"""The layout of the house: order of imports, no cycle, a purpose for each file, public names documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from typing import NamedTuple

import pytest

from lazyzarr.format.stores.protocol import Store
from tests import source

# Optional or heavy packages, loaded on first use; everything else is imported at the head of a file.
ON_FIRST_USE = set(
    "asyncio dask distributed donfig fsspec ml_dtypes msgpack obstore pcodec threadpoolctl xarray zarr".split()
)
PUBLIC_MODULES = ["lazyzarr", "lazyzarr.errors", "lazyzarr.storage", "lazyzarr.codecs"]
MODULES = sorted(source.modules())
# tasks.py alone knows Dask's types; schedule.py, processes.py and cluster.py call its schedulers.
DASK_FILES = {"graph.tasks", "graph.identity", "graph.schedule", "graph.processes", "graph.cluster"}
# What no file of graph/ calls on a store.
STORE_VERBS = {name for name, value in vars(Store).items() if inspect.isfunction(value)} - {"url"}

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


def test_order_names_what_is_there():
    assert set(source.ORDER) - {source.ORDER[source.place(name)] for name in MODULES} == set()


@pytest.mark.parametrize("name", MODULES)
def test_imports_in_functions(name):
    """Inside functions stand only the packages that are loaded on first use."""
    assert source.foreign_imports_in_functions(source.modules()[name]) <= ON_FIRST_USE


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("graph.")])
def test_graph_reaches_storage_through_the_format_half(name):
    """graph/ knows the type of a Store, but makes none and calls none of its verbs."""
    module = source.modules()[name]
    assert [n for n in source.imports(module) if re.match(r"format\.stores\.(?!protocol)", n)] == []
    calls = [node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    verbs = [
        f for f in calls if isinstance(f, ast.Attribute) and ast.unparse(f.value).split(".")[-1] == "store"
    ]
    assert [ast.unparse(f) for f in verbs if f.attr in STORE_VERBS] == []


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("graph.")])
def test_lazy_is_imported_by_no_file_of_graph(name):
    assert "graph.lazy" not in source.imports(source.modules()[name])


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


class Public(NamedTuple):
    """A public function, class or method; its docstring, and with it those of the methods it overrides."""

    name: str
    thing: object
    own: str
    doc: str


def public_objects():
    """Every public function, class and public method, each object once."""
    seen = set()
    for module_name in PUBLIC_MODULES:
        module = importlib.import_module(module_name)
        for name in module.__all__:
            thing = getattr(module, name)
            ours = (getattr(thing, "__module__", None) or "").startswith("lazyzarr")
            if ours and id(thing) not in seen and (inspect.isclass(thing) or inspect.isroutine(thing)):
                seen.add(id(thing))
                yield Public(f"{module_name}.{name}", thing, *[inspect.getdoc(thing) or ""] * 2)
                yield from public_methods(f"{module_name}.{name}", thing)


def public_methods(name, thing):
    for attribute, value in own_attributes(thing).items() if inspect.isclass(thing) else ():
        value = getattr(value, "__func__", value)
        value = value.fget if isinstance(value, property) else getattr(value, "func", value)
        if not attribute.startswith("_") and inspect.isfunction(value):
            overridden = [getattr(base, attribute, None) for base in thing.__mro__[1:]]
            docs = [inspect.getdoc(each) or "" for each in (value, *filter(None, overridden))]
            yield Public(f"{name}.{attribute}", value, docs[0], "\n".join(docs))


def own_attributes(thing):
    """What a class has of its own, and of lazyzarr's classes that it is put together from."""
    ours = [base for base in reversed(thing.__mro__) if base.__module__.startswith("lazyzarr")]
    return {name: value for base in ours for name, value in vars(base).items()}


@pytest.fixture(scope="module")
def public():
    return list(public_objects())


def test_every_public_name_is_documented(public):
    none([each.name for each in public if not each.own.strip()])


def test_docstrings_begin_with_one_sentence(public):
    sentence = re.compile(r"[^\n]*[.:?]( |\n|$)")
    none([each.name for each in public if not sentence.match(each.own)])


def test_docstrings_name_shapes_and_units(public):
    """Directly, or by saying whose parameter it is: "as `compute` takes them"."""
    missing = [
        f"{each.name}({parameter})"
        for each in public
        for parameter in parameters(each.thing)
        if parameter in WORDS and not any(word in each.doc for word in (*WORDS[parameter], "as `", "As `"))
    ]
    none(missing)


def test_docstrings_name_errors(public):
    """A public function that raises an error itself says so."""
    said = re.compile(r"Error\b|[Rr]aises?\b|[Rr]efuse")
    none([each.name for each in public if raises(each.thing) and not said.search(each.doc)])


def none(names):
    assert not names, "\n" + "\n".join(names)


def parameters(thing):
    try:
        return list(inspect.signature(thing).parameters)
    except (ValueError, TypeError):
        return []


def raises(thing):
    if not inspect.isfunction(thing):
        return False
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(thing))))
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


def test_public_names_do_not_shadow_modules():
    """`from .config import x` would rebind `lazyzarr.config`: only the public modules share a public name."""
    lazyzarr = importlib.import_module("lazyzarr")
    modules = {name for name in MODULES if "." not in name}
    faces = {name.partition(".")[2] for name in PUBLIC_MODULES}
    assert set(lazyzarr.__all__) & modules - faces == set()
