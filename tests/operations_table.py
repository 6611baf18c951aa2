"""Writes docs/operations.md: each lazy operation with its kind of stage, its passes and what it holds.

Each row is tried: its operations are planned over a stored array and run by one task, which counts how often chunks
are read, and planned again over one that is twice as long, which tells whether what a task holds grows with it.
`python tests/operations_table.py` writes the document.
"""

from __future__ import annotations

import functools
import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.format.stores.wrappers import FaultStore
from lazyzarr.graph import stack
from lazyzarr.graph.functions.unique import Unique
from lazyzarr.graph.node import walk
from lazyzarr.graph.ops.scans import Scan
from lazyzarr.storage import MemoryStore
from tests import source

DOCUMENT = source.ROOT / "docs" / "operations.md"
BLOCK = re.compile(r"(<!-- operations -->\n)(.*?)(<!-- end of operations -->)", re.DOTALL)
COLUMNS = ("operations", "stage", "passes", "holds", "besides")
MAP, REDUCE, SCAN, EXCHANGE = "Map", "Reduce", "Scan", "Exchange"
CHUNKS, LINES = "chunks", "lines"
LENGTH, CHUNK = 48, 4
"""The length of the axis that is worked along, and of its chunks."""


@dataclass(frozen=True)
class Row:
    """Operations that are made alike."""

    operations: str
    """Separated by blanks; by commas where their names have blanks."""
    make: Callable[[str, Any], Any]
    """A lazy array, or several, from a name and the source."""
    besides: str = "-"
    """What is held besides decoded chunks and results, in words."""


@dataclass(frozen=True)
class Found:
    """What was found out about an operation."""

    kind: str
    passes: str
    holds: str


def call(*args: Any, **words: Any) -> Callable[[str, Any], Any]:
    """A function of the lazy namespace, called with the source and further arguments."""
    return lambda name, x: getattr(lnp, name)(x, *args, **words)


def listed(*args: Any, **words: Any) -> Callable[[str, Any], Any]:
    """A function of the lazy namespace, called with a list of two parts of the source."""
    return lambda name, x: getattr(lnp, name)([x[:, :3], x[:, 3:]], *args, **words)


def method(*args: Any, **words: Any) -> Callable[[str, Any], Any]:
    """A method of the source."""
    return lambda name, x: getattr(x, name)(*args, **words)


