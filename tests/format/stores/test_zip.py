"""Zip archives: one entry a name, completed when closed, old or new after a kill, never a wrong byte."""

from __future__ import annotations

import gc
import io
import itertools
import multiprocessing
import os
import pickle
import random
import select
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import lazyzarr as lz
from lazyzarr.errors import (
    BaseZarrError,
    ChunkDecodeError,
    ContainsNodeError,
    LazyzarrError,
    NodeNotFoundError,
    ReadOnlyStoreError,
    StoreError,
    StoreReachError,
)
from lazyzarr.format import os_calls
from lazyzarr.format.stores import FaultStore, ZipStore, zip_files, zip_format
from lazyzarr.format.stores.zip_spool import Spool
from tests.format.small import FailingCalls

KILLS = int(os.environ.get("LAZYZARR_KILLS", "8"))


def names(path="data.zip"):
    """The names of an archive's members, once each, after another program found it whole."""
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        found = archive.namelist()
        headers = sorted(info.header_offset for info in archive.infolist())
    assert len(set(found)) == len(found)
    raw = Path(path).read_bytes()
    assert raw.count(b"PK\x03\x04") == len(headers)  # no left-over member lies between the others
    return sorted(found)


def members(path="data.zip"):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_array_in_an_archive():
    values = np.arange(35.0).reshape(5, 7)
    with lz.open("data.zip/x/u", mode="w", shape=(5, 7), chunks=(2, 3), dtype="f8", compressors=None) as z:
        z[...] = 0
        z[...] = values
        z.attrs["unit"] = "K"
        z.attrs["unit"] = "m"
        z[3] = 9
        values[3] = 9
        assert not os.path.exists("data.zip")
        assert (z[...] == values).all()
    assert names() == sorted(
        ["zarr.json", "x/zarr.json", "x/u/zarr.json", *(f"x/u/c/{i}/{j}" for i in range(3) for j in range(3))]
    )
    again = lz.open("data.zip/x/u", mode="r")
    assert (again[...] == values).all()
    assert again.attrs["unit"] == "m"
    assert os.listdir() == ["data.zip"]


@pytest.mark.peer
def test_zarr_python_reads_what_is_written_and_we_what_it_writes():
    import zarr

    values = np.arange(30, dtype="i2").reshape(5, 6)
    with lz.open_group("ours.zip", mode="w") as root:
        root.create_array("u", data=values, chunks=(2, 4))
        root.attrs["a"] = 1
    with zarr.storage.ZipStore("ours.zip") as store:
        theirs = zarr.open_group(store, mode="r")
        assert (theirs["u"][...] == values).all()
        assert theirs.attrs["a"] == 1
    with zarr.storage.ZipStore("theirs.zip", mode="w") as store:
        theirs = zarr.create_group(store)
        theirs.create_array("v", shape=(5, 6), chunks=(2, 4), dtype="i2")[...] = values
    assert (lz.open("theirs.zip/v", mode="r")[...] == values).all()


def test_overwritten_deleted_and_compacted():
    store = ZipStore("data.zip", mode="a")
    for n in range(20):
        store.set("a/c/0", bytes([n]) * 1000)
        store.set("a/zarr.json", b'{"n": %d}' % n)
    store.set("b", b"2")
    store.close()
    size = os.path.getsize("data.zip")
    assert names() == ["a/c/0", "a/zarr.json", "b"]
    store.set("a/c/0", b"x" * 1000)
    store.delete("b")
    store.set("c", b"3")
    store.close()
    assert os.path.getsize("data.zip") == size
    assert members() == {"a/c/0": b"x" * 1000, "a/zarr.json": b'{"n": 19}', "c": b"3"}
    store.delete_prefix("a")
    store.close()
    assert members() == {"c": b"3"}
    store.delete_prefix("")
    store.close()
    assert members() == {}


def test_equal_contents_make_equal_archives():
    for path, order in (("one.zip", "abc"), ("other.zip", "cab")):
        with ZipStore(path, mode="w") as store:
            store.set("a", b"old")
            for key in order:
                store.set(key, key.encode())
    assert Path("one.zip").read_bytes() == Path("other.zip").read_bytes()


