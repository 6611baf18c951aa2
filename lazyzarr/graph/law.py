"""Laws of time: which of decoding, encoding, disk, memory and compute bounds a plan, by rates that are assumed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from lazyzarr.format.array import Array
from lazyzarr.format.stored import sampled_share
from lazyzarr.graph.node import Node
from lazyzarr.graph.ops.computed import Computed
from lazyzarr.graph.ops.elementwise import Elementwise
from lazyzarr.graph.ops.sources import ZarrSource
from lazyzarr.graph.ops.variances import Variance
from lazyzarr.graph.plan import Stages
from lazyzarr.graph.program import hulls_of
from lazyzarr.graph.region import volume
from lazyzarr.graph.stage import Stage

__all__ = ["Bound", "estimate"]

# Decoded bytes a second and core, in round numbers for float32 on a server's core; not measured where a plan is made.
# What a codec is not listed under takes the last. They tell tenfold differences, not tenths.
DECODE = {"blosc": 2.0e9, "lz4": 2.0e9, "zstd": 0.8e9, "gzip": 0.3e9, "zlib": 0.3e9, "": 0.5e9}
ENCODE = {"blosc": 0.8e9, "lz4": 0.8e9, "zstd": 0.4e9, "gzip": 0.04e9, "zlib": 0.04e9, "": 0.1e9}
# Bytes a second of a disk that is read for the first time, and of memory, for a core.
DISK, MEMORY = 1.0e9, 8.0e9
# What a chunk costs besides its bytes, in seconds: opened and closed, or made and put in place.
OPENED, MADE = 20e-6, 50e-6
# A server's answer, in seconds, and what comes over the network in bytes a second.
ANSWER, NETWORK = 50e-3, 100e6
# Nanoseconds an element.
CHEAP, DEAR, SORTED, COPIED = 0.4, 6.0, 40.0, 1.0
_DEAR = set(
    "exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh power float_power "
    "hypot cbrt remainder fmod floor_divide logaddexp logaddexp2".split()
)
_SORTING = set(
    "sort argsort sorted-runs topk argtopk median nanmedian percentile quantile nanpercentile nanquantile "
    "unique".split()
)


@dataclass(frozen=True)
class Bound:
    """Seconds that each of the resources is in use for, over all stages, at the assumed rates."""

    seconds: dict[str, float]
    workers: int
    rates: dict[str, str]
    """What was assumed of each resource."""
    unknown: tuple[str, ...] = ()
    """Functions of the user, whose time nobody knows."""

    @property
    def law(self) -> str:
        """What takes most of the time: decode, encode, disk, network, memory or compute."""
        return max(self.seconds, key=lambda name: self.seconds[name])

    @property
    def total(self) -> float:
        """Seconds."""
        return sum(self.seconds.values())

    def __str__(self) -> str:
        ranked = sorted(self.seconds, key=lambda name: -self.seconds[name])
        first, second, third = ranked[:3]
        words = f"bound by {first}: {self._told(first)}"
        if self.seconds[second] > 0:
            words += f"; then {second} {self._told(second)}"
        if self.seconds[third] > 0:
            words += f", {third} {_short(self.seconds[third])}"
        return words + (f"; besides {', '.join(self.unknown)}, of unknown cost" if self.unknown else "")

    def _told(self, name: str) -> str:
        rate = self.rates.get(name)
        return _short(self.seconds[name]) + (f" at {rate}" if rate else "")


def _short(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:,.0f} s"


def _rate(nbytes: float) -> str:
    return f"{nbytes / 1e9:g} GB/s"


def estimate(planned: Stages) -> Bound | None:
    """What bounds a plan; None where it has nothing to do."""
    seconds = dict.fromkeys(("decode", "encode", "disk", "network", "memory", "compute"), 0.0)
    rates = {"disk": _rate(DISK), "network": _rate(NETWORK), "memory": f"{_rate(MEMORY)} a core"}
    unknown: dict[str, None] = {}
    temporary = frozenset(spill.source for spill in planned.spills)
    for stage in planned.stages:
        at_once = max(1, min(planned.workers, stage.layout.tasks))
        for name, cost in _costs(stage, temporary, rates, unknown):
            seconds[name] += cost / (1 if name in ("disk", "network") else at_once)
    if not any(seconds.values()):
        return None
    return Bound(seconds, planned.workers, rates, tuple(unknown))


def _costs(
    stage: Stage, temporary: frozenset[Node], rates: dict[str, str], unknown: dict[str, None]
) -> Iterator[tuple[str, float]]:
    """Seconds on one core, by resource."""
    for reading in stage.readings:
        if isinstance(reading.leaf, ZarrSource):
            nbytes, chunks = reading.nbytes, reading.nbytes / max(reading.chunk_nbytes, 1)
            if reading.leaf in temporary:  # it will be there, as it is
                yield from _moved(reading.leaf.array, nbytes, chunks, OPENED)
            else:
                yield from _read(reading.leaf.array, nbytes, chunks, rates)
    for sink in stage.sinks:
        if sink is not None:
            nbytes = math.prod(stage.domain) * sink.itemsize
            units = math.prod(len(cuts) - 1 for cuts in sink.cuts(stage.domain))
            yield from _written(sink.handle.open(), nbytes, units, rates)
    moved = stage.decode + stage.made + stage.write + sum(root.nbytes for root in _kept(stage))
    yield "memory", 2 * moved / MEMORY
    yield "compute", _compute(stage, unknown)


def _kept(stage: Stage) -> list[Node]:
    """What a stage puts into memory as a result."""
    if stage.kind == "reduce":
        return list(stage.reduces)
    return [root for root, sink in zip(stage.roots, stage.sinks, strict=True) if sink is None]


def _read(array: Array, nbytes: float, chunks: float, rates: dict[str, str]) -> Iterator[tuple[str, float]]:
    name, rate = _codec(array, DECODE)
    share = sampled_share(array.store, array.path, array.metadata)
    if share == 0:
        return  # nothing is stored: chunks are the fill value
    if name:
        rates["decode"] = f"{_rate(rate)} a core ({name})"
        yield "decode", nbytes / rate
    yield from _moved(array, nbytes * (0.5 if share is None else share), chunks, OPENED)


def _written(array: Array, nbytes: int, units: int, rates: dict[str, str]) -> Iterator[tuple[str, float]]:
    name, rate = _codec(array, ENCODE)
    if name:
        rates["encode"] = f"{_rate(rate)} a core ({name})"
        yield "encode", nbytes / rate
    yield from _moved(array, nbytes * (0.5 if name else 1.0), units, MADE)


def _moved(array: Array, nbytes: float, chunks: float, each: float) -> Iterator[tuple[str, float]]:
    """Stored bytes on their way: from a disk, over a network, or nowhere at all."""
    in_flight = array.store.in_flight
    if in_flight > 1:
        yield "network", nbytes / NETWORK + chunks * ANSWER / in_flight
    elif array.store.reach != "thread":
        yield "disk", nbytes / DISK + chunks * each


def _codec(array: Array, table: dict[str, float]) -> tuple[str, float]:
    """The slowest of an array's codecs and its rate; no name where nothing is compressed."""
    names = [
        str(getattr(codec, "name", None) or getattr(codec, "codec_id", "")) for codec in array.compressors
    ]
    names = [
        name.removeprefix("numcodecs.")
        for name in names
        if name not in ("crc32c", "bytes", "crc32", "adler32")
    ]
    found = [(table.get(name, table[""]), name) for name in names]
    rate, name = min(found, default=(math.inf, ""))
    return name, rate


def _compute(stage: Stage, unknown: dict[str, None]) -> float:
    """Seconds on one core for what is computed with the values."""
    total = 0.0
    for node, regions in hulls_of(stage.roots, stage.domain, stage.inline).items():
        if node.calls_user and node.label not in _SORTING:
            unknown[node.label] = None
        else:
            total += _nanoseconds(node) * _elements(node) * sum(map(volume, regions))
    elements = math.prod(stage.domain)
    for reduce in stage.reduces:
        total += (3 if isinstance(reduce, Variance) else 1) * CHEAP * elements
    return total * 1e-9


def _elements(node: Node) -> float:
    """How many values are looked at for each element of a node: of lines that are reduced, all of them."""
    if not isinstance(node, Computed) or node.label not in _SORTING:
        return 1.0
    return max(1.0, math.prod(node.inputs[0].shape) / max(math.prod(node.shape), 1))


def _nanoseconds(node: Node) -> float:
    """For an element of a node."""
    wide = max(node.dtype.itemsize, 1) / 4
    if isinstance(node, Elementwise):
        return (DEAR if node.label in _DEAR else CHEAP) * wide
    if isinstance(node, Computed):
        return (SORTED if node.label in _SORTING else COPIED) * wide
    return 0.0
