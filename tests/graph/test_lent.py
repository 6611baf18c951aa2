"""What users' functions are lent and what they give: kept, written to or filled again, and never a wrong element."""

from __future__ import annotations

import functools
import gc
import itertools
import threading
import time
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.graph import stack
from lazyzarr.graph.ops import blocks, lending, slicing
from lazyzarr.storage import MemoryStore

SHAPE = (24, 20)
CHUNKS = {"rows": (4, 20), "tiles": (5, 7), "small": (2, 20)}
RUNS = [("sync", 1), ("threads", 2)]


@pytest.fixture(autouse=True)
def _stacked_even_if_few(monkeypatch):
    monkeypatch.setattr(stack, "TILES", 1)


def values(dtype="f8"):
    return np.random.default_rng(3).integers(0, 100, SHAPE).astype(dtype)


def stored(chunks, dtype="f8"):
    z = lz.create_array(MemoryStore(), shape=SHAPE, chunks=chunks, dtype=dtype)
    z[...] = values(dtype)
    return lz.from_zarr(z)


def reduced(function, x):
    return lz.reduction(
        x,
        lambda block, axis, keepdims: function(block).sum(axis, keepdims=keepdims),
        aggregate=lambda part, axis, keepdims: part.sum(axis, keepdims=keepdims),
        axis=0,
        dtype="f8",
    )


def coarsened(function, x):
    return x.coarsen(lambda windows, axis: function(windows).sum(axis), {0: 2, 1: 2})


VERBS = {
    "map_blocks": lambda function, x: x.map_blocks(function, dtype="f8"),
    "map_blocks of another shape": lambda function, x: x.rechunk((-1, 4)).map_blocks(
        lambda block: function(block)[:1], chunks=((1,), x.rechunk((-1, 4)).chunks[1]), dtype="f8"
    ),
    "map_blocks, dropping an axis": lambda function, x: x.map_blocks(
        lambda block: function(block).sum(1), drop_axis=1, dtype="f8"
    ),
    "map_overlap": lambda function, x: x.map_overlap(function, depth=1, dtype="f8"),
    "map_overlap beyond the edge": lambda function, x: x.map_overlap(
        function, depth=1, boundary="reflect", dtype="f8"
    ),
    "elementwise": lambda function, x: lz.elementwise(function, x, dtype="f8"),
    "apply_gufunc": lambda function, x: lz.apply_gufunc(function, "(i)->(i)", x, output_dtypes="f8"),
    "apply_along_axis": lambda function, x: np.apply_along_axis(lambda line: function(line), 1, x),
    "coarsen": coarsened,
    "reduction": reduced,
}


SOURCES = {
    "chunks": lambda x: x,
    "computed": lambda x: x * 1 + 0,
    "joined": lambda x: np.roll(x, 3, axis=0),
    "rechunked": lambda x: x.rechunk((7, 6)),
    "a part": lambda x: x[1:-1, 2:],
    "turned": lambda x: x[::-1].T,
    "reshaped": lambda x: x.reshape(-1, 10),
    "of a function": lambda x: x.map_blocks(lambda block: block + 1, dtype="f8"),
}
USES = {"and more": lambda g: (g + 1) * 2 - g, "turned": lambda g: g - g[::-1]}


class Keeper:
    """A function that keeps what it is lent, and views of it, beside copies of what they showed then."""

    def __init__(self):
        self.kept, self.lock = [], threading.Lock()

    def __call__(self, block):
        views = [block, block[..., ::2], block.T[-1:], np.asarray(memoryview(block))]
        with self.lock:
            self.kept.extend((view, view.copy()) for view in views)
        return block * 2

    def check(self):
        assert self.kept
        for view, then in self.kept:
            np.testing.assert_array_equal(view, then)


class Refiller:
    """A function that fills one array of its own in each thread, and gives it or a view of it."""

    def __init__(self, view):
        self.own, self.view = threading.local(), view

    def __call__(self, block):
        buffers = self.own.__dict__.setdefault("buffers", {})
        out = buffers.get(block.shape)
        if out is None:
            out = buffers[block.shape] = np.empty(block.shape)
        np.multiply(block, 2, out=out)
        return out[...] if self.view else out


def doubled(block):
    return block * 2