def test_a_chunk_written_a_thousand_times_takes_the_room_of_a_few():
    store = ZipStore("data.zip", mode="a")
    z = lz.create_array(store, shape=(500, 64), chunks=(500, 64), dtype="i4", compressors=None)
    for row in range(500):
        z[row] = row
    assert os.fstat(store._archive._spool.fd).st_size < 4 * z.nbytes
    assert (z[...] == np.arange(500)[:, None]).all()
    z.close()
    assert (lz.open("data.zip", mode="r")[...] == np.arange(500)[:, None]).all()


def test_what_a_reader_is_reading_is_not_written_over():
    store, wrong, stop = ZipStore("data.zip", mode="a"), [], threading.Event()
    store.set("a", bytes(2_000_000))

    def read():
        files = store.chunk_files("")
        while not stop.is_set():
            found = bytes(files.read("a", bytearray(2_100_000)))
            if found.count(found[:1]) != len(found) or len(found) != 2_000_000:
                wrong.append(found[:10])

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for n in range(60):
        store.set("a", bytes([n % 256]) * 2_000_000)
        if n % 20 == 10:
            store.close()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60))
def test_room_is_given_once_and_used_again(steps):
    spool, held = Spool(os.open(".", os.O_RDWR | os.O_TMPFILE)), []
    for give, n in steps:
        if give:
            at = spool.reserve(n)
            assert all(at + n <= start or at >= stop for start, stop in held if start < stop) or n == 0
            held.append((at, at + n))
        elif held:
            start, stop = held.pop(n % len(held))
            spool.free(start, stop - start)
    for start, stop in held:
        spool.free(start, stop - start)
    assert spool.reserve(5) == 0


def test_what_is_in_the_archive_is_moved():
    """A member bears its old name until the archive is completed again."""
    with ZipStore("data.zip", mode="w") as store:
        store.set("a/rather/long/name/c/0", b"1")
        store.set("a/x", bytes(10_000))
    for old, new in [
        ("a", "b"),
        ("b", "d/much/longer/than/the/first"),
        ("d/much/longer/than/the/first", "c"),
    ]:
        assert store.swap_prefix(old, new, replace=False)
        assert bytes(store.chunk_files(new).read("x", bytearray(20_000))) == bytes(10_000)
        assert bytes(store.get(f"{new}/rather/long/name/c/0", (0, 1))) == b"1"
        store.close()
        assert names() == sorted([f"{new}/rather/long/name/c/0", f"{new}/x"])


def test_reserved_keys_are_not_in_the_archive():
    store = ZipStore("data.zip", mode="a")
    store.set("__lazyzarr-1/node/c/0", b"1")
    store.set("a", b"2")
    store.close()
    assert names() == ["a"]
    assert bytes(store.get("__lazyzarr-1/node/c/0")) == b"1"
    assert store.swap_prefix("__lazyzarr-1/node", "u", replace=False)
    store.close()
    assert members() == {"a": b"2", "u/c/0": b"1"}


def test_nothing_is_made_where_nothing_is_written():
    with ZipStore("data.zip", mode="a") as store:
        assert store.get("a") is None
        assert list(store.list()) == []
        store.delete("a")
        store.delete_prefix("")
    assert os.listdir() == []
    store.set("a", b"1")
    store.delete("a")
    store.close()
    assert os.listdir() == []


# When it is completed.


def test_completed_at_the_end_of_with_even_after_an_error():
    with pytest.raises(ZeroDivisionError), lz.open_group("data.zip", mode="w") as root:
        root.attrs["a"] = 1 / len(root)
    assert names() == ["zarr.json"]


def test_completed_when_the_last_use_is_let_go():
    z = lz.create_array("data.zip/u", shape=(4,), dtype="i4")
    other = lz.open("data.zip")
    z[...] = 5
    del z
    gc.collect()
    assert not os.path.exists("data.zip")
    assert (other["u"][...] == 5).all()
    del other
    gc.collect()
    assert (lz.open("data.zip/u")[...] == 5).all()
    assert "u/zarr.json" in names()


