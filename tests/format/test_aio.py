"""AsyncArray and AsyncGroup: the same answers as the calls that block, and calls that wait together."""

from __future__ import annotations

import asyncio
import inspect
import threading

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.format.stores.memory import MemoryStore
from lazyzarr.format.stores.wrappers import FaultStore


def run(coroutine):
    return asyncio.run(coroutine)


async def collected(stream):
    return [item async for item in stream]


def test_array():
    async def main():
        z = await lz.AsyncArray.create("a.zarr", shape=(4, 6), chunks=(2, 3), dtype="i4", attributes={"a": 1})
        await z.setitem((slice(1, 3), slice(None)), 7)
        assert (await z.getitem((1, 1))) == 7
        assert (z.shape, z.chunks, z.dtype, z.ndim, z.nchunks) == ((4, 6), (2, 3), np.dtype("i4"), 2, 4)
        np.testing.assert_array_equal(await z.oindex.getitem(([0, 1], [2, 5])), [[0, 0], [7, 7]])
        np.testing.assert_array_equal(await z.vindex.getitem(([0, 1], [2, 5])), [0, 7])
        np.testing.assert_array_equal(await z.get_coordinate_selection(([0, 1], [2, 5])), [0, 7])
        np.testing.assert_array_equal(await z.get_orthogonal_selection(([0, 1], 2)), [0, 7])
        assert (await z.get_mask_selection(np.eye(4, 6, dtype=bool))).tolist() == [0, 7, 7, 0]
        await z.vindex.setitem(([0], [0]), 5)
        assert await z.append(np.ones((2, 6), "i4")) == (6, 6)
        await z.resize((5, 6))
        assert await z.update_attributes({"b": 2}) is z
        assert (dict(z.attrs), z.shape) == ({"a": 1, "b": 2}, (5, 6))
        assert await z.nchunks_initialized() == 6
        assert await z.nbytes_stored() == z.array.nbytes_stored
        assert "Chunks Initialized" in repr(await z.info_complete())
        assert z.with_config({"write_empty_chunks": True}).config.write_empty_chunks
        return z

    z = run(main())
    np.testing.assert_array_equal(lz.open("a.zarr")[...], z.array[...])
    assert repr(z) == "<AsyncArray file://a.zarr shape=(5, 6) dtype=int32>"
    again = run(lz.AsyncArray.open("a.zarr"))
    assert again == z == lz.open("a.zarr").async_array
    assert hash(again) == hash(z)
    assert {"chunks", "getitem"} <= set(dir(z))
    with pytest.raises(AttributeError, match="'AsyncArray' object has no attribute 'x'"):
        _ = z.x


def test_group():
    async def main():
        root = await lz.AsyncGroup.from_store("a.zarr", attributes={"a": 1})
        u = await root.create_array("wind/u", shape=(4,), chunks=(2,), dtype="f4")
        assert isinstance(u, lz.AsyncArray)
        await root.setitem("t", np.arange(3))
        assert await collected(root.keys()) == ["t", "wind"]
        members = await collected(root.members(None))
        assert [(path, type(node).__name__) for path, node in members] == [
            ("t", "AsyncArray"),
            ("wind", "AsyncGroup"),
            ("wind/u", "AsyncArray"),
        ]
        assert await root.nmembers(None) == 3
        assert (
            [name for name, _ in await collected(root.arrays())]
            == await collected(root.array_keys())
            == ["t"]
        )
        assert [name for name, _ in await collected(root.groups())] == await collected(root.group_keys())
        assert [array.path for array in await collected(root.array_values())] == ["t"]
        assert [group.path for group in await collected(root.group_values())] == ["wind"]
        assert await root.contains("wind/u")
        assert await root.get("x", 5) == 5
        assert (await root.getitem("wind/u")) == u == await root.get_array("wind/u")
        assert (await root.get_group("wind")).path == "wind"
        assert "u (4,) float32" in repr(await root.tree())
        await root.move("t", "s")
        await root.delitem("wind")
        assert await collected(root.keys()) == ["s"]
        await root.create_group("g")
        assert [g.path for g in await root.require_groups("g", "h")] == ["g", "h"]
        assert (await root.require_group("g")).path == "g"
        assert (await root.require_array("s", shape=(3,))).shape == (3,)
        for name in ("zeros", "ones", "empty"):
            made = await getattr(root, name)(name, (2,), dtype="i2")
            like = await getattr(root, f"{name}_like")(f"{name}2", made)
            assert made.dtype == like.dtype == np.dtype("i2")
        full = await root.full("full", (2,), 3)
        assert (await (await root.full_like("full2", full.array, 4)).getitem(0)) == 4
        made = await collected(root.create_hierarchy({"x/y": u.metadata}))
        assert [path for path, _ in made] == ["x", "x/y"]
        await root.update_attributes({"b": 2})
        return root

    root = run(main())
    assert dict(lz.open("a.zarr").attrs) == dict(root.attrs) == {"a": 1, "b": 2}
    assert run(lz.AsyncGroup.open("a.zarr")) == root == lz.open("a.zarr").async_group
    lz.consolidate_metadata("a.zarr")
    assert len(
        run(collected(run(lz.AsyncGroup.open("a.zarr", use_consolidated=True)).members(None)))
    ) == root.group.nmembers(None)


