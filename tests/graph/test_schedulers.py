"""Schedulers: threads, sync, processes, a cluster and dask.compute give equal results, and refuse the same things."""

from __future__ import annotations

import multiprocessing
import os
import pathlib
import pickle
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing.pool import ThreadPool

import dask
import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import PlanError, StoreReachError
from lazyzarr.format.keys import is_reserved
from lazyzarr.graph import cluster as clusters
from lazyzarr.graph import spec as specs
from lazyzarr.graph import spreading
from lazyzarr.graph.evaluate import Stopped
from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.plan import Output
from lazyzarr.graph.run import Job, make_spec
from lazyzarr.graph.tasks import build_graph, final_key
from lazyzarr.settings import cpu_count
from lazyzarr.storage import MemoryStore
from tests.graph.conftest import values

EXPRESSIONS = {
    "sum": (lambda x: x.sum(), np.sum),
    "minimum": (lambda x: x.min(axis=1), lambda a: a.min(axis=1)),
    "any": (lambda x: (x > 998).any(axis=0, keepdims=True), lambda a: (a > 998).any(axis=0, keepdims=True)),
    "map": (lambda x: x[::-1] * 2 + 1, lambda a: a[::-1] * 2 + 1),
    "map of a reduction": (lambda x: x - x.max(axis=0), lambda a: a - a.max(axis=0)),
    "reduction of a reduction": (lambda x: (x - x.min()).sum(axis=0).max(), lambda a: a.sum(axis=0).max()),
    "map_blocks": (lambda x: x.map_blocks(np.negative, dtype="f8")[5:], lambda a: -a[5:]),
    "with an array in memory": (lambda x: x + np.arange(1000.0), lambda a: a + np.arange(1000.0)),
}
STATISTICS = {
    "mean": (lambda x: x.mean(axis=0), lambda a: a.mean(axis=0)),
    "std": (lambda x: x.std(), np.std),
}


def same(got, expected):
    assert type(got) is type(expected)
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)


def equal_everywhere(x, how):
    a = values()
    for build, truth in EXPRESSIONS.values():
        same(build(x).compute(**how), truth(a))
    for build, truth in STATISTICS.values():
        np.testing.assert_allclose(build(x).compute(**how), truth(a), rtol=1e-14)
    answers = lz.compute(*(build(x) for build, _ in EXPRESSIONS.values()), **how)
    for got, (_, truth) in zip(answers, EXPRESSIONS.values(), strict=True):
        same(got, truth(a))


@pytest.mark.parametrize("scheduler", ["threads", "sync", "processes"])
def test_local_schedulers_give_equal_results(x, scheduler):
    equal_everywhere(x, {"scheduler": scheduler, "num_workers": 2})


def test_a_cluster_gives_equal_results(x, client):
    equal_everywhere(x, {"scheduler": client})


@pytest.mark.parametrize("scheduler", ["threads", "sync", "synchronous", "processes"])
def test_dask_runs_it_as_it_is_told(x, scheduler):
    y, truth = x - x.max(axis=0), values() - values().max(axis=0)
    same(dask.compute(y, scheduler=scheduler)[0], truth)
    with dask.config.set(scheduler=scheduler, num_workers=2):
        same(dask.compute(y)[0], truth)
        same(y.compute(), truth)
        total, least = dask.compute(x.sum(), {"least": x.min(axis=0)})
    same(total, values().sum())
    same(least["least"], values().min(axis=0))


def test_dask_runs_it_on_a_cluster(x, client):
    with client.as_current():
        total, centred = dask.compute(x.sum(), x - x.max(axis=0), scheduler=client)
    same(total, values().sum())
    same(centred, values() - values().max(axis=0))