@pytest.mark.parametrize("end", ["", "raise ValueError", "import sys; sys.exit(3)"])
def test_completed_at_exit(end):
    code = (
        f"import lazyzarr as lz; z = lz.create_array('data.zip', shape=(4,), dtype='i4'); z[...] = 5\n{end}"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (lz.open("data.zip", mode="r")[...] == 5).all()
    assert os.listdir() == ["data.zip"]


def test_saved_at_once():
    lz.save("data.zip", np.arange(5))
    assert (lz.load("data.zip") == np.arange(5)).all()
    names()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_reads_and_completes_nothing():
    store = ZipStore("data.zip", mode="a")
    store.set("a", b"1")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert bytes(store.get("a")) == b"1"
            with pytest.raises(StoreError, match="forked"):
                store.set("b", b"2")
            store.close()
            assert ZipStore("data.zip", mode="a").get("a") is None  # opened anew: what is on disk
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert not os.path.exists("data.zip")
    store.close()
    assert names() == ["a"]


def test_threads_write_side_by_side():
    store = ZipStore("data.zip", mode="a")

    def work(n):
        for i in range(50):
            store.set(f"{n}/{i}", bytes([n]) * (i * 37))
            if i % 20 == n:
                store.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    assert members() == {f"{n}/{i}": bytes([n]) * (i * 37) for n in range(4) for i in range(50)}
    assert {key: bytes(store.get(key)) for key in store.list()} == members()


# More than one process.


def _write_and_wait(path, ready, go):
    store = ZipStore(path, mode="a")
    store.set("theirs", b"1")
    ready.set()
    go.wait(60)
    store.close()


@pytest.fixture
def another_writer(tmp_path):
    """A process that has written to data.zip and not completed it; calling this lets it."""
    context = multiprocessing.get_context("spawn")
    ready, go = context.Event(), context.Event()
    child = context.Process(target=_write_and_wait, args=(str(tmp_path / "data.zip"), ready, go))
    child.start()
    assert ready.wait(60)

    def finish():
        go.set()
        child.join()

    yield finish
    finish()


def test_two_writers_are_refused_and_nothing_is_lost(another_writer):
    store = ZipStore("data.zip", mode="a")
    with pytest.raises(StoreError, match="another process"):
        store.set("ours", b"2")
    with pytest.raises(StoreReachError, match="not in the archive yet"):
        pickle.loads(pickle.dumps(ZipStore("data.zip", mode="a")))
    another_writer()
    with pytest.raises(StoreError, match="open it again"):
        store.set("ours", b"2")
    with ZipStore("data.zip", mode="a") as again:
        again.set("ours", b"2")
    assert members() == {"ours": b"2", "theirs": b"1"}
    assert os.listdir() == ["data.zip"]


def test_a_reader_goes_on_and_another_opening_sees_the_new_one():
    with ZipStore("data.zip", mode="w") as store:
        store.set("a", b"old")
    reader = ZipStore("data.zip")
    assert bytes(reader.get("a")) == b"old"
    with zipfile.ZipFile("new.zip", "w") as archive:
        archive.writestr("a", b"newer")
    os.rename("new.zip", "data.zip")
    assert bytes(reader.get("a")) == b"old"
    assert bytes(ZipStore("data.zip").get("a")) == b"newer"


def test_an_archive_that_another_program_replaced_is_left_alone():
    store = ZipStore("data.zip", mode="a")
    store.set("a", b"ours")
    with zipfile.ZipFile("data.zip", "w") as archive:
        archive.writestr("a", b"theirs")
    with pytest.raises(StoreError, match="another program"):
        store.close()
    assert members() == {"a": b"theirs"}
    os.remove("data.zip")
    store.close()
    assert members() == {"a": b"ours"}


def _reads(spec, answers):
    try:
        answers.put(bytes(pickle.loads(spec).get("a")))
    except StoreReachError as error:
        answers.put(str(error))


def test_it_pickles_where_nothing_is_unfinished():
    store = ZipStore("data.zip", mode="a")
    store.set("a", b"1")
    assert bytes(pickle.loads(pickle.dumps(store)).get("a")) == b"1"
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    for expected in ("not in the archive yet", b"1"):
        child = context.Process(target=_reads, args=(pickle.dumps(store), answers))
        child.start()
        assert expected in answers.get(timeout=60)
        child.join()
        store.close()


def test_plans_for_other_processes():
    """What is written reaches this process alone before the archive is completed; what is read, all of the host."""
    store = ZipStore("data.zip", mode="a")
    assert (ZipStore("data.zip").reach, store.reach, store.read_reach) == ("host", "thread", "host")
    z = lz.create_array(store, name="u", data=np.arange(8), chunks=(2,))
    assert store.read_reach == "thread"
    with pytest.raises(StoreReachError, match="this process alone"):
        (z + 1).sum().compute(scheduler="processes")
    z.close()
    assert (z + 1).sum().compute(scheduler="processes") == 36
    with pytest.raises(StoreReachError, match="this process alone"):
        (z + 1).to_zarr(store, path="v", mode="w", scheduler="processes")


# What is in it.


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members_are_read_and_kept(method):
    value = b"0123456789" * 500
    with zipfile.ZipFile("data.zip", "w", method) as archive:
        archive.comment = b"of the user"
        archive.writestr("a/c/0", value)
        archive.writestr(zipfile.ZipInfo("é", (2020, 1, 2, 3, 4, 6)), b"")
    store = ZipStore("data.zip", mode="a")
    assert bytes(store.get("a/c/0")) == value
    assert bytes(store.get("a/c/0", (3, 7))) == value[3:7]
    assert bytes(store.chunk_files("a").read("c/0", bytearray(6000))) == value
    assert store.size("a/c/0") == 5000
    store.set("b", b"1")
    store.close()
    assert members() == {"a/c/0": value, "b": b"1", "é": b""}
    with zipfile.ZipFile("data.zip") as archive:
        assert archive.getinfo("a/c/0").compress_type == method
        assert archive.getinfo("é").date_time == (2020, 1, 2, 3, 4, 6)
        assert archive.comment == b"of the user"


def test_streamed_members():
    """Their sizes stand behind them, in the directory and not in the header."""

    class Pipe(io.RawIOBase):
        def writable(self):
            return True

        def write(self, data):
            return out.write(data)

    out = io.BytesIO()
    with zipfile.ZipFile(Pipe(), "w") as archive, archive.open("a", "w") as member:
        member.write(b"123")
    Path("data.zip").write_bytes(out.getvalue())
    store = ZipStore("data.zip", mode="a")
    assert bytes(store.get("a")) == b"123"
    store.set("b", b"2")
    store.close()
    assert members() == {"a": b"123", "b": b"2"}


def test_two_members_of_one_name():
    """As zarr-python leaves them: the last one counts, and the next writing removes the others."""
    with zipfile.ZipFile("data.zip", "w") as archive:
        archive.writestr("a", b"old")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"new")
    store = ZipStore("data.zip", mode="a")
    assert bytes(store.get("a")) == b"new"
    store.set("b", b"1")
    store.close()
    assert names() == ["a", "b"]
    assert members()["a"] == b"new"


