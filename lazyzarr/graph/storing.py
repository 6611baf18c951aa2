"""Stores: several lazy arrays written at once, to new arrays, which appear together, and into those that are there.

An array that another one is made of, as a level of a pyramid, is read back where it was written: its sources are not
decoded again.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from lazyzarr.errors import ShapeMismatchError, WriteConflictError
from lazyzarr.format import commit
from lazyzarr.format.array import Array, ArrayHandle
from lazyzarr.format.metadata import ArrayMetadata
from lazyzarr.format.open import open_array
from lazyzarr.format.resolve import StoreLike
from lazyzarr.format.selection import parse_basic
from lazyzarr.format.stored import stored_bytes
from lazyzarr.graph.check import check, one_writer, target_is_no_source
from lazyzarr.graph.chunking import by_axis
from lazyzarr.graph.explain import Plan
from lazyzarr.graph.node import Node, make, walk
from lazyzarr.graph.ops.sources import Source, stored
from lazyzarr.graph.plan import Output, Stages
from lazyzarr.graph.plan_text import in_one_pass
from lazyzarr.graph.progress import progress_wanted, say
from lazyzarr.graph.run import Job, make_spec, refuse_changed_sources, run, where_it_runs
from lazyzarr.graph.schedule import Scheduler
from lazyzarr.graph.sink import Sink
from lazyzarr.graph.spec import Spec
from lazyzarr.graph.targets import NewTarget, TargetOptions, new_target
from lazyzarr.graph.writing import Publish, into_region

__all__ = ["Wanted", "known_mode", "plan_store", "store_nodes"]


@dataclass(frozen=True)
class Wanted:
    """A node and where it is to be written: a place for a new array, or an array that is there."""

    node: Node
    target: StoreLike | Array
    path: str | None = None
    region: Any = None
    """Of an array that is there: a selection, or slices by dimension name; None: all of it."""


@dataclass(frozen=True)
class Existing:
    """An array that is there, and what is to be written to it."""

    array: Array
    output: Output


Place = NewTarget | Existing


def store_nodes(
    wanted: Sequence[Wanted],
    options: TargetOptions,
    storage_options: Mapping[str, Any] | None,
    job: Job,
) -> list[Array]:
    """Writes all that is wanted and gives the opened arrays; new ones appear when all are complete, or none does.

    Raises WriteConflictError where two meet in a chunk, before anything is written.
    """
    places = _places(wanted, options, storage_options)
    turns = _turns(places)
    if len(turns) > 1:
        planned = _refuse_turns(places, turns, job)
        if progress_wanted(job.progress):
            say(in_one_pass(planned))
    staged: dict[int, commit.StagedArray] = {}
    try:
        for i, place in enumerate(places):
            if isinstance(place, NewTarget):
                staged[i] = place.stage()
        handles = {i: ArrayHandle.of(one.store, one.path, one.metadata) for i, one in staged.items()}
        for number, turn in enumerate(turns):
            outputs = _outputs(places, turn, handles, lambda i, target: target.staged_sink(staged[i]))
            last = number == len(turns) - 1
            if staged and last:
                run(outputs, job, Publish(tuple(staged.values())), lambda: _stored_bytes(places))
            else:
                run(outputs, job)
    except BaseException:
        for one in staged.values():
            one.discard()
        raise
    return [
        open_array(place.store, path=place.path, mode="r+") if isinstance(place, NewTarget) else place.array
        for place in places
    ]


# To count what more files than these hold takes a while.
MOST_COUNTED = 50_000


def _stored_bytes(places: Sequence[Place]) -> int | None:
    """The bytes that are stored at new places; None where counting them would take long."""
    targets = [place for place in places if isinstance(place, NewTarget)]
    chunks = sum(math.prod(target.metadata.grid.grid_shape) for target in targets)
    if chunks > MOST_COUNTED or any(target.store.in_flight > 1 for target in targets):
        return None
    return sum(stored_bytes(target.store, target.path) for target in targets)


def plan_store(
    wanted: Sequence[Wanted],
    options: TargetOptions,
    storage_options: Mapping[str, Any] | None,
    job: Job,
    write: Callable[[], Any],
) -> Plan:
    """The plan of a write; nothing is made until it runs."""
    places = _places(wanted, options, storage_options)
    specs = _make_specs(places, _turns(places), job)
    first, chosen = specs[0]
    return Plan(_together(specs), chosen.reach, write, where_it_runs(first, chosen))


def _make_specs(
    places: Sequence[Place], turns: Sequence[Sequence[int]], job: Job
) -> list[tuple[Spec, Scheduler]]:
    """The spec and the scheduler of each turn; nothing is made."""
    sinks = {i: place.planned() for i, place in enumerate(places) if isinstance(place, NewTarget)}
    handles = {i: sink.handle for i, sink in sinks.items()}
    return [make_spec(_outputs(places, turn, handles, lambda i, target: sinks[i]), job) for turn in turns]


def _together(specs: Sequence[tuple[Spec, Scheduler]]) -> Stages:
    """The stages of all turns, one turn after the other."""
    planned = specs[0][0].stages
    for spec, _ in specs[1:]:
        later = spec.stages
        planned = dataclasses.replace(
            planned,
            outputs=planned.outputs + later.outputs,
            stages=planned.stages + later.stages,
            made=planned.made + later.made,
            spills=planned.spills + later.spills,
            spills_why=planned.spills_why + later.spills_why,
        )
    return planned


def _refuse_turns(places: Sequence[Place], turns: Sequence[Sequence[int]], job: Job) -> Stages:
    """All turns as one plan. Raises what a later one would, and where it would read or write what an earlier one has
    written to.
    """
    specs = _make_specs(places, turns, job)
    for spec, chosen in specs:
        check(spec.stages, chosen.reach)
    planned = _together(specs)
    for law in (one_writer, target_is_no_source):
        law(planned, specs[0][1].reach)
    refuse_changed_sources([Output(_node(place)) for place in places])
    return planned


def known_mode(mode: str) -> str:
    """How an array is written: "w-", "w" or "r+". Raises ValueError for another mode."""
    if mode not in ("w-", "w", "r+", "a"):
        raise ValueError(
            f'mode={mode!r}: "w-" writes a new array, "w" replaces one, "r+" writes into one that is there'
        )
    return "w-" if mode == "a" else mode


def _places(
    wanted: Sequence[Wanted], options: TargetOptions, storage_options: Mapping[str, Any] | None
) -> list[Place]:
    """Where each node goes. Raises WriteConflictError for new arrays at or below the place of another one."""
    places = [_place(each, options, storage_options) for each in wanted]
    _keep_apart(places)
    return places


def _keep_apart(places: Sequence[Place]) -> None:
    """Raises WriteConflictError where a new array would be what another one is written to, or lie within it."""
    found = [(_sink(place).handle.place.split("/"), place) for place in places]
    for (outer, a), (inner, b) in itertools.pairwise(sorted(found, key=itemgetter(0))):
        if inner[: len(outer)] != outer or (isinstance(a, Existing) and isinstance(b, Existing)):
            continue
        where = f"for {_sink(a).url}" if inner == outer else f"at {_sink(a).url} and below it, {_sink(b).url}"
        raise WriteConflictError(
            f"store() has two arrays {where}: {_node(a).label} and {_node(b).label}. Nothing was "
            "written. Each array has a place of its own; regions= of one that is there may be several"
        )


def _place(wanted: Wanted, options: TargetOptions, storage_options: Mapping[str, Any] | None) -> Place:
    target = wanted.target
    if not isinstance(target, Array) and wanted.region is None and options.mode != "r+":
        return new_target(wanted.node, target, wanted.path, options, storage_options)
    _refuse_words(options)
    array = (
        target
        if isinstance(target, Array)
        else open_array(target, path=wanted.path, mode="r+", storage_options=storage_options)
    )
    selection = _selection(wanted, array)
    shape = parse_basic(selection, array.shape).out_shape
    if shape != wanted.node.shape:
        what = "the array there" if wanted.region is None else f"the region {wanted.region!r}"
        raise ShapeMismatchError(
            f"{array.store_path}: {what} has shape {shape}, and what is to be written there {wanted.node.shape}"
        )
    return Existing(array, into_region(array, selection, wanted.node))


def _refuse_words(options: TargetOptions) -> None:
    """Raises ValueError for words that describe a new array where there is one."""
    plain = {"chunks": "keep", "compressors": "auto", "filters": "auto", "serializer": "auto"}
    for field in dataclasses.fields(options):
        given = getattr(options, field.name)
        if (
            field.name != "mode"
            and given is not None
            and not (isinstance(given, str) and given == plain.get(field.name))
        ):
            raise ValueError(
                f"{field.name}= describes a new array; one that is there is written into as it is"
            )


def _selection(wanted: Wanted, array: Array) -> Any:
    """The region as a selection of the array."""
    if wanted.region is None:
        return ...
    if not isinstance(wanted.region, Mapping):
        return wanted.region
    named = tuple(array.dimension_names or (None,) * array.ndim)
    own = wanted.node.dims
    dims = named if any(named) or len(own) != array.ndim else own
    parts: list[Any] = [slice(None)] * array.ndim
    for axis, part in by_axis(wanted.region, dims).items():
        parts[axis] = part
    return tuple(parts)


Sinks = Callable[[int, NewTarget], Any]


def _outputs(
    places: Sequence[Place], turn: Sequence[int], handles: Mapping[int, ArrayHandle], sinks: Sinks
) -> list[Output]:
    """What one run writes; what an earlier one wrote is read back."""
    written = _read_back(places)
    outputs = []
    for i in turn:
        place = places[i]
        node = _node(place)
        stand_ins = {
            other: _stored(other, handles[number])
            for other, number in written.items()
            if number != i and other.shape != node.shape
        }
        node = _with(node, stand_ins)
        sink = sinks(i, place) if isinstance(place, NewTarget) else place.output.sink
        outputs.append(Output(node, sink))
    return outputs


def _node(place: Place) -> Node:
    return place.node if isinstance(place, NewTarget) else place.output.node


def _sink(place: Place) -> Sink:
    """Where a place's values go, before anything is made there."""
    if isinstance(place, NewTarget):
        return place.planned()
    assert place.output.sink is not None
    return place.output.sink


