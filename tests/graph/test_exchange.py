"""Exchange: what goes through temporary arrays, when, within which memory; and that nothing of them stays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr import settings
from lazyzarr.errors import LazyzarrError, MemoryBudgetError, StoreError, TemporarySpaceError
from lazyzarr.format import os_calls
from lazyzarr.graph import check
from lazyzarr.graph.exchange import between
from lazyzarr.graph.plan import Budget, Output, plan_stages
from lazyzarr.graph.targets import TargetOptions, new_target
from lazyzarr.graph.temporary import choose_folder, make_spill, temporary_folder

SHAPE = (60, 256, 256)
pytestmark = pytest.mark.usefixtures("temporary")


@pytest.fixture
def slabs():
    """16 MB of float32 in 60 chunks that pencils cut across, and the values."""
    values = np.random.default_rng(0).random(SHAPE, "f4")
    z = lz.create_array("slabs.zarr", shape=SHAPE, chunks=(1, 256, 256), dtype="f4", compressors=None)
    z[...] = values
    return lz.from_zarr("slabs.zarr"), values


def kinds(plan):
    return [stage.kind for stage in plan.stages]


PENCILS = {"chunks": (60, 16, 16), "mode": "w"}
TIGHT = {"memory": "42MB", "num_workers": 2}


# When.


def test_a_rechunk_that_fits_takes_one_pass(slabs):
    x, _ = slabs
    plan = x.to_zarr("out.zarr", **PENCILS, memory="200MB", num_workers=2, compute=False)
    assert kinds(plan) == ["map"]
    assert plan.amplification == 1


def test_a_rechunk_that_does_not_fit_takes_two(slabs):
    x, _ = slabs
    plan = x.to_zarr("out.zarr", **PENCILS, **TIGHT, compute=False)
    assert kinds(plan) == ["spill", "map"]
    assert plan.fits
    assert plan.amplification == 1
    assert [stage.write for stage in plan.stages] == [x.nbytes] * 2
    assert re.search(r"two stages, because read-slabs alone would need [0-9.]+ MB", str(plan))
    needs = plan._planned.temporary_bytes
    assert x.nbytes <= needs <= 1.25 * x.nbytes
    assert f"/temporary: needs {settings.format_bytes(needs)}, " in " ".join(str(plan).split())


def test_an_operand_that_lies_across_the_blocks_is_copied_once():
    z = lz.create_array("a.zarr", shape=(3000, 3000), chunks=(100, 3000), dtype="f4")
    x = lz.from_zarr(z)
    plan = (x + x.T).to_zarr("out.zarr", chunks=(100, 3000), memory="80MB", num_workers=2, compute=False)
    assert kinds(plan) == ["spill", "map"]
    assert plan.fits
    assert plan.bytes_decoded <= 3.4 * x.nbytes
    assert "because in one each source chunk would be decoded" in " ".join(str(plan).split())


def test_strings_and_what_dask_runs_itself_use_none(slabs):
    x, _ = slabs
    with pytest.raises(MemoryBudgetError):
        x.astype("T").to_zarr("out.zarr", **PENCILS, memory="45MB", num_workers=1)
    assert len(x.sum().__dask_graph__()) > 0


def test_numbers_that_v2_has_not_go_through_temporary_arrays_too():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = np.random.default_rng(0).integers(0, 99, (60, 256, 512)).astype(ml_dtypes.bfloat16)
    x = lz.from_zarr(lz.create_array("x.zarr", data=values, chunks=(1, 256, 512), compressors=None))
    plan = x.to_zarr("out.zarr", chunks=(60, 16, 32), **TIGHT, compute=False)
    assert kinds(plan) == ["spill", "map"]
    assert plan.run()[...].tobytes() == values.tobytes()


def test_numbers_that_cannot_be_stored_go_through_none():
    values = np.random.default_rng(0).random((60, 256, 64)).astype(np.longdouble)
    x = lz.from_array(values, chunks=(1, 256, 64))
    found = np.sort(x, axis=0).max(axis=2)
    assert kinds(found.explain(**TIGHT)) == ["reduce"]
    assert found.compute(**TIGHT).tobytes() == np.sort(values, axis=0).max(axis=2).tobytes()
    with pytest.raises(MemoryBudgetError, match="What fits"):
        np.sort(x, axis=0).compute(memory="34MB", num_workers=2)


def test_chunks_in_between_grow_until_they_are_worth_a_file():
    assert between((1000, 1000), (1, 1000), (1000, 1), 4, 100_000) == (16, 16)
    assert between((1000, 1000), (1, 1000), (1000, 1), 4, 4_000_000_000) == (1000, 512)
    assert between((5, 7), (9, 9), (2, 100), 4, 100) == (2, 7)
    assert between((101, 10), (100, 10), (101, 10), 8, 100) == (51, 10)


# What comes of it.


@pytest.mark.parametrize("scheduler", ["threads", "sync", "processes"])
def test_two_passes_write_the_same_values(slabs, scheduler):
    x, values = slabs
    out = (x * 2).to_zarr("out.zarr", **PENCILS, memory="42MB", num_workers=2, scheduler=scheduler)
    np.testing.assert_array_equal(out[...], values * 2)


def test_edges_and_reductions_on_the_way(slabs):
    x, values = slabs
    y = x[3:, 5:251, ::-1] - x[3:].mean(axis=0)[5:251]
    out = y.to_zarr("out.zarr", chunks=(57, 10, 11), **TIGHT)
    expected = values[3:, 5:251, ::-1] - values[3:].mean(axis=0, dtype="f8").astype("f4")[5:251]
    np.testing.assert_allclose(out[...], expected, rtol=1e-6, atol=1e-6)


def test_several_outputs_share_both_passes(slabs):
    x, _ = slabs
    options = TargetOptions((60, 16, 16), *[None] * 7, 3, "w")
    targets = [new_target((x + i).__lazyzarr_node__, f"{i}.zarr", None, options) for i in range(2)]
    outputs = [Output(target.node, target.planned()) for target in targets]
    planned = plan_stages(outputs, Budget(45_000_000, 2, False, choose_folder(None)))
    assert [(stage.kind, len(stage.roots)) for stage in planned.stages] == [("spill", 2), ("map", 2)]


def test_zeros_are_stored_and_what_is_missing_is_an_error(slabs):
    x, _ = slabs
    out = (x * 0).to_zarr("out.zarr", **PENCILS, **TIGHT)
    assert not out[...].any()
    spill = make_spill(x.__lazyzarr_node__, (30, 256, 256), choose_folder(None), 0)
    with temporary_folder(os.path.dirname(spill.sink.handle.place)):
        array, part = spill.sink.handle.open(), np.zeros((30, 256, 256), "f4")
        writer = array.writer()
        assert writer.write_unit((0, 0, 0), part, writer.new_scratch()) == part.nbytes
        reader = array.reader()
        reader.read_into((0, 0, 0), part, reader.new_scratch())
        with pytest.raises(LazyzarrError):
            reader.read_into((1, 0, 0), part, reader.new_scratch())


# What stays.


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_nothing_stays_after_an_error(slabs, temporary, scheduler):
    x, _ = slabs

    def fail(block, block_id=None):
        if block_id == (40, 0, 0):
            raise KeyError("at 40")
        return block

    with pytest.raises(KeyError, match="at 40"):
        x.map_blocks(fail, dtype="f4").to_zarr("out.zarr", **PENCILS, **TIGHT, scheduler=scheduler)
    assert list(temporary.iterdir()) == []
    assert not os.path.exists("out.zarr/zarr.json")


JOB = """
import signal, sys, time
import numpy as np
import lazyzarr as lz

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
lz.config.set(temporary_directory=sys.argv[1])
x = lz.from_zarr("slabs.zarr")