def test_names_that_are_no_keys_are_kept_and_not_shown():
    with zipfile.ZipFile("data.zip", "w") as archive:
        for name in ("../x", "/etc/x", "a//b", "folder/", "a\\b", "ok"):
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            archive.writestr(info, name.encode() if not name.endswith("/") else b"")
    store = ZipStore("data.zip", mode="a")
    assert list(store.list()) == ["ok"]
    store.set("b", b"1")
    store.close()
    assert names() == sorted(["../x", "/etc/x", "a//b", "a\\b", "ok", "b"])
    assert os.listdir() == ["data.zip"]


def test_zip64(monkeypatch):
    """The records of large archives, asked for at small sizes."""
    monkeypatch.setattr(zip_format, "_LARGE", 50)
    monkeypatch.setattr(zip_format, "_MANY", 3)
    values = {f"k{n}": bytes([n]) * (n * 13) for n in range(9)}
    with ZipStore("data.zip", mode="w") as store:
        for key, value in values.items():
            store.set(key, value)
    assert members() == values
    raw = Path("data.zip").read_bytes()
    assert raw.count(b"PK\x06\x06") == 1
    assert raw.count(b"PK\x03\x04\x2d\x00") == 5  # of the members of 52 bytes and more
    store = ZipStore("data.zip")
    assert {key: bytes(store.get(key)) for key in store.list()} == values


