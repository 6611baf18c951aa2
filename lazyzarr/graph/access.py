"""Access: the leaves of a stage, their chunk grids, and how many bytes a layout decodes of them."""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from lazyzarr.format.chunk_parts import PartsReader
from lazyzarr.format.chunk_source import AHEAD
from lazyzarr.format.grid import Axis, RectilinearGrid
from lazyzarr.graph.layout import Access, Cuts, most_together, sizes_to_cuts
from lazyzarr.graph.node import Chunks, Node, walk
from lazyzarr.graph.ops.blocks import MapBlocks
from lazyzarr.graph.ops.computed import Computed
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.ops.runs import Runs
from lazyzarr.graph.ops.sources import DaskSource, ForeignSource, MemorySource, ZarrSource
from lazyzarr.graph.program import Programs, hulls_of, joined_within, within_stage
from lazyzarr.graph.region import Region, hull, volume, whole

__all__ = [
    "Look",
    "accesses",
    "accesses_below",
    "block_capacities",
    "by_leaf",
    "decoded_bytes",
    "decoded_in",
    "held_bytes",
    "inline_nodes",
    "is_each_once",
    "labelled",
    "leaf_name",
    "programs_below",
    "ranked",
    "read_bytes_bound",
    "whole_box",
]


def accesses(roots: Sequence[Node], domain: tuple[int, ...], inline: frozenset[Node]) -> list[Access]:
    """What the whole domain needs of each leaf, in the order of the expression."""
    hulls = hulls_of(roots, domain, inline)
    found = []
    for node in reversed(hulls):
        if node.is_leaf and node not in inline:
            found.extend(_united([_access(node, region) for region in hulls[node]], domain))
    return [access for access in found if _is_reached(access, domain)]


def _is_reached(access: Access, domain: tuple[int, ...]) -> bool:
    """Whether any tile needs anything of the leaf: not every part of a joined array may be asked for."""
    ends = whole_box(domain)
    for own, span in enumerate(access.region):
        if span.within is not None and span.axis is not None:
            first, last = access.touched(own, *ends[span.axis], domain)
            if last[0] < first[0]:
                return False
    return True


# Of what is no leaf itself: what is known of it must not hold it.
_below: weakref.WeakKeyDictionary[Node, list[Access]] = weakref.WeakKeyDictionary()


def accesses_below(source: Node) -> list[Access]:
    """What an input of a computed node needs of each leaf, all blocks together."""
    found = _below.get(source)
    if found is None:
        found = accesses((source,), source.shape, joined_within((source,), source.shape))
        if all(access.leaf is not source for access in found):
            _below[source] = found
    return found


def by_leaf(found: Iterable[Access]) -> dict[Node, list[Access]]:
    """The accesses of each leaf."""
    result: dict[Node, list[Access]] = {}
    for access in found:
        result.setdefault(access.leaf, []).append(access)
    return result


def programs_below(source: Node) -> Programs:
    """The programs that give the boxes of an input of a computed node."""
    return Programs((source,), joined_within((source,), source.shape))


def _united(found: Sequence[Access], domain: tuple[int, ...]) -> list[Access]:
    """The accesses of one leaf, those as one that touch no more chunks so than apart."""
    apart: list[Access] = []
    for access in found:
        position = 0
        while position < len(apart):
            both = _both(access, apart[position], domain)
            if both is None:
                position += 1
            else:
                del apart[position]
                access, position = both, 0
        apart.append(access)
    return apart


def whole_box(shape: tuple[int, ...]) -> list[tuple[Cuts, Cuts]]:
    """The starts and stops, along each axis, of one box that is all of a shape."""
    return [(np.array([0]), np.array([n])) for n in shape]


def _both(one: Access, other: Access, domain: tuple[int, ...]) -> Access | None:
    """One access for what two joined parts of a leaf need of it, None where they are better apart."""
    if not one.decodes or all(span.within is None for span in (*one.region, *other.region)):
        return None
    spans = []
    for a, b, n in zip(one.region, other.region, one.leaf.shape, strict=True):
        span = hull(a._replace(within=None), b._replace(within=None))
        if span is None:
            return None
        if a.within or b.within:
            ends = [each.within or (0, n - 1) for each in (a, b)]
            span = span._replace(within=(min(low for low, _ in ends), max(high for _, high in ends)))
        spans.append(span)
    both = dataclasses.replace(one, region=tuple(spans))
    boxes = _chunks_of(max(one, other, key=lambda access: volume(access.region)), domain)
    apart = sum(decoded_in(access, boxes, domain) for access in (one, other))
    return both if decoded_in(both, boxes, domain) <= apart else None