def _read_back(places: Sequence[Place]) -> dict[Node, int]:
    """Nodes that are written as they are to new arrays, and which place that is."""
    return {
        place.node: i
        for i, place in enumerate(places)
        if isinstance(place, NewTarget)
        and not isinstance(place.node, Source)
        and _exact(place.node, place.metadata)
    }


_EXACT = {"bytes", "transpose", "blosc", "zstd", "gzip", "crc32c", "sharding_indexed", "v2.compressor"}


def _exact(node: Node, metadata: ArrayMetadata) -> bool:
    """Whether values that are stored so are read again bit for bit."""
    names = [codec.name for codec in metadata.codecs]
    for codec in metadata.codecs:
        names += [each["name"] for each in codec.configuration.get("codecs", ())]
    return set(names) <= _EXACT and metadata.dtype == node.dtype and not node.dtype.hasobject


def _stored(node: Node, handle: ArrayHandle) -> Node:
    """A node's values where they were written."""
    return stored(handle, handle.nonce, node.shape, node.dtype, node.chunks, node.dims)


def _turns(places: Sequence[Place]) -> list[list[int]]:
    """The places in the order in which they are written: what is made of another comes after it.

    Those of one shape share a pass, and do not wait for each other.
    """
    written = _read_back(places)
    nodes = [_node(place) for place in places]
    turn: dict[int, int] = {}
    for i in sorted(range(len(places)), key=lambda i: len(walk([nodes[i]]))):
        below = [
            number
            for node in walk([nodes[i]])
            if (number := written.get(node, i)) != i and node.shape != nodes[i].shape
        ]
        turn[i] = max((turn.get(number, 0) + 1 for number in below), default=0)
    return [[i for i in turn if turn[i] == number] for number in range(max(turn.values(), default=0) + 1)]


def _with(root: Node, stand_ins: Mapping[Node, Node]) -> Node:
    """A node made of others in the place of some below it."""
    if not stand_ins:
        return root
    made: dict[Node, Node] = {}
    for node in walk([root], lambda node: () if node in stand_ins else node.inputs):
        if node in stand_ins:
            made[node] = stand_ins[node]
            continue
        inputs = tuple(made[source] for source in node.inputs)
        made[node] = node if inputs == node.inputs else make(type(node), inputs, node.params, node.origin)
    return made[root]