@pytest.mark.parametrize("damage", ["not zip", "cut", "empty"])
def test_a_file_that_is_no_archive(damage):
    with ZipStore("data.zip", mode="w") as store:
        store.set("zarr.json", b"{}")
    whole = Path("data.zip").read_bytes()
    Path("data.zip").write_bytes({"not zip": b"x" * 99, "cut": whole[:-9], "empty": b""}[damage])
    with pytest.raises(StoreError, match="no zip archive"):
        ZipStore("data.zip").get("a")
    with pytest.raises(StoreError, match="no zip archive"):
        lz.open("data.zip")
    with pytest.raises(StoreError, match="no zip archive"):
        ZipStore("data.zip", mode="a").set("a", b"1")
    with lz.open_group(ZipStore("data.zip", mode="w")) as root:
        root.attrs["a"] = 1
    assert names() == ["zarr.json"]


def test_no_flipped_bit_gives_wrong_bytes():
    """The archive has checksums, where the array has none; a name that is damaged is another key's."""
    values = np.arange(64, dtype="u1").reshape(8, 8)
    with lz.open("data.zip", mode="w", shape=(8, 8), chunks=(4, 8), dtype="u1", compressors=None) as z:
        z[...] = values
    whole = Path("data.zip").read_bytes()
    for at in range(len(whole) * 8):
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << at % 8
        if at % 7:
            continue
        Path("data.zip").write_bytes(flipped)
        try:
            found = lz.open("data.zip", mode="r")[...]
        except (LazyzarrError, FileNotFoundError):
            continue
        assert (found == values).all() or (found[:4] == 0).all() or (found[4:] == 0).all(), at // 8


