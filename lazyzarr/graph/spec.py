"""What tasks carry: a description that plans itself where it arrives, small enough to travel with each task."""

from __future__ import annotations

import functools
import hashlib
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import cloudpickle
import numpy as np

from lazyzarr.errors import PlanError
from lazyzarr.graph.evaluate import BlockResult, StageRunner, Stopped
from lazyzarr.graph.node import Flat, Node, flatten, unflatten
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.plan import Output, Stages, plan_stages
from lazyzarr.graph.sink import Sink
from lazyzarr.graph.stage import Budget, Stage

__all__ = ["Shared", "Spec", "stop_run"]

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
    ) -> None:
        self._expected = expected
        self.outputs, self.budget, self.token = tuple(outputs), budget, token
        self.errors = dict(errors)
        self.shared: Shared | None = None
        self.stopped = False
        """Set once: no block starts, and nothing is written, from then on."""
        self.on_block: Callable[[int], None] | None = None
        """Told the number of the stage after each block that ran in this process."""
        self._idle: dict[int, list[StageRunner]] = {}
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
        flat, roots = flatten([output.node for output in self.outputs])
        sinks = [output.sink for output in self.outputs]
        digest = _blocks_digest(self.stages)
        return cloudpickle.dumps((flat, roots, sinks, self.budget, self.token, self.errors, digest))  # type: ignore[no-any-return]

    def __reduce__(self) -> tuple[Any, tuple[str, bytes]]:
        return load_spec, (self.token, self.pickled)

    def run_block(self, number: int, index: tuple[int, ...], values: Mapping[Node, Array]) -> BlockResult:
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

    def _run_block(self, number: int, index: tuple[int, ...], values: Mapping[Node, Array]) -> BlockResult:
        stage = self.stages.stages[number]
        with self._changed:
            for other in self._idle.keys() - {number}:
                del self._idle[other]  # their buffers are memory that this stage may need
            idle = self._idle.get(number)
            runner = idle.pop() if idle else None
        runner = runner or StageRunner(stage, values, lambda: self.stopped)
        with np.errstate(**self.errors):
            result = runner.run(index, self._places(stage))
        with self._changed:
            # Kept for the next block, with its buffers; one whose block failed is dropped.
            self._idle.setdefault(number, []).append(runner)
        if self.on_block is not None:
            self.on_block(number)
        return result

    def stop(self) -> None:
        """Lets no further block start or write, and waits for those that run in this process."""
        with self._changed:
            self.stopped = True
            self._changed.wait_for(lambda: self._running == 0)

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


# Runs that failed elsewhere, and those that this process may still be at work on.
_stopped: deque[str] = deque(maxlen=1000)
_loaded: weakref.WeakValueDictionary[str, Spec] = weakref.WeakValueDictionary()


@functools.lru_cache(maxsize=8)
def load_spec(token: str, pickled: bytes) -> Spec:
    """The spec of these bytes: one object a process, so that a worker plans once."""
    flat: Flat
    roots: list[int]
    sinks: list[Sink | None]
    flat, roots, sinks, budget, token, errors, digest = cloudpickle.loads(pickled)
    nodes = unflatten(flat, roots)
    outputs = [Output(node, sink) for node, sink in zip(nodes, sinks, strict=True)]
    spec = Spec(outputs, budget, token, errors, digest)
    _loaded[token] = spec
    # Looked at after it can be found: `stop_run` does both the other way round.
    spec.stopped = token in _stopped
    return spec


def stop_run(token: str) -> None:
    """Lets a run begin and write nothing more in this process, and waits for what it is at."""
    _stopped.append(token)
    spec = _loaded.get(token)
    if spec is not None:
        spec.stop()


def _blocks_digest(planned: Stages) -> str:
    """Text that is equal where the tasks of two plans do the same blocks."""
    digest = hashlib.blake2b(digest_size=16)
    for stage in planned.stages:
        for cuts in stage.layout.blocks:
            digest.update(np.append(len(cuts), cuts).astype(np.int64).tobytes())
    return digest.hexdigest()