def last(block, block_id=None):
    if block_id == (50, 0, 0):
        print("there", flush=True)
        time.sleep(float(sys.argv[2]))
    return block

x.map_blocks(last, dtype="f4").to_zarr("out.zarr", chunks=(60, 16, 16), memory="42MB", num_workers=2)
"""


@contextmanager
def running(temporary, seconds=60.0):
    """A process in the middle of writing a temporary array, for so long."""
    command = [sys.executable, "-c", JOB, str(temporary), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as job:
        try:
            assert job.stdout.readline() == "there\n"
            yield job
        finally:
            job.kill()


def test_what_a_killed_run_leaves_the_next_one_sweeps(slabs, temporary):
    x, values = slabs
    with running(temporary) as job:
        job.kill()
        job.wait()
    (left,) = temporary.iterdir()
    assert list(left.iterdir()) != []
    x.sum().compute()  # needs no temporary array, and does not look
    assert list(temporary.iterdir()) == [left]
    out = x.to_zarr("out.zarr", **PENCILS, **TIGHT)
    np.testing.assert_array_equal(out[...], values)
    assert list(temporary.iterdir()) == []


def test_a_living_run_keeps_its_folder_while_others_sweep(slabs, temporary):
    x, _ = slabs
    with running(temporary):
        held = set(temporary.iterdir())
        assert len(held) == 1
        x.to_zarr("other.zarr", **PENCILS, **TIGHT)
        assert set(temporary.iterdir()) == held
    x.to_zarr("other.zarr", **PENCILS, **TIGHT)


def test_ctrl_c_removes_all(slabs, temporary):
    with running(temporary, 2.0) as job:
        job.send_signal(signal.SIGINT)
        assert job.wait(20) != 0
        assert list(temporary.iterdir()) == []


def test_a_full_disk_is_told_before_the_run(slabs, temporary, monkeypatch):
    x, _ = slabs
    monkeypatch.setattr(check, "free_bytes", lambda folder: 1_000_000)
    with pytest.raises(
        TemporarySpaceError, match=r"temporary arrays of 1[0-9.]+ MB do not fit .*temp="
    ) as caught:
        x.to_zarr("out.zarr", **PENCILS, **TIGHT)
    assert isinstance(caught.value, OSError)
    assert not os.path.exists("out.zarr")


def test_a_directory_that_cannot_be_written_is_told_with_the_cure(slabs, monkeypatch):
    x, _ = slabs

    def refuse(path, dir_fd=None):
        if "missing" in path:
            raise PermissionError(13, "Permission denied", path)
        os.mkdir(path, dir_fd=dir_fd)

    monkeypatch.setattr(os_calls.calls, "mkdir", refuse)
    below = lz.config.set(temporary_directory="missing")
    with below, pytest.raises(StoreError) as caught:
        x.to_zarr("out.zarr", **PENCILS, **TIGHT)
    assert "temp=" in caught.value.__notes__[0]


def test_the_call_names_the_directory_too(slabs, tmp_path):
    x, _ = slabs
    for plan in (
        x.to_zarr("out.zarr", **PENCILS, **TIGHT, temp=tmp_path / "scratch", compute=False),
        (x + x.transpose((0, 2, 1))).explain(memory="50MB", temp=tmp_path / "scratch"),
    ):
        assert os.path.dirname(plan._planned.folder) == str(tmp_path / "scratch")
    x.to_zarr("out.zarr", **PENCILS, **TIGHT, temp=tmp_path / "scratch")
    assert list((tmp_path / "scratch").iterdir()) == []
    assert lz.compute(x.sum(), temp=tmp_path / "scratch") == (x.sum().compute(),)


def test_no_temporary_array_is_dust():
    """640,000 files of 512 bytes took seven minutes, and more memory to list than the run was allowed."""
    x = lz.from_zarr(lz.create_array("x.zarr", shape=(6400, 6400), chunks=(6400, 8), dtype="f8"))
    y = (x[1:, :-1] - x.T[1:, :-1]).max()
    assert not y.explain(memory="36MB", num_workers=2).fits
    plan = y.explain(memory="100MB", num_workers=2)
    assert plan.fits
    assert plan.stages[0].writers == 2500
    # Where chunks are worth their files there may be as many as it takes.
    huge = lz.from_zarr(lz.create_array("huge.zarr", shape=(2**18, 2**20), chunks=(64, 2**14), dtype="f4"))
    plan = huge.rechunk((2**14, 64)).to_zarr("out.zarr", chunks=(2**14, 64), memory="1GB", compute=False)
    assert plan.stages[0].writers > 100_000


def test_rows_picked_in_no_order_are_stored_one_by_one_first():
    values = np.random.default_rng(0).integers(0, 1000, (300, 64, 128), "i4")
    z = lz.create_array("rows.zarr", shape=values.shape, chunks=(50, 64, 128), dtype="i4", compressors=None)
    z[...] = values
    x, order = lz.from_zarr("rows.zarr"), np.random.default_rng(1).permutation(300)
    plan = x[order].to_zarr("out.zarr", compute=False, memory="60MB", num_workers=2)
    assert kinds(plan) == ["spill", "map"]
    np.testing.assert_array_equal(plan.run()[...], values[order])
    # In order, or in runs, nothing is read twice.
    for straight in (np.sort(order), np.arange(300)[::-1], np.arange(0, 300, 7)):
        assert kinds(x[straight].to_zarr("o.zarr", compute=False, memory="60MB", num_workers=2)) == ["map"]
    # Rows of few bytes are not worth a file each.
    y = lz.from_array(np.zeros(10000), chunks=100)[np.random.default_rng(1).permutation(10000)]
    assert kinds(y.explain(memory="60MB", num_workers=2)) == ["map"]


ARRANGED = {
    "flat": (lambda a: a.reshape(-1), (65_536,), "44MB"),
    "other axes": (lambda a: a.reshape(1920, -1), (300, 2048), "40MB"),
    "moved and flat": (lambda a: a.transpose(1, 0, 2).reshape(-1, 32), (4096, 32), "38MB"),
    "swapped": (lambda a: a.transpose(0, 2, 1), (1, 256, 256), "36MB"),
}


@pytest.mark.parametrize(("arrange", "chunks", "memory"), ARRANGED.values(), ids=ARRANGED)
def test_reshapes_and_transposes_in_little_memory(arrange, chunks, memory):
    values = np.random.default_rng(0).random(SHAPE, "f4")
    z = lz.create_array("cubes.zarr", shape=SHAPE, chunks=(20, 32, 32), dtype="f4", compressors=None)
    z[...] = values
    y = arrange(lz.from_zarr("cubes.zarr"))
    plan = y.to_zarr("out.zarr", chunks=chunks, compute=False, memory=memory, num_workers=2)
    assert plan.fits, plan
    assert "spill" in kinds(plan)
    np.testing.assert_array_equal(plan.run()[...], arrange(values))


def test_a_plan_that_decodes_chunks_over_and_over_says_so_and_what_would_not():
    z = lz.create_array("t2m.zarr", shape=(8784, 721, 1440), chunks=(1, 721, 1440), dtype="f4")
    y = np.sort(lz.from_zarr(z), axis=0)
    plan = y.to_zarr("out.zarr", memory="300MB", num_workers=2, compute=False)
    assert plan.fits
    assert plan.stages[0].amplification > 100
    text = " ".join(str(plan).split())
    (memory,) = re.findall(r'decodes each chunk about 2,884 times; memory="(\w+)" would decode', text)
    less = y.to_zarr("out.zarr", memory=memory, num_workers=2, compute=False)
    assert less.fits
    assert less.bytes_decoded < plan.bytes_decoded / 2
    assert "decodes each chunk about" not in str(less)
