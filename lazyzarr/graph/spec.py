"""What tasks carry: a description that plans itself where it arrives, small enough to travel with each task."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import cloudpickle
import numpy as np

from lazyzarr.errors import PlanError
from lazyzarr.graph.evaluate import BlockResult, StageRunner, Stopped
from lazyzarr.graph.findings import Findings, Told
from lazyzarr.graph.floating import Found, elsewhere, floating_errors
from lazyzarr.graph.given import Needs
from lazyzarr.graph.leaves import Decoded
from lazyzarr.graph.node import Flat, Node, flatten, pack, unflatten, unpack
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.plan import Output, Stages, plan_stages
from lazyzarr.graph.sink import Sink
from lazyzarr.graph.stage import Budget, Stage

__all__ = ["Shared", "Spec", "end_run", "found_for", "load_spec", "obey", "stop_run"]

Array = np.ndarray[Any, Any]


class Shared:
    """What the tasks of a run share when they run in this process: the arrays that they write their results into."""

    def __init__(self, stages: Stages) -> None:
        self.values: dict[Node, Array] = {}
        """Finished reductions, reduced axes of length 1 until they are joined."""
        self.results: dict[Node, Array] = {
            output.node: _result(output.node) for output in stages.made if output.sink is None
        }
        for reduce in (reduce for stage in stages.stages for reduce in stage.reduces):
            self.values[reduce] = np.empty(reduce.kept_shape, reduce.dtype)


def _result(node: Node) -> Array:
    """Where an answer goes; a reduction's is made by its own stage."""
    return np.empty(0 if isinstance(node, Reduce) else node.shape, node.dtype)


class Spec:
    """Outputs, budget and workers: planned on first use, the same wherever that is.

    It pickles as the flat graph, and is unpickled once a process.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        budget: Budget,
        token: str,
        errors: Mapping[str, Any],
        expected: str | None = None,
        findings: Findings | None = None,
    ) -> None:
        self._expected = expected
        self.findings = findings
        """What goes wrong in floating point, where somebody tells of it after the run; None: each task does."""
        self.outputs, self.budget, self.token = tuple(outputs), budget, token
        self.errors = dict(errors)
        self.shared: Shared | None = None
        self.stopped = False
        """Set once: no block starts, and nothing is written, from then on."""
        self.on_block: Callable[[int], None] | None = None
        """Told the number of the stage after each block that ran in this process."""
        self._idle: dict[int, list[tuple[StageRunner, dict[Node, Any]]]] = {}
        self._needs: dict[int, Needs] = {}
        self._decoded: dict[int, list[Decoded]] = {}
        self._running = 0
        self._changed = threading.Condition(threading.Lock())

    @functools.cached_property
    def stages(self) -> Stages:
        """The plan. Raises PlanError where it came out otherwise in the process that asked for the run."""
        planned = plan_stages(self.outputs, self.budget)
        if self._expected not in (None, _blocks_digest(planned)):
            raise PlanError(
                "this worker cuts the run into other blocks than the process that asked for it, so nothing was "
                "computed here: the versions of lazyzarr and NumPy must be the same in both"
            )
        return planned

    @functools.cached_property
    def pickled(self) -> bytes:
        """The description as bytes."""
        flat, roots = flatten([output.node for output in self.outputs], for_workers=True)
        sinks = [_packed(output.sink, pack) for output in self.outputs]
        digest = _blocks_digest(self.stages)
        errors = elsewhere(self.errors)
        asked = self.findings is not None
        return cloudpickle.dumps((flat, roots, sinks, self.budget, self.token, errors, digest, asked))  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, tuple[str, bytes]]:
        return load_spec, (self.token, self.pickled)

    def needs(self, number: int) -> Needs:
        """What the blocks of a stage are given of Dask's arrays."""
        found = self._needs.get(number)
        if found is None:
            found = self._needs[number] = Needs(self.stages.stages[number])
        return found

    def run_block(self, number: int, index: tuple[int, ...], values: Mapping[Node, Any]) -> BlockResult:
        """Runs a block of a stage; `values` are the reductions that it reads. Raises Stopped once stopped."""
        with self.running():
            return self._run_block(number, index, values)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Within: `stop` waits for what is done here. Raises Stopped once stopped."""
        with self._changed:
            if self.stopped:
                raise Stopped
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _run_block(self, number: int, index: tuple[int, ...], values: Mapping[Node, Any]) -> BlockResult:
        stage = self.stages.stages[number]
        with self._changed:
            for other in self._idle.keys() - {number}:
                del self._idle[other]  # their buffers are memory that this stage may need
            idle = self._idle.get(number)
            runner, read = idle.pop() if idle else (None, {})
        read.update(values)
        if runner is None:
            runner = StageRunner(stage, read, self.is_stopped)
            self._decoded.setdefault(number, []).append(runner.decoded)
        with self.watched(number, index):
            result = runner.run(index, self._places(stage))
        with self._changed:
            # Kept for the next block, with its buffers; one whose block failed is dropped.
            self._idle.setdefault(number, []).append((runner, read))
        if self.on_block is not None:
            self.on_block(number)
        return result

    @contextmanager
    def watched(self, number: int, task: tuple[int | str, ...]) -> Iterator[None]:
        """Within: floating point errors are dealt with as the caller wants, for a task of a stage."""
        found = None if self.findings is None else Found()
        try:
            with floating_errors(self.errors, found):
                yield
        finally:
            if found and self.findings is not None:
                # Only a cluster runs a task again.
                once = self.shared is not None or _told is not None
                self.findings.add((number, () if once else task), self.stages.stages[number], found)

    def tell(self) -> None:
        """Warns of what was found until now, at the lines of the user's program."""
        if self.findings is not None:
            self.findings.tell(self.stages.stages)

    def decoded(self, number: int) -> int:
        """Bytes of stored arrays that the blocks of a stage have decoded in this process so far."""
        return sum(each.nbytes for each in tuple(self._decoded.get(number, ())))

    def is_stopped(self) -> bool:
        """Whether the run was stopped, here or, where this process obeys another one, there."""
        return self.stopped or (_told is not None and _told(self.token))

    def stop(self) -> None:
        """Lets no further block start or write, and waits for those that run in this process.

        An interrupt meanwhile is raised when they are at rest: what called may remove what they write to.
        """
        interrupted: KeyboardInterrupt | None = None
        while True:
            try:
                with self._changed:
                    self.stopped = True
                    self._changed.wait_for(lambda: self._running == 0)
                break
            except KeyboardInterrupt as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def rest(self) -> None:
        """Lets go of buffers that no block is using."""
        with self._changed:
            if self._running == 0:
                self._idle.clear()

    def release(self) -> None:
        """Lets go of all buffers."""
        with self._changed:
            self._idle.clear()
        self.shared = None

    def _places(self, stage: Stage) -> list[Array | None] | None:
        """Where a stage's answers go in this process, or None where they are handed on."""
        if self.shared is None:
            return None
        if stage.kind == "reduce":
            return [self.shared.values[reduce] for reduce in stage.reduces]
        return [self.shared.results.get(root) for root in stage.roots]