@pytest.mark.parametrize("shards", [None, (400, 400)])
@pytest.mark.parametrize("scheduler", ["threads", "sync", "processes", "client"])
def test_writes_are_equal(x, scheduler, shards, request):
    how = request.getfixturevalue("client") if scheduler == "client" else scheduler
    y = x - x.max(axis=0)
    out = y.to_zarr("out.zarr/y", chunks=(200, 80), shards=shards, scheduler=how, num_workers=2)
    np.testing.assert_array_equal(out[...], values() - values().max(axis=0))
    with lz.config.set(scheduler=how, num_workers=2):
        out[100:300] = y[:200]
        np.testing.assert_array_equal(out[100:300], (values() - values().max(axis=0))[:200])


def process_of(block):
    return np.full(block.shape, os.getpid())


def test_a_live_client_is_used_and_can_be_overruled(x, client):
    workers = set(client.run(os.getpid).values())
    where = x.map_blocks(process_of, dtype="i8")
    with client.as_current():
        assert set(np.unique(where.compute())) <= workers
        assert set(np.unique(where.compute(scheduler="threads"))) == {os.getpid()}
        assert x.sum().explain().workers == 2
        with lz.config.set(scheduler="sync"):
            assert set(np.unique(where.compute())) == {os.getpid()}
    assert set(np.unique(where.compute())) == {os.getpid()}
    assert set(np.unique(where.compute(scheduler=client))) <= workers


def test_several_workers_work(x, client):
    def slowly(block):
        time.sleep(0.02)
        return process_of(block)

    pids = x.map_blocks(slowly, dtype="i8").compute(scheduler="processes", num_workers=2)
    assert len(np.unique(pids)) == 2
    assert os.getpid() not in pids
    assert len(np.unique(x.map_blocks(slowly, dtype="i8").compute(scheduler=client))) == 2


def test_a_plan_of_one_task_runs_here():
    names = []

    def name(block):
        names.append(threading.current_thread())
        return block

    lz.from_array(np.ones(4), chunks=2).map_blocks(name, dtype="f8").sum().compute(num_workers=4)
    assert set(names) == {threading.main_thread()}


@pytest.mark.parametrize("scheduler", ["processes", "client"])
def test_a_store_in_memory_is_refused_where_others_work(x, scheduler, request):
    how = request.getfixturevalue("client") if scheduler == "client" else scheduler
    inner = lz.array(np.arange(4))
    for attempt in (
        lambda: inner.lazy().sum().compute(scheduler=how),
        lambda: (x[:5] + 1).to_zarr(MemoryStore(), "y", scheduler=how),
    ):
        with pytest.raises(StoreReachError, match=r'memory://.*scheduler="threads"'):
            attempt()
    store = MemoryStore()
    with pytest.raises(
        StoreReachError, match=r'^memory://\d+/y lives .* write to one .*: x.to_zarr\("data.zarr"\)'
    ):
        x.to_zarr(store, "y", scheduler=how)
    assert list(store.list()) == []


@pytest.mark.parametrize("scheduler", ["processes", "client"])
def test_large_arrays_in_memory_are_refused_where_they_would_travel(scheduler, request):
    how = request.getfixturevalue("client") if scheduler == "client" else scheduler
    large = lz.from_array(np.ones(1_500_000))
    with pytest.raises(ValueError, match=r'12.0 MB of arrays in memory.*lz.save\("a.zarr", a\)'):
        large.sum().compute(scheduler=how)
    assert large.sum().compute(scheduler="threads") == 1_500_000
    table = np.ones(1_500_000)
    looked_up = lz.from_array(np.arange(4)).map_blocks(lambda block: table[block], dtype="f8")
    with pytest.raises(ValueError, match=r"12.0 MB of arrays in memory, of its own or of its functions"):
        looked_up.sum().compute(scheduler=how)
    assert looked_up.sum().compute(scheduler="threads") == 4


