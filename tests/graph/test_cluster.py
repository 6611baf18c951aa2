"""A cluster of worker processes: small graphs, few tasks, memory a worker, what workers see, and workers that die."""

from __future__ import annotations

import os
import pathlib
import pickle
import re
import signal
import sys
import tracemalloc

import cloudpickle
import dask
import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import MemoryBudgetError, PlanError, StoreReachError
from lazyzarr.format.keys import is_reserved
from lazyzarr.graph import run, schedule, tasks
from lazyzarr.graph.cluster import Cluster
from lazyzarr.graph.plan import Output
from lazyzarr.graph.run import Job, make_spec
from lazyzarr.graph.spec import Spec
from lazyzarr.graph.stage import Budget
from lazyzarr.graph.targets import TargetOptions, new_target
from lazyzarr.graph.tasks import RunExpr, answer_keys, build_graph
from tests.graph.conftest import CLUSTER, SHAPE, values


def virtual(name, shape, chunks, dtype="f4"):
    """An array of which nothing but the metadata is stored."""
    return lz.create_array(f"{name}.zarr", shape=shape, chunks=chunks, dtype=dtype).lazy()


def spec_for(lazy, workers, threads=1, memory=50 * 10**9, target=None):
    """The spec of a run on so many workers; `target`: where to."""
    sink = None
    if target is not None:
        options = TargetOptions("keep", None, "auto", "auto", "auto", None, None, None, None, "w-")
        sink = new_target(lazy.__lazyzarr_node__, target, None, options).planned()
    budget = Budget(memory, workers * threads, sharing=threads, copies=2, holders=workers)
    return Spec([Output(lazy.__lazyzarr_node__, sink)], budget, "ab12", {})


GRIDS = {
    "a million tiny chunks along one axis": ((1_000_000 * 4096,), (4096,)),
    "a million chunks of 4 MB": ((1_000_000, 1_000_000), (1000, 1000)),
    "a million chunks of 256 KiB": ((6400, 4096, 4096), (16, 64, 64)),
}
VERBS = {
    "sum": lambda x: x.sum(),
    "mean": lambda x: x.mean(axis=0),
    "map_blocks": lambda x: x.map_blocks(np.negative, dtype=x.dtype),
    "anomaly": lambda x: x - x.mean(axis=0),
    "a shift": lambda x: x[1:] - x[:-1],
}