def used(verb, function, chunks, source, use):
    """What is made of what a verb gives for a function of an array."""
    return USES[use](VERBS[verb](function, SOURCES[source](stored(chunks))))


@functools.cache
def expected(verb, chunks, source, use):
    return used(verb, doubled, chunks, source, use).compute(scheduler="sync")


@pytest.mark.parametrize("run", RUNS, ids=str)
@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
@pytest.mark.parametrize("verb", VERBS)
def test_what_a_function_keeps_stays_as_it_was(verb, chunks, run):
    for source, use in itertools.product(SOURCES, USES):
        keeper = Keeper()
        found = used(verb, keeper, chunks, source, use).compute(scheduler=run[0], num_workers=run[1])
        keeper.check()
        np.testing.assert_array_equal(found, expected(verb, chunks, source, use))


@pytest.mark.parametrize("run", RUNS, ids=str)
@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
@pytest.mark.parametrize("verb", VERBS)
def test_what_a_function_fills_again_is_taken_as_it_was(verb, chunks, run):
    for i, (source, use) in enumerate(itertools.product(SOURCES, USES)):
        filled = used(verb, Refiller(view=i // 2 % 2), chunks, source, use)
        found = filled.compute(scheduler=run[0], num_workers=run[1])
        np.testing.assert_array_equal(found, expected(verb, chunks, source, use))


def test_what_is_written_and_lent_stays_as_it_was(tmp_path):
    """Values are computed where they are written to; what a function keeps of them is elsewhere."""
    x, keeper = stored((4, 20)), Keeper()
    y = x + 1
    lz.store([y, y.map_blocks(keeper, dtype="f8")], [tmp_path / "y.zarr", tmp_path / "g.zarr"])
    keeper.check()
    keeper = Keeper()
    z = x + 2
    first, second = lz.compute(z, lz.elementwise(keeper, z, dtype="f8"))
    first[...] = 0
    keeper.check()
    np.testing.assert_array_equal(second, (values() + 2) * 2)


def test_what_is_kept_of_one_call_is_used_in_the_next():
    """The difference to the chunk before: a function with a memory, walked by one task."""

    class Before:
        last = None

        def __call__(self, block):
            last, self.last = self.last, block
            return np.zeros(block.shape) if last is None else last

    for chunks in [(2, 20), (4, 20)]:
        found = stored(chunks).map_blocks(Before(), dtype="f8").compute(scheduler="sync")
        expected = np.concatenate([np.zeros(chunks), values()[: -chunks[0]]])
        np.testing.assert_array_equal(found, expected)


TYPES = [
    *"f8 M8[ns] m8[us] S3 U3 ? >i2 c8".split(),
    [("a", "i4"), ("b", "f8")],
    "bfloat16",
    np.dtypes.StringDType(),
]


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_elements_of_any_type_are_lent_and_kept(dtype):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    dtype, kept = np.dtype(dtype), []
    numbers = np.arange(24, dtype="i4")
    a = np.array([(i, i / 2) for i in numbers], dtype) if dtype.names else numbers.astype(dtype)

    def keep(block):
        assert (block.dtype, block.flags.writeable) == (x.dtype, False)
        kept.append((block, block.copy()))
        return block

    z = lz.create_array(MemoryStore(), shape=a.shape, chunks=(4,), dtype=dtype)
    z[...] = a
    x = lz.from_zarr(z)
    for lazy, expected in [(x, a), (x.reshape(2, 12), a.reshape(2, 12)), (x[::-1], a[::-1])]:
        assert (lazy.map_blocks(keep, dtype=dtype).compute(scheduler="sync") == expected).all()
    assert all((block == then).all() for block, then in kept)


def unlocked(block):
    block.flags.writeable = True


def unlocked_by_another_name(block):
    block[1:].setflags(write=True)


def unlocked_below(block):
    while isinstance(block.base, np.ndarray):
        block = block.base
    block.setflags(write=True)


@pytest.mark.parametrize("unlock", [unlocked, unlocked_by_another_name, unlocked_below])
@pytest.mark.parametrize("verb", VERBS)
def test_what_is_lent_is_not_unlocked(verb, unlock):
    def change(block):
        unlock(block)
        block[...] = 0
        return block

    for source in SOURCES.values():
        x = source(stored((4, 20)))
        with pytest.raises(ValueError, match="WRITEABLE") as caught:
            VERBS[verb](change, x).compute(scheduler="sync")
        assert "copy()" in "".join(caught.value.__notes__)
    a = values()
    with pytest.raises(ValueError, match="WRITEABLE"):
        VERBS[verb](change, lz.from_array(a, chunks=(4, 20))).compute(scheduler="sync")
    np.testing.assert_array_equal(a, values())


def test_an_array_that_a_function_finds_again_is_copied():
    """Whoever refers weakly to what it gave may fill it again, too."""
    made = weakref.WeakValueDictionary()

    def fill(block):
        out = made.get(block.shape)
        if out is None:
            out = made[block.shape] = np.empty(block.shape)
        return np.multiply(block, 2, out=out)

    g = stored((4, 20)).map_blocks(fill, dtype="f8")
    np.testing.assert_array_equal((g - g[::-1]).compute(), values() * 2 - values()[::-1] * 2)


def test_blocks_made_of_nothing_are_taken_as_they_were():
    out = np.empty((4, 5))

    def fill(where):
        out[...] = where[0].start
        return out

    g = lz.from_map(fill, SHAPE, chunks=(4, 5), dtype="f8")
    rows = np.repeat(np.arange(0.0, 24, 4), 4)[:, None]
    np.testing.assert_array_equal((g - g[::-1]).compute(), np.broadcast_to(rows - rows[::-1], (24, 20)))


@pytest.mark.parametrize(
    "kind", [tuple, list, lambda pair: dict(enumerate(pair))], ids=["tuple", "list", "dict"]
)
def test_parts_of_a_reduction_are_taken_as_they_were(kind):
    """Parts that are several arrays, filled again in each call, and views of what was lent."""
    total = np.empty((1, 20))

    def chunk(block, axis, keepdims):
        return kind([np.sum(block, axis, keepdims=True, out=total), block])

    def both(parts, axis):
        return [sum(part[i].sum(axis, keepdims=True) for part in parts) for i in range(2)]

    x = stored((2, 20))
    found = lz.reduction(
        x,
        chunk,
        lambda parts, axis, keepdims: sum(both(parts, axis)),
        axis=0,
        combine=lambda parts, axis, keepdims: kind(both(parts, axis)),
        concatenate=False,
        dtype="f8",
    )
    for run in RUNS:
        result = found.compute(scheduler=run[0], num_workers=run[1])
        np.testing.assert_array_equal(result, values().sum(0) * 2)


@pytest.fixture
def left(monkeypatch):
    """How often a buffer was left to whoever keeps it."""
    seen, leave = Counter(), lending.leave

    def counted(piece):
        seen["left"] += 1
        leave(piece)

    monkeypatch.setattr(lending, "leave", counted)
    return seen


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS.keys())
@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_left_to_functions_that_keep_nothing(verb, chunks, left):
    """Their buffers are used again, and new arrays that they make are taken as they are."""
    given = []

    def look(block):
        result = block * 2
        given.append(result.ctypes.data)
        return result

    def same(block):
        return block

    for source in SOURCES.values():
        x = source(stored(chunks))
        for function in (look, same, lambda block: block[...], lambda block: np.ascontiguousarray(block)):
            VERBS[verb](function, x).compute(scheduler="sync")
    assert not left


class Named(np.ndarray):
    """An array of another class."""


def test_what_a_function_makes_is_not_copied(monkeypatch):
    """An array that nobody else refers to is the block, and so is a view of one."""
    taken, promised = [], blocks.promised

    def watched(values, *promise, copy):
        taken.append(not copy and promised(values, *promise, copy=copy) is values)
        return promised(values, *promise, copy=copy)

    monkeypatch.setattr(blocks, "promised", watched)
    x = stored((4, 20))
    for function in (
        doubled,
        lambda block: (block + 1)[...],
        lambda block: np.add(block, 1).T.T,
        lambda block: block.tolist(),
        lambda block: (block * 2).view(Named),
        np.sqrt,
        lambda block: np.concatenate([block, block])[: len(block)],
    ):
        x.map_blocks(function, dtype="f8").compute(scheduler="sync")
        assert taken
        assert all(taken)
        taken.clear()
    cached = np.zeros((4, 20))
    x.map_blocks(lambda block: cached, dtype="f8").compute(scheduler="sync")
    assert not any(taken)


def test_buffers_are_used_again_when_nothing_is_kept_any_more():
    """What was left to a function is gone with the last view of it."""
    keeper, before = Keeper(), len(lending._left)  # functions of other tests may still keep some
    stored((4, 20)).map_blocks(keeper, dtype="f8").compute(scheduler="sync")
    assert len(lending._left) > before
    keeper.kept.clear()
    gc.collect()
    assert len(lending._left) <= before


class Driver:
    """An array-like that fills one buffer again for each slice, as instruments' drivers and cached readers do."""

    shape, dtype = SHAPE, np.dtype("f8")

    def __init__(self, give, pause=0.0):
        self.give, self.pause, self.buffer = give, pause, np.empty(SHAPE)

    def __getitem__(self, where):
        found = values()[where]
        out = self.buffer[: found.shape[0], : found.shape[1]]
        out[...] = found
        time.sleep(self.pause)  # another thread has its turn
        return self.give(out)


GIVEN = {
    "a view": lambda out: out,
    "a buffer": lambda out: memoryview(out),
    "copies of some": lambda out: out.copy() if out.shape == (5, 7) else out,
}


@pytest.mark.parametrize("run", RUNS, ids=str)
@pytest.mark.parametrize("chunks", [*CHUNKS.values(), (24, 20)], ids=str)
@pytest.mark.parametrize("give", GIVEN.values(), ids=GIVEN.keys())
def test_an_array_like_may_fill_its_buffer_again(give, chunks, run):
    driver, v = Driver(give, 0.0005), values()
    x, again = (lz.from_array(driver, chunks=chunks) for _ in range(2))
    for lazy, expected in (
        (x, v),
        (x + 1, v + 1),
        (x - x[::-1], v - v[::-1]),
        (x - again[::-1], v - v[::-1]),
        (x.rechunk((7, 6)).sum(axis=0), v.sum(axis=0)),
        (np.roll(x, 3, axis=0).T, np.roll(v, 3, axis=0).T),
    ):
        found = lazy.compute(scheduler=run[0], num_workers=run[1])
        np.testing.assert_array_equal(found, expected)


def test_slices_of_an_array_like_that_are_its_own_are_not_copied():
    class Plain:
        shape, dtype = SHAPE, np.dtype("f8")

        def __getitem__(self, where):
            made = values()[where].copy()
            given.append(made.ctypes.data)
            return made

    given: list[int] = []
    x = slicing.sliced(Plain())
    for _ in range(3):
        found = x.get((slice(0, 4), slice(0, 20)))
        assert found.ctypes.data == given[-1]


def test_array_likes_whose_slices_are_their_own_are_asked_by_several_threads_at_once():
    class Slow:
        shape, dtype = SHAPE, np.dtype("f8")

        def __getitem__(self, where):
            if where[0].start:
                together.wait(10)
            return values()[where].copy()

    together, x = threading.Barrier(2), slicing.sliced(Slow())
    places = [(slice(at, at + 8), slice(0, 20)) for at in (0, 8, 16)]
    x.get(places[0])
    with ThreadPoolExecutor(2) as pool:
        for where, found in zip(places[1:], pool.map(x.get, places[1:]), strict=True):
            np.testing.assert_array_equal(found, values()[where])


def test_nobody_fills_a_buffer_again_while_it_is_copied():
    """Who began to ask beside others, while all slices were their own, is waited for."""

    class Late:
        shape, dtype = SHAPE, np.dtype("f8")

        def __getitem__(self, where):
            start = where[0].start
            if not start:
                return values()[where].copy()
            asked[start] += 1
            if asked[start] == 1:
                together.wait(10)
            if start == 16 and asked[start] == 1:
                again.wait(0.5)
            buffer[...] = values()[where]
            if start == 16:
                filled.set()
            elif asked[start] == 2:
                again.set()
                filled.wait(0.5)
            return buffer

    together, again, filled, asked = threading.Barrier(2), threading.Event(), threading.Event(), Counter()
    buffer, x = np.empty((8, 20)), slicing.sliced(Late())
    places = [(slice(at, at + 8), slice(0, 20)) for at in (0, 8, 16)]
    x.get(places[0])
    with ThreadPoolExecutor(2) as pool:
        for where, found in zip(places[1:], pool.map(x.get, places[1:]), strict=True):
            np.testing.assert_array_equal(found, values()[where])