@pytest.mark.parametrize("verb", ["compute", "to_zarr", "explain", "lz.compute"])
def test_unknown_words_are_refused(verb):
    x = lz.from_array(np.ones(3))
    calls = {
        "compute": x.compute,
        "to_zarr": lambda **words: x.to_zarr("out.zarr", **words),
        "explain": x.explain,
        "lz.compute": lambda **words: lz.compute(x, **words),
    }
    with pytest.raises(TypeError, match="memroy"):
        calls[verb](memroy="1GB")
    assert not os.path.exists("out.zarr")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"scheduler": "thread"}, "'thread' is not known.*threads"),
        ({"scheduler": "distributed"}, "needs a live Client"),
        ({"scheduler": ThreadPoolExecutor(1)}, "no executor"),
        ({"num_workers": 0}, "num_workers=0"),
        ({"num_workers": -1}, "num_workers=-1"),
        ({"memory": "much"}, "size in bytes"),
        ({"memory": -5}, "budget"),
    ],
    ids="name client executor none negative words debt".split(),
)
def test_what_cannot_run_is_refused(words, said):
    with pytest.raises(ValueError, match=said):
        lz.from_array(np.ones(3)).sum().compute(**words)


def test_the_number_of_workers_is_given_set_or_dasks(x):
    def workers(**words):
        return x.sum().explain(memory="1GB", **words).workers

    assert workers(num_workers=5) == 5
    with dask.config.set(num_workers=3):
        assert workers() == 3
        with lz.config.set(num_workers=4):
            assert workers() == 4
            assert workers(num_workers=5) == 5
    assert workers(scheduler="sync") == 1


class Bare(Executor):
    """Threads of which nobody can tell how many they are."""

    def __init__(self, threads):
        self._threads = threads

    def submit(self, function, /, *args, **words):
        return self._threads.submit(function, *args, **words)


POOLS = {
    "executor": (lambda threads, pool: threads, 3),
    "multiprocessing": (lambda threads, pool: pool, 3),
    "dask": (lambda threads, pool: dask.local.MultiprocessingPoolExecutor(pool), 3),
    "one": (lambda threads, pool: dask.local.SynchronousExecutor(), 1),
    "unknown": (lambda threads, pool: Bare(threads), None),
}


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("asked", [None, 2, 20])
def test_as_many_tasks_run_at_once_as_the_plan_counts(x, kind, asked, monkeypatch):
    """The threads of the pool that is set for Dask are those that the plan gives memory to."""
    make, size = POOLS[kind]
    lock, running, most = threading.Lock(), 0, 0
    run_block = specs.Spec.run_block

    def counted(self, *where):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        try:
            return run_block(self, *where)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(specs.Spec, "run_block", counted)
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 200_000)
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 100_000)
    y = x.map_blocks(np.negative, dtype="f8")
    free = asked or dask.config.get("num_workers", None) or cpu_count()
    expected = free if size is None else min(asked or size, size)
    threads, pool = ThreadPoolExecutor(size or 8), ThreadPool(3)
    with threads, pool, dask.config.set(pool=make(threads, pool)):
        found = y.explain(memory="1GB", num_workers=asked)
        assert found.workers == expected
        for scheduler in (None, "threads", dask.threaded.get):
            most = 0
            same(y.compute(memory="1GB", num_workers=asked, scheduler=scheduler), -values())
            assert 0 < most <= expected
        spec, scheduler = make_spec([Output(y.__lazyzarr_node__)], Job(memory="1GB", num_workers=asked))
        assert (scheduler.workers, spec.stages.asked.workers) == (expected, expected)


def test_a_pool_of_fewer_tasks_than_threads_runs_no_more_than_fit(x, monkeypatch):
    """Where the memory is for few tasks, a large pool runs few."""
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 200_000)
    seen, lock, inside = [], threading.Lock(), set()

    def look(block):
        with lock:
            inside.add(threading.get_ident())
            seen.append(len(inside))
        time.sleep(0.005)
        with lock:
            inside.discard(threading.get_ident())
        return -block

    y = x.map_blocks(look, dtype="f8")
    with ThreadPoolExecutor(8) as pool, dask.config.set(pool=pool):
        memory = y.explain(memory="1GB", num_workers=2).peak_memory
        few = y.explain(memory=memory).workers
        assert few < 8
        same(y.compute(memory=memory), -values())
    assert max(seen) <= few