def test_a_member_longer_than_a_chunk_can_be_is_not_read():
    with lz.open("data.zip", mode="w", shape=(4,), dtype="u1", compressors=None) as z:
        z[...] = 1
    contents = members()
    contents["c/0"] = bytes(50_000_000)
    with zipfile.ZipFile("data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in contents.items():
            archive.writestr(name, value)
    with pytest.raises(ChunkDecodeError, match="50,000,000 bytes are stored"):
        lz.open("data.zip", mode="r")[...]


def test_encrypted_members_are_refused():
    with ZipStore("data.zip", mode="w") as store:
        store.set("a", b"123")
    raw = bytearray(Path("data.zip").read_bytes())
    raw[6] |= 1
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    Path("data.zip").write_bytes(raw)
    with pytest.raises(StoreError, match="encrypted"):
        ZipStore("data.zip").get("a")


# How it is opened.


def test_open():
    with pytest.raises(NodeNotFoundError):
        lz.open("data.zip")
    assert os.listdir() == []
    with lz.open("data.zip", mode="a") as root:
        root.create_group("x/y")
    for name in ("data.zip", "zip://data.zip", os.path.abspath("data.zip")):
        assert sorted(lz.open(name, mode="r")["x"]) == ["y"]
    assert lz.open("data.zip/x/y").path == "x/y"
    with pytest.raises(NodeNotFoundError, match="holds x"):
        lz.open("data.zip/z")
    with pytest.raises(ReadOnlyStoreError):
        lz.open("data.zip", mode="r").create_group("z")
    Path("text.txt").write_text("no archive")
    with pytest.raises(NodeNotFoundError, match="neither a folder nor a zip archive"):
        lz.open("text.txt")


def test_a_folder_named_as_an_archive_is_a_folder():
    lz.create_group("data.zarr")
    lz.create_array("data.zarr/x.zip", shape=(3,), dtype="i4")
    assert os.path.isdir("data.zarr/x.zip")
    assert lz.open("data.zarr/x.zip").shape == (3,)
    assert type(lz.open("data.zarr/x.zip").store).__name__ == "LocalStore"


def test_an_archive_of_another_name():
    with lz.open("data.zip", mode="w", shape=(3,), dtype="i4") as z:
        z[...] = 4
    os.rename("data.zip", "data.bin")
    assert (lz.open("data.bin", mode="r")[...] == 4).all()


def test_an_archive_within_a_store():
    lz.create_group("data.zarr")
    with ZipStore("data.zarr/x.zip", mode="w") as store:
        lz.create_array(store, name="u", data=[1, 2])
    assert lz.open("data.zarr/x.zip/u")[1] == 2


def test_a_folder_that_was_zipped_from_above():
    with lz.open("data.zip/data.zarr/u", mode="w", shape=(3,), dtype="i4") as z:
        z[...] = 4
    inner = {name: raw for name, raw in members().items() if name != "zarr.json"}
    with zipfile.ZipFile("data.zip", "w") as archive:
        for name, raw in inner.items():
            archive.writestr(name, raw)
    assert (lz.open("data.zip/u", mode="r")[...] == 4).all()
    assert lz.open("data.zip").path == "data.zarr"
    assert (lz.open("data.zip/data.zarr/u")[...] == 4).all()


def test_modes():
    with ZipStore("data.zip", mode="x") as store:
        store.set("a", b"1")
    with pytest.raises(ContainsNodeError):
        ZipStore("data.zip", mode="x")
    with pytest.raises(ReadOnlyStoreError):
        ZipStore("data.zip").set("b", b"1")
    with ZipStore("data.zip", mode="a") as store:
        store.set("b", b"1")
    assert names() == ["a", "b"]
    store = ZipStore("data.zip", mode="w")
    assert list(store.list()) == []
    assert names() == ["a", "b"]
    store.close()
    assert names() == []
    with pytest.raises(BaseZarrError, match="not known"):
        ZipStore("data.zip", mode="q")
    with pytest.raises(BaseZarrError, match="compression"):
        ZipStore("data.zip", mode="w", compression=zipfile.ZIP_LZMA)


def test_an_open_file():
    with lz.open("data.zip", mode="w", shape=(3,), dtype="i4") as z:
        z[...] = 4
    with open("data.zip", "rb") as file:
        store = ZipStore(file)
        assert (lz.open(store, mode="r")[...] == 4).all()
        assert store.read_only
        with pytest.raises(StoreReachError, match="give its path"):
            pickle.loads(pickle.dumps(store))


def test_links_and_permissions_stay():
    os.mkdir("real")
    with ZipStore("real/data.zip", mode="w") as store:
        store.set("a", b"1")
    os.chmod("real/data.zip", 0o640)
    os.symlink("real/data.zip", "link.zip")
    with ZipStore("link.zip", mode="a") as store:
        store.set("b", b"1")
    assert os.path.islink("link.zip")
    assert names("real/data.zip") == ["a", "b"]
    assert os.stat("real/data.zip").st_mode & 0o777 == 0o640


def test_chunks_through_wrappers():
    with ZipStore("data.zip", mode="w") as inner:
        calls = []
        store = FaultStore(inner, lambda verb, key, n: calls.append(verb))
        z = lz.create_array(store, data=np.arange(6), chunks=(2,))
        assert (z[...] == np.arange(6)).all()
        z.close()
    assert "set" in calls
    assert "c/2" in names()


# What fails, and kills.


@pytest.mark.parametrize("fail_at", range(1, 30))
def test_a_call_that_fails_leaves_the_old_archive(fail_at, monkeypatch):
    with ZipStore("data.zip", mode="w") as store:
        store.set("a", b"old")
        store.set("b", b"old")
    old = members()
    store = ZipStore("data.zip", mode="a")
    store.get("a")
    calls = FailingCalls(
        fail_at, only={"open", "pread", "preadv", "pwritev", "ftruncate", "fsync", "rename", "fstat"}
    )
    monkeypatch.setattr(os_calls, "calls", calls)
    try:
        store.set("a", b"new")
        store.set("c", b"new")
        store.close()
    except StoreError:
        monkeypatch.setattr(os_calls, "calls", os_calls.OsCalls())
        found = members()
        assert found in (old, {"a": b"new", "b": b"old", "c": b"new"})
        store.set("a", b"new")
        store.set("c", b"new")
        store.close()
    assert members() == {"a": b"new", "b": b"old", "c": b"new"}
    assert os.listdir() == ["data.zip"]


def test_all_calls_that_can_fail_were_tried(monkeypatch):
    """The numbers above are enough."""
    with ZipStore("data.zip", mode="w") as store:
        store.set("a", b"old")
    calls = FailingCalls()
    monkeypatch.setattr(os_calls, "calls", calls)
    with ZipStore("data.zip", mode="a") as store:
        store.set("c", b"new")
    assert 5 < calls.count < 45


def test_what_a_kill_left_is_written_over():
    Path("__lazyzarr-data.zip").write_bytes(bytes(100_000))
    with ZipStore("data.zip", mode="a") as store:
        store.set("a", b"1")
    assert names() == ["a"]
    assert os.path.getsize("data.zip") < 1000
    assert os.listdir() == ["data.zip"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_kills():
    """An archive is the one before or the one after, whole, with each name once, and the next write works."""
    rng = random.Random(1)
    store = ZipStore("data.zip", mode="w")
    z = lz.create_array(store, shape=(8, 4000), chunks=(1, 4000), dtype="i4", compressors=None)
    z[...] = 0
    z.attrs["value"] = 0
    z.close()
    del z, store
    done = 0
    for _ in range(KILLS):
        done += _kill_at_random(done, rng)
        assert len(names()) == 9
        z = lz.open("data.zip", mode="r")
        assert np.unique(z[...]).tolist() == [z.attrs["value"]]
        _rewrite(done + 1)
        assert np.unique(lz.open("data.zip", mode="r")[...]).tolist() == [done + 1]
        assert os.listdir() == ["data.zip"]
        done += 1
    assert done >= 2 * KILLS


def _rewrite(value):
    with lz.open("data.zip", mode="r+") as z:
        z[...] = value
        z.attrs["value"] = value


def _kill_at_random(start, rng):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            for value in itertools.count(start + 1):
                _rewrite(value)
                os.write(writing, b".")
        finally:
            os.write(writing, b"!")
            os._exit(1)
    os.close(writing)
    try:
        assert select.select([reading], [], [], 60)[0], "the child does nothing"
        time.sleep(rng.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        report = os.read(reading, 100_000)
    finally:
        os.close(reading)
    assert set(report) == {ord(".")}, "the child failed"
    return len(report)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_kill_between_any_two_calls(monkeypatch):
    """At each call to the system in turn."""
    with ZipStore("data.zip", mode="w") as store:
        store.set("a", b"old")
    del store
    states = set()
    for kill_at in range(1, 45):
        child = os.fork()
        if child == 0:
            os_calls.calls = _Killing(kill_at)
            store = ZipStore("data.zip", mode="a")
            store.set("a", b"new" if bytes(store.get("a")) == b"old" else b"old")
            store.set("big", bytes(100_000))
            store.close()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        states.add((os.WIFSIGNALED(status), members()["a"]))
        assert names() in (["a"], ["a", "big"])
    assert (True, b"old") in states
    assert any(not killed for killed, _ in states)  # beyond the last call
    assert not zip_files.is_being_written(os.path.abspath("data.zip"))


class _Killing(FailingCalls):
    def __getattr__(self, name):
        call = getattr(self._calls, name)

        def counted(*args, **kwargs):
            if next(self._counter) == self._fail_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return counted