def _packed(sink: Sink | None, how: Callable[[Any], Any]) -> Sink | None:
    """A sink as it travels, without what it has worked out, or as it was before it did."""
    return None if sink is None else dataclasses.replace(sink, edges=how(sink.edges))


# What says whether a run was stopped by the process that asked for it, where this one works for it.
_told: Callable[[str], bool] | None = None
# Runs that failed elsewhere, and those that this process may still be at work on: one object each.
_stopped: deque[str] = deque(maxlen=1000)
_loaded: weakref.WeakValueDictionary[str, Spec] = weakref.WeakValueDictionary()
# The last ones are kept between their tasks.
_kept: OrderedDict[str, Spec] = OrderedDict()
# What was found for runs of other processes, until these ask for it.
_findings: OrderedDict[str, Findings] = OrderedDict()
_MOST_FINDINGS = 1000
_MOST_KEPT = 8
_loading = threading.RLock()


def obey(told: Callable[[str], bool]) -> None:
    """Lets runs in this process end when they are told so."""
    global _told
    _told = told


def load_spec(token: str, pickled: bytes) -> Spec:
    """The spec of these bytes: one object a process, so that a worker plans once."""
    with _loading:
        spec = _loaded.get(token)
        if spec is None:
            for other in list(_loaded.values()):
                other.rest()
            spec = _loaded[token] = _unpickled(pickled)
            # Looked at after it can be found: `stop_run` does both the other way round.
            spec.stopped = token in _stopped
        _kept[token] = spec
        _kept.move_to_end(token)
        if len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
        return spec


def _unpickled(pickled: bytes) -> Spec:
    flat: Flat
    roots: list[int]
    sinks: list[Sink | None]
    flat, roots, sinks, budget, token, errors, digest, asked = cloudpickle.loads(pickled)
    nodes = unflatten(flat, roots)
    outputs = [Output(node, _packed(sink, unpack)) for node, sink in zip(nodes, sinks, strict=True)]
    findings = _findings.setdefault(token, Findings()) if asked else None
    if len(_findings) > _MOST_FINDINGS:
        _findings.popitem(last=False)
    return Spec(outputs, budget, token, errors, digest, findings)


def stop_run(token: str) -> Told:
    """Lets a run begin and write nothing more in this process, and waits for what it is at; what it has found."""
    _stopped.append(token)
    spec = _loaded.get(token)
    if spec is not None:
        spec.stop()
    return found_for(token, last=True)


def end_run(token: str) -> Told:
    """Lets go of what a run that is over holds in this process; what it has found."""
    spec = _kept.pop(token, None) or _loaded.get(token)
    if spec is not None:
        spec.rest()
    return found_for(token, last=True)


def found_for(token: str, last: bool = False) -> Told:
    """What tasks in this process have found for a run of another one since it was asked; `last`: no more will ask."""
    findings = _findings.pop(token, None) if last else _findings.get(token)
    return {} if findings is None else findings.hand_over()


def _blocks_digest(planned: Stages) -> str:
    """Text that is equal where the tasks of two plans do the same blocks."""
    digest = hashlib.blake2b(digest_size=16)
    for stage in planned.stages:
        for cuts in stage.layout.blocks:
            digest.update(np.append(len(cuts), cuts).astype(np.int64).tobytes())
    return digest.hexdigest()