@pytest.mark.parametrize("kind", ["executor", "multiprocessing"])
def test_a_pool_of_processes_does_not_run_as_threads(x, kind, monkeypatch):
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 200_000)
    context = multiprocessing.get_context("spawn")
    make = context.Pool if kind == "multiprocessing" else partial(ProcessPoolExecutor, mp_context=context)
    refused = pytest.raises(ValueError, match=r'other processes.*scheduler="processes"')
    with make(1) as pool, dask.config.set(pool=pool), refused:
        (x + 1).compute(memory="1GB", scheduler="threads", num_workers=1)


TOLD = """
import dask, lazyzarr as lz, numpy as np
x = lz.from_zarr("data.zarr/x")
print(dask.base.tokenize(x.clip(0, 5) + np.arange(x.shape[-1])))
"""


def test_tokens_are_deterministic_and_no_two_runs_share_a_key(x):
    y = x.sum(axis=0)
    assert dask.base.tokenize(y) == dask.base.tokenize(x.sum(axis=0))
    assert dask.base.tokenize(y) != dask.base.tokenize(x.sum(axis=1))
    assert dask.base.tokenize(y) == dask.base.tokenize(lz.from_zarr("data.zarr/x").sum(axis=0)), (
        "opened again"
    )
    lz.create_array("data.zarr/other", shape=x.shape, chunks=x.chunksize, dtype=x.dtype)
    assert dask.base.tokenize(y) != dask.base.tokenize(lz.from_zarr("data.zarr/other").sum(axis=0))
    told = [
        subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert told[0] == told[1] != ""

    def graph():
        spec, _ = make_spec([Output(y.__lazyzarr_node__)], Job(num_workers=2))
        return build_graph(spec)

    first, again = graph(), graph()
    assert len(first) == len(again)
    assert not set(first) & set(again)
    assert not set(y.expr.__dask_graph__()) & set(y.expr.__dask_graph__())


def test_keys_say_what_and_of_what(x):
    spec, _ = make_spec([Output((x - x.mean(axis=0)).__lazyzarr_node__)], Job(num_workers=2))
    words = {dask.utils.key_split(key) for key in build_graph(spec)}
    assert words == {"mean-x", "join-mean-x", "subtract-x", "finish"}


def test_tasks_may_be_run_again(x):
    """What a cluster loses it computes again: a task changes none of what it is given."""
    y = (x - x.mean(axis=0)).std()
    spec, _ = make_spec([Output(y.__lazyzarr_node__)], Job(num_workers=2))
    graph, done = build_graph(spec), {}
    while final_key(spec) not in done:
        for key, task in graph.items():
            if key not in done and task.dependencies <= set(done):
                given = {name: done[name] for name in task.dependencies}
                task(given)
                done[key] = task(given)
    np.testing.assert_allclose(done[final_key(spec)][0], (values() - values().mean(axis=0)).std())


def test_a_specification_stays_small_and_plans_once(x):
    spec, _ = make_spec([Output((x * 2).sum().__lazyzarr_node__)], Job(num_workers=2))
    pickled = pickle.dumps(spec)
    assert len(pickled) < 4000
    again = pickle.loads(pickled)
    assert again is pickle.loads(pickled)
    assert [stage.groups for stage in again.stages.stages] == [stage.groups for stage in spec.stages.stages]


def test_a_worker_that_plans_otherwise_refuses(x, monkeypatch):
    spec, _ = make_spec([Output(x.sum().__lazyzarr_node__)], Job(num_workers=2))
    pickled = pickle.dumps(spec)
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 4_000_000)
    with pytest.raises(PlanError, match="versions of lazyzarr"):
        pickle.loads(pickled).run_block(0, (0, 0), {})


