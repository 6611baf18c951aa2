"""The source of lazyzarr as syntax trees: its modules, who imports whom, its functions and their lengths."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "lazyzarr"

# The order of the house: a module imports only what stands before it.
# The modules that a star stands for share one place: they may import each other, in one direction only.
ORDER = """
    errors meant settings
    format.keys format.grid format.chunk_grids format.selection format.fancy format.axes format.pieces format.fills
    format.data_types.* format.dtypes format.documents
    format.metadata format.metadata_v2 format.metadata_v3
    format.os_calls format.stores.lru format.stores.protocol format.stores.keyed format.stores.memory
    format.stores.carried format.stores.mapping
    format.stores.failures format.stores.folders format.stores.files format.stores.chunk_files
    format.stores.local
    format.stores.remote format.stores.object_clients format.stores.object_conditions format.stores.objects
    format.stores.filesystems format.stores.object_options
    format.stores.zarr_python format.stores.zarr_face format.stores.zip_format format.stores.zip_spool
    format.stores.zip_files format.stores.zip_archive format.stores.zip
    format.stores.wrappers format.stores.prefix format.stores.calls format.stores.cache
    format.stores.split format.stores.older
    format.codecs.* format.watch format.requests format.chunk_source format.ahead format.behind
    format.chunk_update format.chunk format.chunk_stretch format.chunk_parts format.uneven format.cached_chunks
    format.leases format.gates format.locks format.workers format.chunk_loops
    format.stored format.consolidated format.lookup format.commit.*
    format.slots format.operators format.elements format.assign format.info format.tree format.resolve
    format.options format.layout format.views format.new_nodes
    format.attributes format.member format.array_codecs format.array_config format.array_facts format.indexing
    format.array_open format.array_forms format.array format.making
    format.likeness
    format.group_arrays format.group_members format.group format.creation format.open format.saving
    format.copy_log format.copy_store format.copying format.hierarchy format.aio format.debug_info
    graph.region graph.origins graph.telling graph.node graph.floating graph.ops.* graph.rules graph.words
    graph.chunking graph.layout graph.sink
    graph.packing graph.attributes graph.targets graph.program graph.access graph.below graph.reading graph.stack
    graph.registers graph.stage graph.draft
    graph.spreading graph.in_flight graph.temporary graph.order graph.long_lines graph.exchange graph.plan
    graph.blame graph.cures graph.check graph.optimize
    graph.locate graph.leaves graph.ahead graph.spoiled graph.bound graph.write graph.evaluate
    graph.given graph.findings graph.spec graph.combine graph.tasks graph.identity
    graph.cluster graph.processes graph.schedule graph.tally graph.progress graph.direct graph.run
    graph.outline graph.law graph.plan_text graph.svg graph.picture graph.display graph.drawing graph.explain
    graph.writing graph.storing graph.reducing graph.lift graph.wrapping graph.functions.*
    graph.facts graph.whole graph.operators graph.methods graph.block_methods graph.brackets
    graph.numpy_dispatch graph.missing graph.xarray_words graph.mixed graph.masked graph.collection graph.lazy
    storage codecs zarr2 verbs creating numpy_names numpy __init__ demo cli
""".split()


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str  # below lazyzarr: "format.keys"; a folder's own file is "format.__init__"
    path: Path
    text: str

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.path)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def modules() -> dict[str, Module]:
    """Every module of the package by name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name] = Module(name, path, path.read_text())
    return found


def place(name: str) -> int | None:
    """The place of a module in ORDER, or None; a folder's own file stands behind all it holds."""
    if name.endswith(".__init__"):
        inside = [i for i, entry in enumerate(ORDER) if entry.startswith(name.removesuffix("__init__"))]
        return max(inside, default=None)
    for i, entry in enumerate(ORDER):
        if entry == name or (entry.endswith(".*") and name.startswith(entry[:-1])):
            return i
    return None


def imports(module: Module) -> set[str]:
    """The modules of the package that one imports: anywhere, in functions and for type checking too."""
    found = set()
    for node in ast.walk(module.tree):
        for target, names in _imported(node, module):
            found |= {_module_of(target, name) for name in names}
    return {name for name in found if name is not None} - {module.name}


def foreign_imports(tree: Module | ast.AST) -> set[str]:
    """The top-level names of the other packages that a module, or one function, imports."""
    found = set()
    for node in ast.walk(tree.tree if isinstance(tree, Module) else tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
    return found - {"lazyzarr"}


def foreign_imports_in_functions(module: Module) -> set[str]:
    """The top-level names of the other packages that are imported inside functions."""
    return set().union(*(foreign_imports(function) for function in functions(module)))


def _imported(node: ast.AST, module: Module) -> list[tuple[str, list[str | None]]]:
    """(dotted target below lazyzarr, names taken from it) of one import statement of our own package."""
    if isinstance(node, ast.Import):
        ours = [alias.name for alias in node.names if alias.name.split(".")[0] == "lazyzarr"]
        return [(name.removeprefix("lazyzarr").lstrip("."), [None]) for name in ours]
    if not isinstance(node, ast.ImportFrom):
        return []
    if node.level:
        folder = module.name.split(".")[: -node.level]
        target = ".".join([*folder, *([node.module] if node.module else [])])
    elif (node.module or "").split(".")[0] == "lazyzarr":
        target = node.module.removeprefix("lazyzarr").lstrip(".")
    else:
        return []
    return [(target, [alias.name for alias in node.names])]


def _module_of(target: str, name: str | None) -> str | None:
    """The module that `from target import name` reads: target.name where that is a module, else target."""
    for candidate in (f"{target}.{name}" if target else name, target):
        for module in (candidate, f"{candidate}.__init__" if candidate else "__init__"):
            if module in modules():
                return module
    return None


def cycle(graph: dict[str, set[str]]) -> list[str]:
    """One cycle of a directed graph as the names along it, or nothing."""
    done: set[str] = set()
    for start in graph:
        stack = [(start, iter(sorted(graph[start])))]
        path = [start]
        while stack:
            rest = stack[-1][1]
            step = next((n for n in rest if n not in done), None)
            if step is None:
                stack.pop()
                done.add(path.pop())
            elif step in path:
                return [*path[path.index(step) :], step]
            else:
                path.append(step)
                stack.append((step, iter(sorted(graph.get(step, ())))))
    return []


def functions(module: Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods of a module."""
    return [n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end without those of the docstring."""
    body = function.body
    doc = body[0] if ast.get_docstring(function) else None
    return function.end_lineno - function.lineno + 1 - (doc.end_lineno - doc.lineno + 1 if doc else 0)