WHOLE = "whole lines, in blocks of 16 MB or as many as fit"
LONGER = f"{WHOLE}; of longer ones some values of each sorted run"
LABELS = np.arange(LENGTH * 2) % 3
EVERY = "sum prod mean var std min max amin amax any all count_nonzero ptp average"
NAN = "nansum nanprod nanmean nanvar nanstd nanmin nanmax"
ROWS = [
    Row("+ - * / // % ** & | ^ << >> ~ < <= > >= == != abs divmod", lambda name, x: operator_of(name, x)),
    Row(
        "ufuncs",
        lambda name, x: (np.sqrt(abs(x)), np.hypot(x, 3), *np.modf(x), np.add.outer(x[:, 0, 0], [1.0, 2.0])),
    ),
    Row("astype", method("f4")),
    Row("conj conjugate real imag angle", lambda name, x: part_of_complex(name, x)),
    Row("where", lambda name, x: lnp.where(x > 0, x, 0)),
    Row("select", lambda name, x: lnp.select([x > 1, x > 0], [x, -x])),
    Row("clip", call(-1, 1)),
    Row("round around nan_to_num tril triu", call()),
    Row("isin isclose digitize", call([1.0])),
    Row(
        "searchsorted interp",
        lambda name, x: lnp.searchsorted([1.0], x) if name != "interp" else lnp.interp(x, [1], [2]),
    ),
    Row("lz.elementwise", lambda name, x: lz.elementwise(np.sqrt, abs(x), dtype="f8")),
    Row("slices blocks", lambda name, x: (x[2:, ::2, -1], x.blocks[1])),
    Row(
        "T transpose rechunk",
        lambda name, x: x.T if name == "T" else getattr(x, name)(*[2] * (name == "rechunk")),
    ),
    Row("swapaxes moveaxis", call(0, 2)),
    Row("expand_dims", call(1)),
    Row("squeeze", lambda name, x: lnp.squeeze(x[:, :1])),
    Row("atleast_1d atleast_2d atleast_3d flip flipud fliplr rot90", call()),
    Row("broadcast_to", lambda name, x: lnp.broadcast_to(x, (2, *x.shape))),
    Row("array_split split", call(2, 0)),
    Row("concatenate", listed(axis=1), "a block of the result"),
    Row(
        "stack hstack vstack dstack column_stack block",
        lambda name, x: joined(name, x),
        "a block of the result",
    ),
    Row("append", lambda name, x: lnp.append(x, np.ones((2, 6, 8)), 0), "a block of the result"),
    Row("pad", call(1), "a block of the result"),
    Row("roll", call(5, axis=0), "a block of the result; a chunk at the seam twice"),
    Row("tile", call((2, 1, 1)), "a block of the result; once a copy"),
    Row("repeat", call(2, axis=0), "a block of the result"),
    Row("take", call([2, 7], axis=0), "a block of the result"),
    Row("delete", call([2, 7], axis=0), "a block of the result"),
    Row("oindex vindex x[[...]]", lambda name, x: picked(name, x), "a block of the result"),
    Row("diff", call(axis=0)),
    Row("reshape", lambda name, x: x.reshape(len(x), -1), "a block of the result"),
    Row("ravel flatten", method(), "a block of the result"),
    Row(
        "sliding_window_view",
        lambda name, x: lnp.sliding_window_view(x, 3, 0),
        "a block of the result for each place in the window; chunks that windows cut, twice",
    ),
    Row("x[mask] = value,", lambda name, x: changed(x, x > 0)),
    Row("x[slices] = value,", lambda name, x: changed(x, np.s_[3:9, ::2]), "a block of the result"),
    Row(
        "x[arrays] = value,",
        lambda name, x: changed(x, np.s_[[3, 30, 3]]),
        "a block of the result and the values",
    ),
    Row("map_blocks", lambda name, x: x.map_blocks(np.abs, dtype="f8"), "a block of the result"),
    Row(
        "map_overlap",
        lambda name, x: x.map_overlap(np.abs, depth=1, dtype="f8"),
        "a block of the result with its halo",
    ),
    Row("coarsen", lambda name, x: x.coarsen(np.mean, {0: 2}), "a block of the result"),
    Row("lz.from_map", lambda name, x: lz.from_map(lambda where: np.ones(4), 4, "f8") + x[:4, 0, 0]),
    Row("lz.apply_gufunc apply_along_axis", lambda name, x: of_lines(name, x), "whole core axes, of a block"),
    Row("array_equal allclose", lambda name, x: getattr(lnp, name)(x, x + 1)),
    Row(EVERY, call(axis=0), "one value (var: six, in float64) an element of the result"),
    Row(NAN, call(axis=0), "as above"),
    Row(
        "sum(where=), mean(where=), var(where=), std(where=), min(where=)",
        lambda name, x: reduced_where(name, x),
        "as above",
    ),
    Row("argmin argmax nanargmin nanargmax", call(axis=0), "a value and a place an element of the result"),
    Row(
        "ufunc.reduce",
        lambda name, x: (np.hypot.reduce(x), np.logaddexp.reduce(x)),
        "a value an element of the result",
    ),
    Row("x[mask].sum()", lambda name, x: (x[x > 0].mean(), x[x > 0].std(), x[x > 0].max())),
    Row(
        "lz.reduction",
        lambda name, x: lz.reduction(x, np.sum, np.sum, axis=0, dtype="f8"),
        "8 of what `chunk` gives",
    ),
    Row("histogram", lambda name, x: lnp.histogram(x, 10, (-3, 3))[0], "the bins"),
    Row("histogram without a range,", lambda name, x: lnp.histogram(x, 10)[0], "the bins"),
    Row("bincount", lambda name, x: lnp.bincount((x > 0).astype("i8").ravel(), minlength=2), "the counts"),
    Row(
        "groupby_reduce",
        lambda name, x: x.groupby_reduce(LABELS[: len(x)]),
        "one value (var: six) and a count a group",
    ),
    Row("topk argtopk", call(3, axis=0), "k values (and places) a line"),
    Row("unique", lambda name, x: lnp.unique(x), "the different values"),
    Row(
        "matmul dot tensordot",
        lambda name, x: getattr(lnp, name)(x[:, :, 0].T, x[:, 0], *[1] * (name[0] == "t")),
        "a block of the result; once for each block of it along the other's axis",
    ),
    Row("outer", lambda name, x: lnp.outer(x[0, 0], x[:, 0, 0]), "once for each block of the result"),
    Row("cumsum cumprod nancumsum nancumprod", call(axis=0), "a block of the result, and a value a line"),
    Row(
        "ufunc.accumulate",
        lambda name, x: np.maximum.accumulate(x),
        "a block of the result, and a value a line",
    ),
    Row("ffill", call(axis=0), "a block of the result, a value and a count a line"),
    Row("bfill", call(axis=0), "a block of the result, a value and a count a line"),
    Row("sort argsort", call(axis=0), LONGER),
    Row("median nanmedian", call(axis=0), LONGER),
    Row(
        "quantile nanquantile percentile nanpercentile",
        call(0.3, axis=0),
        LONGER,
    ),
]