def test_a_run_that_was_stopped_starts_nowhere_again(x):
    spec, _ = make_spec([Output(x.sum().__lazyzarr_node__)], Job(num_workers=2))
    here = pickle.loads(pickle.dumps(spec))
    here.run_block(0, (0, 0), {})
    specs.stop_run(spec.token)
    with pytest.raises(Stopped):
        here.run_block(0, (1, 0), {})
    specs.end_run(spec.token)
    del here
    with pytest.raises(Stopped):
        pickle.loads(pickle.dumps(spec)).run_block(0, (1, 0), {})


def second_fails(block, folder):
    """Of two tasks at once, the second to begin fails, while the first has yet to write."""
    try:
        os.mkdir(f"{folder}/first")
    except FileExistsError:
        raise KeyError("sigma") from None
    time.sleep(1)
    return block


@pytest.mark.parametrize("scheduler", ["processes", "client"])
def test_a_failed_write_elsewhere_is_over_when_the_call_is(x, scheduler, request, tmp_path):
    how = request.getfixturevalue("client") if scheduler == "client" else scheduler
    old = lz.save("out.zarr", np.ones(3))
    y = x.rechunk((125, 1000)).map_blocks(second_fails, dtype="f8", keywords={"folder": str(tmp_path)})
    with pytest.raises(KeyError, match="sigma") as caught:
        y.to_zarr("out.zarr", mode="w", scheduler=how, num_workers=2)
    assert type(caught.value) is KeyError
    assert "map_blocks(second_fails), test_schedulers.py:" in caught.value.__notes__[0]
    time.sleep(1.5)
    assert not any(is_reserved(path.name) for path in pathlib.Path(tmp_path).iterdir())
    assert lz.load("out.zarr").tolist() == [1, 1, 1], old
    again = x.to_zarr("out.zarr", mode="w", scheduler=how, num_workers=2)
    np.testing.assert_array_equal(again[...], values())


@pytest.mark.parametrize("scheduler", ["threads", "processes", "client"])
def test_numpys_error_state_reaches_the_tasks(x, scheduler, request):
    how = request.getfixturevalue("client") if scheduler == "client" else scheduler
    y = np.log(x - 2000)
    with np.errstate(invalid="ignore"):
        assert np.isnan(y.compute(scheduler=how, num_workers=2)).all()
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        y.compute(scheduler=how, num_workers=2)


def test_expressions_pickle_and_compute_elsewhere(x, client):
    y = x[::2] - x.max(axis=0)
    assert isinstance(pickle.loads(pickle.dumps(y)), LazyArray)
    got = client.submit(lambda y: y.compute(scheduler="sync"), y).result()
    same(got, values()[::2] - values().max(axis=0))


def test_a_worker_process_starts_none_of_its_own(x, client):
    with pytest.raises(ValueError, match='use "threads" there'):
        client.submit(lambda y: y.compute(scheduler="processes"), x.sum()).result()
    assert client.submit(lambda y: y.compute(scheduler="threads"), x.sum()).result() == values().sum()


def test_a_callable_of_dasks_is_a_scheduler(x):
    same(x.sum().compute(scheduler=dask.get), values().sum())
    same((x * 2).compute(scheduler=dask.threaded.get), values() * 2)


def test_a_cluster_says_what_it_has_finished(client, x):
    futures = [client.submit(abs, -i, key=("mean-u-7f-0", i)) for i in range(3)]
    client.gather(futures)
    assert clusters.count_finished(client, ["mean-u-7f-0", "subtract-u-7f-1"]) == [3, 0]

    class Gone:
        def run_on_scheduler(self, *args):
            raise OSError("the scheduler is gone")

    assert clusters.count_finished(Gone(), ["mean-u-7f-0"]) is None


def test_progress_on_a_cluster(client, x, capsys):
    x.sum().compute(scheduler=client, progress=True, memory="1GB")
    last = capsys.readouterr().err.splitlines()[-1]
    assert re.fullmatch(r"sum-\w+: [\d.]+ MB in .*, plan's peak [\d.]+ MB of 1\.0 GB", last)
