"""Zarr on a plain HTTP server: read, by ranges where it knows them, told apart from what is not there."""

from __future__ import annotations

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import NodeNotFoundError, ReadOnlyStoreError, StoreError
from lazyzarr.format.resolve import resolve

pytest.importorskip("obstore", reason="comes with the extra lazyzarr[cloud]")

DATA = np.arange(60, dtype="i4").reshape(6, 10)


@pytest.fixture
def served(files):
    """The URL of a hierarchy on the server."""
    root = lz.open_group(files.folder / "data.zarr", mode="w")
    root.create_array("a/u", data=DATA, chunks=(2, 5))
    root.create_array("a/s", data=DATA, chunks=(1, 5), shards=(2, 10))
    root.create_array("v", data=np.full(4, 9), chunks=(2,))
    lz.consolidate_metadata(files.folder / "data.zarr")
    return f"{files.url}/data.zarr"


def test_arrays_and_groups(served):
    assert (lz.open(f"{served}/a/u", mode="r")[...] == DATA).all()
    root = lz.open_group(served, mode="r")
    assert (root["a/s"][1:5, 3] == DATA[1:5, 3]).all()
    assert root["a"]["u"].path == "a/u"
    assert sorted(lz.open_consolidated(served, mode="r").keys()) == ["a", "v"]
    assert lz.from_zarr(f"{served}/a/u").sum().compute() == DATA.sum()
    assert (lz.load(f"{served}/v") == 9).all()


def test_what_is_not_there_is_told(served, files):
    with pytest.raises(NodeNotFoundError, match=r"no array or group at http://127.*/data.zarr/a/typo"):
        lz.open(f"{served}/a/typo", mode="r")
    (files.folder / "data.zarr/zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    with pytest.raises(NodeNotFoundError, match=r"no array at http://127.*/data.zarr/typo"):
        lz.open_array(f"{files.url}/data.zarr/typo", mode="r")
    with pytest.raises(StoreError, match="could not list"):
        list(lz.open_group(served, mode="r", use_consolidated=False).store.list_dir())


def test_nothing_is_written_over_http(served):
    z = lz.open(f"{served}/a/u")
    assert z.read_only
    for write in (lambda: z.__setitem__(0, 1), lambda: z.append(DATA), lambda: z.attrs.update(a=1)):
        with pytest.raises(ReadOnlyStoreError):
            write()
    with pytest.raises(ReadOnlyStoreError):
        lz.create_array(f"{served}/new", shape=(1,), dtype="i4")


@pytest.mark.parametrize("ranges", ["yes", "no"])
def test_shards_on_servers_with_and_without_ranges(served, files, ranges):
    files.control(ranges=ranges)
    z = lz.open(f"{served}/a/s", mode="r")
    assert z[3, 7] == DATA[3, 7]
    assert (z[...] == DATA).all()
    store, _ = resolve(served)
    document = (files.folder / "data.zarr/zarr.json").read_bytes()
    for byte_range in [(0, 5), (3, 10**6), (10**6, 10**6 + 5), (-7, None), (-(10**6), None), (4, 4)]:
        assert bytes(store.get("zarr.json", byte_range)) == document[slice(*byte_range)], byte_range


def test_failures_are_never_missing_chunks(served, files):
    z = lz.open_array(f"{served}/v", mode="r", storage_options={"retry_config": {"max_retries": 1}})
    assert (z[...] == 9).all()
    for fail in ("500", "403", "429", "cut"):
        files.control(fail=fail, key="/v/c/")
        with pytest.raises(StoreError, match="v/c/"):
            z[...]
    files.control(fail="cut", times=1, key="/v/c/0")
    assert (z[...] == 9).all()  # tried again


def test_a_chunk_that_was_removed_reads_as_fill_and_an_array_that_was_does_not(served, files):
    z = lz.open_array(f"{served}/v", mode="r")
    (files.folder / "data.zarr/v/c/1").unlink()
    assert z[...].tolist() == [9, 9, 0, 0]
    (files.folder / "data.zarr/v/zarr.json").unlink()
    with pytest.raises(lz.errors.ArrayReplacedError):
        z[...]


def test_headers_and_secrets(files):
    options = {"headers": {"Authorization": "Bearer s3cret"}}
    store, _ = resolve(files.url.replace("http://", "http://user:pass@") + "/x.zarr", storage_options=options)
    assert "pass" not in store.url()
    assert "s3cret" not in repr(store)
    assert store.get("zarr.json") is None