# What makes arrays, tells of one, or computes: no operation on one.
NONE = {
    *(
        "shape ndim size dims attrs dtype chunks chunksize nbytes itemsize npartitions numblocks expr T mT".split()
    ),
    *("can_cast copy iscomplexobj isrealobj result_type".split()),
    *("compute result persist to_zarr to_dask_array to_xarray explain visualize item from_map".split()),
    *("arange array asanyarray asarray empty empty_like eye full full_like linspace ones ones_like".split()),
    *("from_dask_array zeros zeros_like".split()),
}


def operator_of(name: str, x: Any) -> Any:
    """The source with an operator."""
    whole = (x * 10).astype("i4")
    if name in ("abs", "divmod", "~"):
        return abs(x) if name == "abs" else divmod(x, 3) if name == "divmod" else ~whole
    return eval(f"{'whole' if name in ('&', '|', '^', '<<', '>>') else 'x'} {name} 2")


def part_of_complex(name: str, x: Any) -> Any:
    """A part of complex values."""
    values = x * 1j
    found = getattr(values, name) if name != "angle" else lnp.angle(values)
    return found() if name.startswith("conj") else found


def joined(name: str, x: Any) -> Any:
    """Two parts of the source, joined; of one axis where only these are."""
    two = x[:, :3], x[:, 3:]
    return getattr(lnp, name)([part[:, 0, 0] for part in two] if name == "column_stack" else list(two))


def picked(name: str, x: Any) -> Any:
    """Elements picked by arrays."""
    return x[[3, 1]] if name == "x[[...]]" else getattr(x, name)[[3, 1], [0, 2]]


def changed(x: Any, selection: Any) -> Any:
    """A copy of the source with other values."""
    copy = x + 0
    copy[selection] = 7
    return copy


def of_lines(name: str, x: Any) -> Any:
    """A function of whole lines."""
    if name == "apply_along_axis":
        return lnp.apply_along_axis(np.ptp, 0, x)
    return lz.apply_gufunc(lambda b: b.max(-1), "(i)->()", x, axis=0, output_dtypes="f8")


def reduced_where(name: str, x: Any) -> Any:
    """A reduction of what a mask picks."""
    words = {"initial": 3.0} if name.startswith("min") else {}
    return getattr(lnp, name.removesuffix("(where=)"))(x, axis=0, where=x > 0, **words)


def large_chunks() -> AbstractContextManager[Any]:
    """Within: the chunks are as large ones, of which none are stacked to one tile."""
    return mock.patch.object(stack, "STACK_BYTES", 1)