@pytest.mark.parametrize(("shape", "chunks"), GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_plan_of_a_million_chunks_travels_in_less_than_a_megabyte(verb, shape, chunks):
    y = VERBS[verb](virtual("x", shape, chunks))
    writes = verb not in ("sum", "mean")
    spec = spec_for(y, 12, 4, target="out.zarr" if writes else None)
    sent = cloudpickle.dumps((RunExpr("run", spec), answer_keys(spec)))
    assert len(sent) < 1_000_000
    assert len(spec.pickled) < tasks.INLINE_BYTES


def test_long_axes_travel_in_few_bytes_whatever_their_sizes():
    sizes = (7,) * 600_000 + (3, 5) * 200_000
    x = lz.from_array(np.zeros(10), chunks=2).rechunk((tuple([2] * 5),))
    node = lz.create_array("x.zarr", shape=(sum(sizes),), chunks=(4096,)).lazy().rechunk((sizes,))
    pickled = pickle.dumps(node)
    assert len(pickled) < 20_000
    assert pickle.loads(pickled).chunks == (sizes,)
    assert pickle.loads(pickle.dumps(x)).chunks == x.chunks


COMBINING = ("join", "merge", "finish")
PLANS = {
    "large chunks": ((100, 2000, 4000), (10, 500, 500)),
    "small chunks": ((64, 512, 512), (1, 32, 32)),
    "tiny chunks": ((1_000_000,), (10,)),
    "one chunk": ((1000, 1000), (1000, 1000)),
    "few chunks": ((7, 1000, 1000), (1, 1000, 1000)),
    "many gigabytes": ((300, 5000, 7000), (3, 700, 900)),
}


@pytest.mark.parametrize(("shape", "chunks"), PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("verb", VERBS)
def test_tasks_are_as_few_as_four_a_worker_or_64_mb_each(verb, shape, chunks):
    y = VERBS[verb](virtual("x", shape, chunks))
    for workers, threads in ((1, 1), (1, 4), (2, 1), (3, 1), (7, 4), (100, 4)):
        spec = spec_for(y, workers, threads)
        graph = build_graph(spec, gathered=True)
        blocks = [key for key in graph if not dask.utils.key_split(key).startswith(COMBINING)]
        stages = spec.stages.stages
        allowed = sum(max(4 * workers * threads, stage.decode // 64_000_000) for stage in stages)
        assert len(blocks) == sum(stage.layout.tasks for stage in stages) <= allowed
        combines = sum(1 + stage.layout.tasks // 60 for stage in stages if stage.kind == "reduce")
        assert len(graph) - len(blocks) <= combines + 1


def test_few_states_are_joined_by_one_task_and_many_by_groups_before():
    x = virtual("x", (64, 2000, 4000), (1, 200, 400))
    few, many = spec_for(x.sum(), 4), spec_for(x.sum(), 40)
    blocks = [spec.stages.stages[0].layout.tasks for spec in (few, many)]
    assert blocks[0] <= tasks.MOST_PARTS < blocks[1]
    groups = -(-blocks[1] // tasks.MOST_PARTS)
    assert [words(graph) for graph in map(build_graph, (few, many))] == [
        {"sum-x": blocks[0], "join-sum-x": 1, "finish": 1},
        {"sum-x": blocks[1], "merge-sum-x": groups, "join-sum-x": 1, "finish": 1},
    ]
    whole = build_graph(spec_for(x.max(axis=0), 40), gathered=True)
    assert set(words(whole)) == {"max-x"}  # each block has a part of the answer: nothing is joined


def words(graph):
    """How many tasks a dashboard shows of each name."""
    counts: dict[str, int] = {}
    for key in graph:
        name = dask.utils.key_split(key)
        counts[name] = counts.get(name, 0) + 1
    return counts


def test_groups_of_states_give_what_one_join_gives(x, client, monkeypatch):
    y = lz.compute(x.sum(axis=1), x.std(), x.max(), x.mean(axis=0), scheduler="sync")
    monkeypatch.setattr(tasks, "MOST_PARTS", 2)
    got = lz.compute(x.sum(axis=1), x.std(), x.max(), x.mean(axis=0), scheduler=client)
    for ours, expected in zip(got, y, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-15)
    spec, _ = make_spec([Output(x.std().__lazyzarr_node__)], Job(client))
    assert words(build_graph(spec))["merge-std-x"] == 6  # 4 for 8 blocks, 2 for those


def test_arrays_are_opened_once_a_worker(x, client):
    def count():
        from lazyzarr.format import array

        opened, real = [], array._open
        array._real, array._counted = real, opened
        array._open = lambda handle: opened.append(handle.url) or real(handle)

    def counted():
        from lazyzarr.format import array

        array._open = array._real
        return array._counted

    client.run(count)
    try:
        y = (x - x.mean(axis=0)).to_zarr("out.zarr", scheduler=client)
    finally:
        opened = client.run(counted)
    np.testing.assert_allclose(y[...], values() - values().mean(axis=0))
    for urls in opened.values():
        assert len(urls) == len(set(urls)) == 2, urls


# --- before the first task


def seen_by_this_process_alone(path):
    """A path that means something else in each process."""
    return f"/proc/self/cwd/{path}"


on_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="/proc names a folder of this process"
)


@on_linux
def test_a_source_that_a_worker_does_not_see_is_refused_by_name(x, client):
    os.rename("data.zarr", "alone.zarr")  # the folder that workers were started in may have a data.zarr
    y = lz.from_zarr(seen_by_this_process_alone("alone.zarr/x"))
    assert (y.sum().compute(scheduler="threads"),) == (values().sum(),)
    for verb in (lambda: y.sum().compute(scheduler=client), lambda: y.to_zarr("out.zarr", scheduler=client)):
        with pytest.raises(StoreReachError) as caught:
            verb()
        assert str(caught.value).startswith("worker tcp://127.0.0.1:")
        assert "/proc/self/cwd/alone.zarr/x does not exist there; use a path all workers see" in str(
            caught.value
        )
    assert os.listdir() == ["alone.zarr"]


@on_linux
def test_a_target_that_a_worker_does_not_see_is_refused_before_anything_is_written(x, client):
    before = sorted(os.listdir("data.zarr"))
    with pytest.raises(
        StoreReachError, match=r"/proc/self/cwd/.*does not exist there; use a path all workers see"
    ):
        x.to_zarr(seen_by_this_process_alone("data.zarr/y"), scheduler=client)
    assert sorted(os.listdir("data.zarr")) == before
    os.rename("data.zarr", "alone.zarr")
    z = lz.open_array(seen_by_this_process_alone("alone.zarr/x"), mode="r+")
    with lz.config.set(scheduler=client), pytest.raises(StoreReachError, match="does not exist there"):
        z[...] = lz.from_array(np.ones(SHAPE), chunks=100)
    assert (z[...] == values()).all()


def test_an_array_of_another_kind_at_that_path_is_refused(client, monkeypatch):
    """Each machine has a /tmp of its own."""
    lz.create_array("data.zarr", shape=(40,), chunks=(4,), dtype="i4")[...] = 1
    x, real = lz.from_zarr("data.zarr"), run.look_around

    def elsewhere(cluster, handles, folder):
        lz.create_array("data.zarr", shape=(30,), chunks=(4,), dtype="i4", overwrite=True)
        return real(cluster, handles, folder)

    monkeypatch.setattr(run, "look_around", elsewhere)
    with pytest.raises(StoreReachError, match="is another array there"):
        x.sum().compute(scheduler=client)


def test_other_versions_on_a_worker_are_refused(x, client):
    def pretend(version):
        import lazyzarr

        before, lazyzarr.__version__ = lazyzarr.__version__, version
        return before

    worker = next(iter(client.scheduler_info(n_workers=-1)["workers"]))
    before = client.run(pretend, "9.9", workers=[worker])[worker]
    try:
        with pytest.raises(
            PlanError, match=rf"worker {worker}: lazyzarr 9.9, NumPy \S+ there, lazyzarr {before}"
        ):
            x.to_zarr("out.zarr", scheduler=client)
    finally:
        client.run(pretend, before, workers=[worker])
    assert os.listdir() == ["data.zarr"]
    assert x.max().compute(scheduler=client) == values().max()


# --- memory


@pytest.fixture
def large_workers(monkeypatch, client):
    """A cluster as its scheduler might describe it: 12 workers of 4 threads and 12 GB."""
    described = Cluster(client, "tcp://10.0.0.1:8786", 12, 4, 48, 12_000_000_000)
    monkeypatch.setattr(schedule, "cluster_of", lambda client: described)


@pytest.mark.usefixtures("large_workers")
def test_memory_is_a_workers_and_its_threads_share_it(client):
    x = virtual("x", (64, 2000, 4000), (1, 200, 400))
    plan = x.sum().explain(scheduler=client)
    assert plan.memory == 6_000_000_000  # half of a worker's limit
    assert plan.workers == 48
    assert x.sum().explain(scheduler=client, memory="1GB").memory == 10**9
    spec, _ = make_spec([Output((x * 2).__lazyzarr_node__)], Job(client))
    (stage,) = spec.stages.stages
    assert stage.layout.tasks > 100
    assert spec.stages.at_once(stage) == 4
    with pytest.raises(ValueError, match=r"memory=13.0 GB is what each worker may use.* 12.0 GB"):
        x.sum().explain(scheduler=client, memory="13GB")


@pytest.mark.usefixtures("large_workers")
def test_the_head_of_a_plan_says_where_it_runs(client):
    x = virtual("x", (640, 2000, 4000), (1, 200, 400))
    first = str(x.sum().explain(scheduler=client)).splitlines()[0]
    assert re.fullmatch(r"12 workers x 4 threads, 6.0 GB each, [0-9]+ tasks, graph [0-9.]+ kB", first), first
    assert "workers" not in str(x.sum().explain(scheduler="sync")).splitlines()[0]


def test_a_step_that_a_worker_cannot_hold_is_refused(x, client):
    with pytest.raises(MemoryBudgetError, match="std-x"):
        x.std(axis=0).compute(scheduler=client, memory="33MB")


def test_a_result_that_this_process_cannot_hold_is_refused(x, client, monkeypatch):
    monkeypatch.setattr(run, "available_memory", lambda: 7_000_000)
    with pytest.raises(
        MemoryBudgetError, match=r"8.0 MB; this process.* has 7\.0 MB\.\n  What fits:  y\.to_zarr"
    ):
        (x * 2).compute(scheduler=client, memory="1GB")
    assert (x * 2).to_zarr("out.zarr", scheduler=client, memory="1GB").shape == SHAPE


@pytest.mark.parametrize("scheduler", ["client", "processes"])
def test_a_result_lies_in_this_process_once(scheduler, request):
    how = request.getfixturevalue("client") if scheduler == "client" else scheduler
    z = lz.create_array("data.zarr", shape=(120, 1000, 250), chunks=(2, 1000, 250), dtype="f4")
    z[...] = 1
    y = lz.from_zarr("data.zarr") + 1
    y[:2].compute(scheduler=how)  # what is loaded once
    tracemalloc.start(1)
    try:
        result = y.compute(scheduler=how, num_workers=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (result == 2).all()
    spec, _ = make_spec([Output(y.__lazyzarr_node__)], Job(how, 2))
    (stage,) = spec.stages.stages
    block = result.nbytes / stage.layout.tasks
    assert stage.layout.tasks >= 8
    assert peak < result.nbytes + 5 * block + 5_000_000


# --- workers that die


@pytest.fixture(scope="module")
def mortal():
    """A cluster of more workers than tests kill, so that none waits for one to be started again."""
    distributed = pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.admin.log-format": "%(message)s"}),
        distributed.LocalCluster(**(CLUSTER | {"n_workers": 4}), silence_logs=60) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def die_once(block, folder):
    """Kills its process, the first time that it is called."""
    try:
        os.mkdir(f"{folder}/died")
    except FileExistsError:
        return block
    os.kill(os.getpid(), signal.SIGKILL)


def die(block, block_id):
    if block_id == (0, 0):
        os.kill(os.getpid(), signal.SIGKILL)
    return block


def leftovers():
    return [path for path in pathlib.Path().rglob("*") if is_reserved(path.name)]


def test_a_worker_killed_in_the_middle_changes_no_answer(x, mortal, tmp_path):
    lz.save("out.zarr", np.ones(3))
    a = values()
    verbs = {
        "answers": lambda y: lz.compute(y, y.sum(axis=1), scheduler=mortal),
        "to_zarr": lambda y: (y.to_zarr("out.zarr", mode="w", scheduler=mortal)[...],),
    }
    for name, verb in verbs.items():
        os.mkdir(name)
        y = x.rechunk((125, 1000)).map_blocks(die_once, dtype="f8", keywords={"folder": str(tmp_path / name)})
        for got, expected in zip(verb(y), (a, a.sum(axis=1)), strict=False):
            np.testing.assert_array_equal(got, expected)
        assert os.path.exists(f"{name}/died")
    assert leftovers() == []


def test_workers_that_die_again_and_again_leave_what_was_there(x, mortal, monkeypatch):
    from distributed import KilledWorker

    lz.save("out.zarr", np.ones(3))
    y = x.rechunk((125, 1000)).map_blocks(die, dtype="f8")
    with monkeypatch.context() as patch:
        patch.setattr(mortal.cluster.scheduler, "allowed_failures", 0)
        with pytest.raises(KilledWorker, match="die-x") as caught:
            y.to_zarr("out.zarr", mode="w", scheduler=mortal)
    assert "Out of memory? memory= is what a worker may use" in caught.value.__notes__[0]
    assert lz.load("out.zarr").tolist() == [1, 1, 1]
    assert leftovers() == []
    np.testing.assert_array_equal(x.to_zarr("out.zarr", mode="w", scheduler=mortal)[...], values())