def _chunks_of(access: Access, domain: tuple[int, ...]) -> list[tuple[Cuts, Cuts]]:
    """Boxes of the domain in each of which an access needs one chunk."""
    boxes = []
    for axis, n in enumerate(domain):
        cuts = access.boundaries(axis, domain)
        cuts = np.array([0, n]) if cuts is None else cuts
        boxes.append((cuts[:-1], cuts[1:]))
    return boxes


def _access(leaf: Node, region: Region) -> Access:
    grid, decodes = _grid(leaf)
    chunk = math.prod(int(np.diff(cuts).max(initial=0)) for cuts in grid)
    if isinstance(leaf, ZarrSource) and isinstance(
        reader_grid := leaf.array.parts_reader().grid, RectilinearGrid
    ):
        chunk = math.prod(reader_grid.chunk_shape)  # its last chunk may reach far beyond the array
    return Access(leaf, region, grid, chunk * leaf.dtype.itemsize if decodes else 0, decodes)


def _grid(leaf: Node) -> tuple[tuple[Cuts, ...], bool]:
    """The boundaries of what is read of a leaf at once, and whether reading it costs anything."""
    if isinstance(leaf, ZarrSource):
        return tuple(map(_axis_cuts, leaf.array.parts_reader().grid.axes)), True
    if isinstance(leaf, (Computed, ForeignSource, DaskSource)):
        return tuple(map(sizes_to_cuts, leaf.chunks)), True
    return tuple(np.array([0, n]) for n in leaf.shape), False


def _axis_cuts(axis: Axis) -> Cuts:
    starts = axis.starts(np.arange(axis.count, dtype=np.intp)).astype(np.int64)
    return np.append(starts, axis.n)


def ranked(found: Sequence[Access], domain: tuple[int, ...]) -> list[Access]:
    """The accesses, those first whose chunks should shape the tiles: the largest chunks, read or else held."""
    held = [_by_chunks(access) if isinstance(access.leaf, MemorySource) else access for access in found]
    return sorted(
        held, key=lambda access: (not access.decodes, -access.chunk_nbytes, -math.prod(access.leaf.shape))
    )


def _by_chunks(access: Access) -> Access:
    """An array in memory as if read by the chunks it was given: they decide where blocks are cut."""
    grid = tuple(map(sizes_to_cuts, access.leaf.chunks))
    return Access(access.leaf, access.region, grid, access.chunk_nbytes, access.decodes)


def decoded_bytes(found: Sequence[Access], blocks: Sequence[Cuts], domain: tuple[int, ...]) -> int:
    """Bytes of chunks, and of computed blocks, when each block decodes or makes every one that it touches once."""
    boxes = [(cuts[:-1], cuts[1:]) for cuts in blocks]
    return sum(decoded_in(access, boxes, domain) for access in found if access.decodes)


def decoded_in(access: Access, boxes: Sequence[tuple[Cuts, Cuts]], domain: tuple[int, ...]) -> int:
    """Bytes decoded for all boxes between these starts and stops along each axis."""
    count, moved = 1, set()
    for own, span in enumerate(access.region):
        starts, stops = boxes[span.axis] if span.axis is not None else (np.array([0]), np.array([1]))
        first, last = access.touched(own, starts, stops, domain)
        touched = last - first + 1
        if span.axis is None:
            touched = np.minimum(touched, max(span.count, 1))
        elif abs(span.rate) == span.step:
            # Steps longer than a chunk pass over some: no more are touched than there are elements.
            beyond = (span.last - span.start) // span.step + 1 - domain[span.axis]
            touched = np.minimum(touched, stops - starts + beyond)
        count *= int(touched.sum())
        moved.add(span.axis)
    for axis, (starts, _) in enumerate(boxes):
        if axis not in moved:
            count *= len(starts)
    return count * access.chunk_nbytes


def inline_nodes(
    roots: Sequence[Node], domain: tuple[int, ...], units: Sequence[Cuts] | None
) -> tuple[frozenset[Node], frozenset[Node]]:
    """The map_blocks nodes called tile by tile; and with them the joined arrays that programs read by parts."""
    calls = _inline_blocks(roots, domain, units)
    inline = calls | joined_within(roots, domain, calls)
    if calls and inline != calls:
        # What is joined may ask for a block at other places than the tile's.
        hulls = hulls_of(roots, domain, inline)
        if not all(_covers(node, hulls[node], domain) for node in calls):
            return frozenset(), joined_within(roots, domain)
    return calls, inline