def test_errors_are_those_of_the_calls_that_block():
    root = lz.group().async_group
    for call, error in [
        (lambda: root.getitem("x"), KeyError),
        (lambda: root.delitem("x"), FileNotFoundError),
        (lambda: lz.AsyncArray.open("x"), lz.errors.ArrayNotFoundError),
        (lambda: lz.AsyncGroup.open("x"), lz.errors.GroupNotFoundError),
    ]:
        with pytest.raises(error):
            run(call())


def test_gathered_calls_wait_together():
    """All of many reads are under way before the first is answered."""
    count, together = 40, threading.Barrier(40, timeout=30)
    store = MemoryStore()
    lz.create_array(store, data=np.arange(count), chunks=1)
    slow = FaultStore(store, lambda verb, key, n: key.startswith("c/") and verb == "get" and together.wait())
    z = lz.open_array(slow).async_array

    async def main():
        return await asyncio.gather(*(z.getitem(i) for i in range(count)))

    assert run(main()) == list(range(count))


def test_the_loop_goes_on_meanwhile():
    free = threading.Event()
    store = MemoryStore()
    lz.create_array(store, data=np.arange(3), chunks=3)
    slow = FaultStore(store, lambda verb, key, n: key == "c/0" and free.wait(30))

    async def main():
        reading = asyncio.create_task(lz.open_array(slow).async_array.getitem(1))
        await asyncio.sleep(0)
        free.set()  # only a loop that is not held up by the read comes here
        return await reading

    assert run(main()) == 1


@pytest.mark.peer
@pytest.mark.parametrize("name", ["AsyncArray", "AsyncGroup"])
def test_names_of_zarr_python(name):
    """What zarr-python's classes have, ours have, but for what is deprecated there or of its inner workings."""
    import zarr

    left_out = {"from_dict", "nbytes", "create"} if name == "AsyncGroup" else {"from_dict", "cdata_shape"}
    theirs = {each for each in dir(getattr(zarr, name)) if not each.startswith("_")} - left_out
    node = lz.zeros(3).async_array if name == "AsyncArray" else lz.group().async_group
    assert {each for each in theirs if not hasattr(node, each)} <= {"codec_pipeline", "config", "store_path"}


@pytest.mark.peer
@pytest.mark.parametrize("name", ["getitem", "setitem", "append", "resize", "update_attributes"])
def test_coroutines_are_coroutines(name):
    import zarr

    for cls in ("AsyncArray", "AsyncGroup"):
        theirs, ours = (getattr(getattr(module, cls), name, None) for module in (zarr, lz))
        if theirs is not None:
            assert inspect.iscoroutinefunction(theirs) == inspect.iscoroutinefunction(ours)
