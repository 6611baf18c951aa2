"""Writers of one array in a bucket, threads and processes: nothing is lost, and what cannot be safe is refused."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import threading
import time

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import ArrayReplacedError, ContainsArrayError, LockUnavailableError, StoreError
from lazyzarr.format import leases
from lazyzarr.format.chunk import ChunkReader
from lazyzarr.format.locks import array_lock
from lazyzarr.format.resolve import resolve
from lazyzarr.format.stores.objects import ObjectStore
from lazyzarr.format.stores.prefix import PrefixStore

pytest.importorskip("obstore", reason="comes with the extra lazyzarr[cloud]")


class Elsewhere(ObjectStore):
    """The store as another process sees it: this process's locks are not its own."""

    def place(self, path):
        return "elsewhere", super().place(path)


def elsewhere(array):
    """The array as another process has it open."""
    return lz.open_array(Elsewhere(array.store._client.store), path=array.path, mode="r+")


@pytest.fixture(scope="module")
def processes():
    """Four processes that share nothing with this one."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        yield pool


def _set_each(url, options, start, step, n):
    z = lz.open_array(url, mode="r+", storage_options=options)
    for i in range(start, n, step):
        z[i] = i + 1


def _append_each(url, options, writer, n):
    z = lz.open_array(url, mode="r+", storage_options=options)
    for i in range(n):
        z.append([[writer, i]])


def _note_each(url, options, writer, n):
    z = lz.open_array(url, mode="r+", storage_options=options)
    for i in range(n):
        z.attrs[f"{writer}-{i}"] = i


def _make(url, options, writer):
    try:
        lz.create_array(url, data=np.full(40, writer), chunks=(4,), storage_options=options)
    except ContainsArrayError:
        return 0
    return writer


@pytest.mark.parametrize("shards", [None, (16,)])
def test_processes_on_one_chunk_or_shard(processes, bucket, options, shards):
    url = f"{bucket}.zarr"
    z = lz.create_array(url, shape=(16,), chunks=(16,) if shards is None else (2,), shards=shards, dtype="i4",
                        storage_options=options)  # fmt: skip
    processes.starmap(_set_each, [(url, options, start, 4, 16) for start in range(4)], chunksize=1)
    assert z[...].tolist() == list(range(1, 17))


def test_threads_on_one_chunk(bucket, options):
    z = lz.create_array(bucket, shape=(24,), chunks=(24,), dtype="i4", storage_options=options)
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda i: z.__setitem__(i, i + 1), range(24)))
    assert z[...].tolist() == list(range(1, 25))


@pytest.mark.parametrize("chunk", [1, 5])
def test_each_row_is_appended_once(processes, bucket, options, chunk):
    lz.create_array(
        bucket, shape=(0, 2), chunks=(chunk, 2), dtype="i4", fill_value=-1, storage_options=options
    )
    processes.starmap(_append_each, [(bucket, options, writer, 6) for writer in range(4)], chunksize=1)
    rows = lz.open_array(bucket, mode="r", storage_options=options)[...].tolist()
    assert sorted(rows) == [[writer, i] for writer in range(4) for i in range(6)]
    for writer in range(4):
        assert [i for who, i in rows if who == writer] == list(range(6))


def test_no_attribute_is_lost(processes, bucket, options):
    z = lz.create_array(bucket, shape=(1,), dtype="i4", storage_options=options)
    processes.starmap(_note_each, [(bucket, options, writer, 5) for writer in range(4)], chunksize=1)
    assert len(lz.open_array(bucket, mode="r", storage_options=options).attrs) == 20
    assert [key for key in z.store._all("") if "lazyzarr" in key] == []


def test_one_of_several_makers_wins_with_all_its_chunks(processes, bucket, options):
    for n in range(3):
        url = f"{bucket}/{n}"
        made = processes.starmap(_make, [(url, options, writer) for writer in range(1, 5)], chunksize=1)
        winner = sum(made)
        assert sorted(made)[:3] == [0, 0, 0]
        assert (lz.open_array(url, mode="r", storage_options=options)[...] == winner).all()


def test_a_write_beside_an_append_keeps_what_was_appended(bucket, options, monkeypatch):
    """A whole chunk at the edge is not all of the chunk: another writer may have appended into it meanwhile."""
    for shards in (None, (8,)):
        url = f"{bucket}/{shards}"
        z = lz.create_array(url, shape=(5,), chunks=(8,) if shards is None else (2,), shards=shards, dtype="i4",
                            storage_options=options)  # fmt: skip
        other = elsewhere(z)
        z[...] = 1
        writer = z.writer()
        monkeypatch.setattr(writer, "check", lambda other=other: other.append([7, 7, 7]))
        z[...] = 2
        assert lz.open_array(url, mode="r", storage_options=options)[...].tolist() == [2] * 5 + [7] * 3


def test_a_growth_shows_no_old_elements(bucket, options):
    for shards in (None, (8,)):
        url = f"{bucket}/{shards}"
        z = lz.create_array(url, shape=(8,), chunks=(8,) if shards is None else (2,), shards=shards, dtype="i4",
                            storage_options=options)  # fmt: skip
        z[...] = 1
        z.resize(3)
        z[0] = 5
        z.resize(8)
        assert z[...].tolist() == [5, 1, 1, 0, 0, 0, 0, 0]


def test_a_part_set_to_fill_is_stored_and_reads_as_fill(bucket, options):
    for shards in (None, (4,)):
        url = f"{bucket}/{shards}"
        z = lz.create_array(url, shape=(4,), chunks=(4,) if shards is None else (2,), shards=shards, dtype="i4",
                            storage_options=options)  # fmt: skip
        z[...] = 1
        z[1:] = 0
        z[0] = 0
        assert z[...].tolist() == [0] * 4
        z[...] = 0
        assert not z.store.exists(f"{z.path}/c/0".lstrip("/"))
        z[1] = 0
        assert z[...].tolist() == [0] * 4


def test_replaced_while_it_is_read(bucket, options):
    """The new array's chunks never have the names of the old one's, so no element is ever of both."""
    url = f"{bucket}/u.zarr"
    for n, words in enumerate(
        [{}, {}, {"zarr_format": 2}, {"chunk_key_encoding": {"name": "v2", "separator": "/"}}]
    ):
        old = lz.create_array(url, data=np.full((4, 4), n + 1), chunks=(2, 2), overwrite=True,
                              storage_options=options)  # fmt: skip
        stale = lz.open_array(url, mode="r", storage_options=options)
        assert stale[0, 0] == n + 1
        new = lz.create_array(url, data=np.full((4, 4), 70 + n), chunks=(2, 2), overwrite=True,
                              storage_options=options, **words)  # fmt: skip
        assert (new[...] == 70 + n).all()
        assert (lz.open_array(url, mode="r", storage_options=options)[...] == 70 + n).all()
        for reader in (stale, old):
            with pytest.raises(ArrayReplacedError):
                reader[...]
        assert sorted(key for key in new.store._all("") if "lazyzarr" in key) == []
        assert len(list(new.store.list())) == 5


def test_a_replacement_is_never_half_there(bucket, options, s3):
    """Whichever request fails for good, the old array is there, or the new one, or an error says what happened."""
    for after in range(0, 40, 3):
        url = f"{bucket}/{after}.zarr"
        lz.create_array(url, data=np.full(4, 1), chunks=(2,), storage_options=options)
        s3.control(fail="400", after=after, method="PUT")
        try:
            lz.create_array(url, data=np.full(4, 2), chunks=(2,), overwrite=True, storage_options=options)
            done = True
        except StoreError:
            done = False
        s3.control()
        values = lz.open_array(url, mode="r", storage_options=options)[...].tolist()
        assert values in ([[2] * 4] if done else [[1] * 4, [2] * 4]), after
    assert done


def test_a_part_of_a_bucket(bucket, options):
    """A store that shows a part of another one: what is built beside it lies in the other one."""
    whole, _ = resolve(bucket, storage_options=options)
    store = PrefixStore(whole, "a/b")
    for n in range(3):
        z = lz.create_array(store, name="u", data=np.full(4, n), chunks=(2,), overwrite=True)
        z[1] = 9
        assert lz.open_group(whole, path="a/b", mode="r")["u"][...].tolist() == [n, 9, n, n]
    lz.create_array(store, data=np.full(4, 5), chunks=(2,), overwrite=True)
    assert lz.open_array(whole, path="a/b", mode="r")[...].tolist() == [5] * 4
    assert not [key for key in whole._all("") if "lazyzarr" in key]


def test_groups_are_replaced_and_deleted(bucket, options):
    root = lz.open_group(f"{bucket}.zarr", mode="w", storage_options=options)
    root.create_array("a/u", data=np.arange(4), chunks=(2,))
    root.create_array("b", data=np.arange(3))
    del root["a"]
    assert sorted(root.keys()) == ["b"]
    lz.open_group(f"{bucket}.zarr", mode="w", storage_options=options)
    assert list(root.store.list()) == ["zarr.json"]
    lz.save(f"{bucket}.zarr/v", np.arange(5), storage_options=options)
    assert lz.load(f"{bucket}.zarr/v", storage_options=options).tolist() == [0, 1, 2, 3, 4]


def test_the_lease_is_waited_for_and_taken_over(bucket, options, monkeypatch):
    monkeypatch.setattr(leases, "SECONDS", 0.6)
    store, _ = resolve(bucket, storage_options=options)
    again = Elsewhere(store._client.store)
    order = []

    def second():
        with array_lock(again, "").alone():
            order.append("second")

    with array_lock(store, "").alone():
        assert store.exists("__lazyzarr-lock")
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(1.5)  # longer than a lease: it is renewed
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]
    assert not store.exists("__lazyzarr-lock")
    store.set("__lazyzarr-lock", b"of one that was killed")
    second()
    assert not store.exists("__lazyzarr-lock")


def test_writers_that_are_killed(bucket, options, s3, monkeypatch):
    """Rows of a killed append are all there or not at all, and the next append does not wait for it for ever."""
    monkeypatch.setattr(leases, "SECONDS", 0.5)
    z = lz.create_array(bucket, data=np.ones((4, 2), "i4"), chunks=(3, 2), storage_options=options)
    context = multiprocessing.get_context("spawn")
    for n in range(2):
        s3.control(latency=0.05)
        process = context.Process(target=_append_each, args=(bucket, options, 5, 1000))
        process.start()
        deadline = time.monotonic() + 30
        while not z.store.exists("__lazyzarr-lock") and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1 * n)
        process.kill()
        process.join()
        s3.control()
        before = lz.open_array(bucket, mode="r", storage_options=options)[...]
        z = lz.open_array(bucket, mode="r+", storage_options=options)
        z.append([[7, n]])
        after = lz.open_array(bucket, mode="r", storage_options=options)[...]
        assert after[-1].tolist() == [7, n]
        assert (after[: len(before)] == before).all()
        assert set(map(tuple, after.tolist())) <= {(1, 1), *((5, i) for i in range(1000)), (7, 0), (7, 1)}
        assert not z.store.exists("__lazyzarr-lock")


def test_who_lost_the_lease_stores_no_metadata(bucket, options):
    z = lz.create_array(bucket, shape=(2,), chunks=(2,), dtype="i4", storage_options=options)
    other = elsewhere(z)
    with pytest.raises(ArrayReplacedError, match="another program"):
        _edit_meanwhile(z, other)
    assert dict(lz.open_array(bucket, mode="r", storage_options=options).attrs) == {"theirs": 1}


def _edit_meanwhile(z, other):
    from lazyzarr.format import commit

    def change(attributes):
        other.store.set(
            "zarr.json", next(iter(other.metadata.with_attributes({"theirs": 1}).keys().values()))
        )
        return attributes | {"mine": 1}

    commit.edit_attributes(z.store, z.path, change)


def test_a_chunk_changed_between_read_and_write_is_changed_again(bucket, options, monkeypatch):
    z = lz.create_array(bucket, shape=(4,), chunks=(4,), dtype="i4", storage_options=options)
    z[...] = 1
    other = elsewhere(z)
    store, changes = z.store, [10, 20]
    get_known = type(store).get_known

    def slow(self, key):
        found = get_known(self, key)
        if key == "c/0" and changes:
            monkeypatch.setattr(type(store), "get_known", get_known)
            other[1] = changes.pop()
            monkeypatch.setattr(type(store), "get_known", slow)
        return found

    monkeypatch.setattr(type(store), "get_known", slow)
    z[0] = 5
    assert z[...].tolist() == [5, 10, 1, 1]


def test_what_fsspec_cannot_keep_safe_is_refused_with_the_reason(tmp_path):
    fsspec = pytest.importorskip("fsspec", reason="comes with the extra lazyzarr[cloud]")
    from lazyzarr.storage import FsspecStore

    store = FsspecStore(fsspec.filesystem("file"), path=str(tmp_path / "data.zarr"))
    z = lz.create_array(store, shape=(6,), chunks=(4,), dtype="i4")
    z[:4] = 1
    z[...] = 2
    for change in (
        lambda: z.__setitem__(0, 3),
        lambda: z.append([1]),
        lambda: z.resize(3),
        lambda: z.attrs.update(a=1),
        lambda: lz.create_array(store, shape=(6,), dtype="i4", overwrite=True),
    ):
        with pytest.raises(LockUnavailableError, match=r"fsspec has no conditional writes.*locking"):
            change()
    assert (z[...] == 2).all()
    with lz.config.set({"locking": "process"}):
        z[0] = 3
        z.append([1])
        z.attrs["a"] = 1
    assert z[...].tolist() == [3, 2, 2, 2, 2, 2, 1]
    assert ChunkReader(store, "", z.metadata).grid.shape == (7,)