class Counted:
    """A stored array, and how often its chunks were read."""

    def __init__(self, length: int) -> None:
        self.reads: Counter[str] = Counter()
        store = FaultStore(MemoryStore(), self._count)
        self.array = lz.create_array(store, name="u", shape=(length, 6, 8), chunks=(CHUNK, 3, 4), dtype="f8")
        self.array[...] = np.random.default_rng(0).normal(size=self.array.shape)
        self.x = lz.from_zarr(self.array)
        self.reads.clear()

    def passes(self, made: Any) -> float:
        """How often each chunk that is read at all is read, when a lazy array is computed in one task."""
        self.reads.clear()
        with large_chunks():
            made.compute(scheduler="sync", num_workers=1)
        return sum(self.reads.values()) / max(len(self.reads), 1)

    def _count(self, verb: str, key: str, number: int) -> None:
        if verb == "get" and "/c/" in key:
            self.reads[key] += 1


@functools.cache
def counted(length: int) -> Counted:
    """The source of this length."""
    return Counted(length)


def probed(row: Row, name: str) -> Found:
    """What an operation turns out to do."""
    short, long = counted(LENGTH), counted(2 * LENGTH)
    made, longer = outputs(row, name, short.x), outputs(row, name, long.x)
    passes = max(short.passes(each) for each in made)
    most, more = (max(held(plan_of(each)) for each in arrays) for arrays in (made, longer))
    holds = LINES if more > 1.1 * most else CHUNKS
    kind = kind_of(made)
    if kind == MAP and holds == LINES and row.besides.startswith(WHOLE):
        kind = EXCHANGE
    return Found(kind, f"{passes:.2f}".rstrip("0").rstrip("."), holds)


def outputs(row: Row, name: str, x: Any) -> list[Any]:
    """The lazy arrays that a row makes of the source."""
    made = row.make(name, x)
    return list(made) if isinstance(made, (list, tuple)) else [made]


def plan_of(array: Any) -> Any:
    """The plan of an array in one task."""
    with large_chunks():
        return expression(array).explain(num_workers=1, scheduler="sync", memory="10GB")


def expression(array: Any) -> Any:
    """The lazy array; of different values the one that they are of."""
    return lz.LazyArray(array._found.node) if isinstance(array, Unique) else array


def held(plan: Any) -> int:
    """Bytes that a task holds at most."""
    return max(each.memory.task for each in plan._planned.stages)


def kind_of(made: list[Any]) -> str:
    """The kind of stage: Scan where anything is walked in its order, Reduce where anything is reduced."""
    nodes = walk([expression(array).__lazyzarr_node__ for array in made])
    if any(isinstance(node, Scan) for node in nodes):
        return SCAN
    stages = [each for array in made for each in plan_of(array).stages]
    found = any(isinstance(array, Unique) for array in made) or any(each.kind == "reduce" for each in stages)
    return REDUCE if found else MAP


def names_of(row: Row) -> list[str]:
    """The operations of a row."""
    return [name.strip() for name in row.operations.split("," if "," in row.operations else None) if name]


def table(found: dict[Row, list[Found]]) -> str:
    """The table in Markdown, one line for operations of a row that turned out alike."""
    lines = [f"| {' | '.join(COLUMNS)} |", "| --- | --- | --- | --- | --- |"]
    for row, own in found.items():
        for each in dict.fromkeys(own):
            names = [name for name, one in zip(names_of(row), own, strict=True) if one == each]
            shown = " ".join(f"`{name}`" for name in names).replace("|", "\\|")
            lines.append(f"| {shown} | {each.kind} | {each.passes} | {each.holds} | {row.besides} |")
    return "\n".join([*lines, ""])


def document() -> str:
    """The document with its table as it is found now."""
    found = {row: [probed(row, name) for name in names_of(row)] for row in ROWS}
    return BLOCK.sub(lambda block: block[1] + table(found) + block[3], DOCUMENT.read_text())


if __name__ == "__main__":
    DOCUMENT.write_text(document())