def _inline_blocks(
    roots: Sequence[Node], domain: tuple[int, ...], units: Sequence[Cuts] | None
) -> frozenset[Node]:
    """The map_blocks nodes that can be called tile by tile, where their chunks are the stage's tiles."""
    inline: frozenset[Node] = frozenset()
    if not within_stage(roots, MapBlocks):
        return inline
    chunks: Chunks | None = None
    while True:
        hulls = hulls_of(roots, domain, inline)
        if not all(_covers(node, hulls[node], domain) for node in inline):
            return frozenset()
        new = set()
        for node, regions in hulls.items():
            if not isinstance(node, MapBlocks) or node in inline or not _covers(node, regions, domain):
                continue
            if chunks is None and _units_fit(node, units):
                chunks = node.chunks
            if node.chunks == chunks and all(_blocks_align(source, node) for source in node.inputs):
                new.add(node)
        if not new:
            return inline
        inline |= new


Look = Callable[[Node], list[Access]]
"""Gives what `accesses_below` does; one that remembers it, where several ask."""


def block_capacities(node: Computed, look: Look = accesses_below) -> dict[Node, int]:
    """For each leaf below a computed node, how many of its chunks are kept: those that a box touches, or one where
    each is needed once and no more."""
    result: dict[Node, int] = {}
    for source, intervals in zip(node.inputs, node.intervals(), strict=True):
        found = look(source)
        for leaf, own in by_leaf(found).items():
            once = len(found) == 1 and is_each_once(node, own[0], intervals)
            kept = 1 if once else most_together(own, intervals, source.shape)
            result[leaf] = result.get(leaf, 0) + kept
    return result


def is_each_once(node: Computed, access: Access, intervals: Sequence[tuple[Cuts, Cuts]]) -> bool:
    """Whether each chunk of a leaf goes to one block of a function alone."""
    source = node.inputs[0]
    return (
        isinstance(node, (MapBlocks, Runs))
        and len(node.inputs) == 1
        and all(span.within is None for span in access.region)
        and math.prod(len(starts) for starts, _ in intervals) == math.prod(map(len, node.chunks))
        and decoded_in(access, intervals, source.shape)
        == decoded_in(access, whole_box(source.shape), source.shape)
    )


def _covers(node: Node, regions: list[Region], domain: tuple[int, ...]) -> bool:
    """Whether each tile needs of a node the elements at its own place, and all tiles together all of it."""
    return node.shape == domain and regions == [whole(domain)]


def _units_fit(leaf: Node, units: Sequence[Cuts] | None) -> bool:
    """Whether what is written at once is whole blocks."""
    if units is None:
        return True
    return all(
        np.isin(unit, sizes_to_cuts(sizes)).all() for unit, sizes in zip(units, leaf.chunks, strict=True)
    )


def _blocks_align(source: Node, node: Node) -> bool:
    """Whether each block of the input has the place and extents of the output's, or is broadcast."""
    if source.ndim > node.ndim:
        return False
    own = node.chunks[node.ndim - source.ndim :]
    return all(n == 1 or sizes == out for n, sizes, out in zip(source.shape, source.chunks, own, strict=True))


def leaf_name(leaf: Node) -> str:
    """The word for a leaf in plans: the last part of the array's path, or what kind of array it is."""
    if isinstance(leaf, ZarrSource):
        named = leaf.handle.path or leaf.handle.place
        return (
            named.rstrip("/").rsplit("/", 1)[-1].removesuffix(".zarr")
            if "memory://" not in named
            else "array"
        )
    return leaf.label if isinstance(leaf, (Computed, Reduce)) else "array"


def labelled(node: Node) -> str:
    """What makes a node's values, and the largest stored array that it is made of: subtract-tas."""
    stored = [each for each in walk([node]) if isinstance(each, ZarrSource)]
    name = leaf_name(max(stored, key=lambda each: each.nbytes)) if stored else "array"
    return node.label if name == "array" else f"{node.label}-{name}"


def held_bytes(access: Access, chunks: int) -> int:
    """Bytes of so many decoded chunks of a leaf, and of the blocks that reading it keeps, of which a part was taken."""
    reader = access.leaf.array.parts_reader() if isinstance(access.leaf, ZarrSource) else None
    blocks = reader.kept_nbytes if isinstance(reader, PartsReader) else 0
    return chunks * access.chunk_nbytes + blocks


def read_bytes_bound(access: Access) -> int:
    """Bytes that an encoded chunk may take while it is read."""
    leaf = access.leaf
    if not isinstance(leaf, ZarrSource):
        return 0
    reader = leaf.array.parts_reader()
    if isinstance(reader, PartsReader):
        return reader.encoded_nbytes + access.chunk_nbytes  # where it goes may be no place to decode into
    bound = access.chunk_nbytes + access.chunk_nbytes // 8 + 65536 + reader.chain.working_nbytes
    if leaf.array.metadata.shards is None:
        return bound
    return bound + min(AHEAD, math.prod(leaf.array.metadata.chunk_shape) * leaf.dtype.itemsize)
