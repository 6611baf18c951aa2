"""The local store: only "no such file" is missing, a value is stored whole or not at all, links and odd files."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import stat
import threading

import pytest

from lazyzarr.errors import ArrayReplacedError, StoreError
from lazyzarr.format import os_calls
from lazyzarr.format.os_calls import OsCalls
from lazyzarr.format.stores import LocalStore, files
from tests.format.small import FailingCalls

ERRNOS = [
    errno.EACCES, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ESTALE,
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EPERM, errno.ENOMEM, errno.ENAMETOOLONG, errno.EBUSY,
    errno.ETIMEDOUT, errno.ENXIO, errno.ENODEV, errno.EFBIG, errno.EAGAIN,
]  # fmt: skip

READS = {
    "get": lambda s: s.get("a/c/0"),
    "get of a part": lambda s: s.get("a/c/0", (0, 1)),
    "size": lambda s: s.size("a/c/0"),
    "exists": lambda s: s.exists("a/c/0"),
    "generation": lambda s: s.generation("a/c/0"),
    "place": lambda s: s.place("a"),
    "list": lambda s: list(s.list()),
    "list_dir": lambda s: s.list_dir("a"),
    "chunk": lambda s: s.chunk_files("a").read("c/0", bytearray(10)),
    "ranges of a chunk": lambda s: s.chunk_files("a").read_ranges("c/0", [(0, 1), (-1, None)]),
}
WRITES = {
    "set": lambda s: s.set("a/c/0", b"new"),
    "set_if": lambda s: s.set_if("a/c/1", b"new", None),
    "delete": lambda s: s.delete("a/c/0"),
    "delete_prefix": lambda s: s.delete_prefix("a"),
    "write a chunk": lambda s: s.chunk_files("a").write("c/0", [b"new"]),
    "delete a chunk": lambda s: s.chunk_files("a").delete("c/0"),
}


@pytest.fixture
def store(tmp_path):
    store = LocalStore(tmp_path / "data.zarr")
    store.set("a/zarr.json", b"{}")
    store.set("a/c/0", b"old")
    return store


@pytest.mark.parametrize("verb", READS)
@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_only_enoent_is_missing(store, verb, number, monkeypatch):
    """Whatever call fails, with whatever errno, is a StoreError that names the place; never "missing"."""
    expected = READS[verb](store)
    for n in itertools.count(1):
        calls = FailingCalls(n, number)
        with monkeypatch.context() as patch:
            patch.setattr(os_calls, "calls", calls)
            found, error = outcome(READS[verb], store)
        if calls.failed is None:
            break
        if error is None:
            assert found == expected
            continue
        assert isinstance(error.__cause__, OSError)
        assert "data.zarr" in str(error)
        assert error.key is not None
    assert n > 1


def outcome(act, store):
    """What a call gives, and the StoreError that it raises."""
    try:
        return act(store), None
    except StoreError as error:
        return None, error


@pytest.mark.parametrize("verb", WRITES)
@pytest.mark.parametrize(
    "number", [errno.EACCES, errno.EIO, errno.ENOSPC, errno.EMFILE], ids=errno.errorcode.get
)
def test_failed_writes(store, verb, number, monkeypatch):
    """The old value or the new one is there, and nothing else."""
    for n in itertools.count(1):
        calls = FailingCalls(n, number)
        with monkeypatch.context() as patch:
            patch.setattr(os_calls, "calls", calls)
            _, error = outcome(WRITES[verb], store)
        if calls.failed is None:
            break
        assert error is not None or calls.failed == "rmdir"  # an empty folder may stay
        assert error is None or "data.zarr" in str(error)
        assert store.get("a/c/0") in (b"old", b"new", None)
        assert store.get("a/c/1") in (None, b"new")
        assert set(store.list()) <= {"a/zarr.json", "a/c/0", "a/c/1"}
        store.delete("a/c/1")
        store.set("a/zarr.json", b"{}")
        store.set("a/c/0", b"old")
    assert n > 1


def test_missing(store):
    buffer = bytearray(10)
    missing = store.chunk_files("b")
    there = store.chunk_files("a")
    assert store.get("a/c/1") is store.get("a/d/1") is store.get("b/c/1") is store.size("x") is None
    assert missing.read("c/0", buffer) is missing.read_ranges("c/0", [(0, 1)]) is None
    assert there.read("c/1", buffer) is there.read("d/1/2", buffer) is there.read("c/1", buffer) is None
    assert missing.generation() is None


def _folder(path):
    path.mkdir()


def _pipe(path):
    os.mkfifo(path)


def _socket(path):
    here = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(path.name)
    os.chdir(here)


def _dangling_link(path):
    path.symlink_to("nowhere")


def _circle(path):
    path.symlink_to(path.name)


def _device(path):
    path.symlink_to("/dev/zero")


def _link_to_folder(path):
    path.symlink_to(path.parent)


def _null(path):
    path.symlink_to("/dev/null")


SHAPES = [_folder, _pipe, _socket, _dangling_link, _circle, _device, _link_to_folder, _null]


@pytest.mark.parametrize("make", SHAPES)
def test_what_is_no_file_is_no_chunk(store, make, tmp_path):
    """A folder, a pipe, a link to nothing where a chunk should be: an error, never fill, and no hanging."""
    make(tmp_path / "data.zarr" / "a" / "c" / "1")
    self_made = store.chunk_files("a")
    for act in (
        lambda: store.get("a/c/1"),
        lambda: store.size("a/c/1"),
        lambda: self_made.read("c/1", bytearray(4096)),
        lambda: self_made.read_ranges("c/1", [(0, 1)]),
    ):
        with pytest.raises(StoreError, match="a/c/1"):
            act()


@pytest.mark.parametrize("make", [_dangling_link, _circle])
def test_a_folder_that_is_a_link_to_nothing(store, make, tmp_path):
    make(tmp_path / "data.zarr" / "a" / "d")
    for _ in range(2):
        for act in (
            lambda: store.get("a/d/0/1"),
            lambda: store.chunk_files("a").read("d/0/1", bytearray(10)),
        ):
            with pytest.raises(StoreError):
                act()


def test_a_file_above(store):
    """c/0 is a file, so c/0/1 can be no chunk: another separator of chunk keys."""
    for act in (
        lambda: store.get("a/c/0/1"),
        lambda: store.size("a/c/0/1"),
        lambda: store.chunk_files("a").read("c/0/1", bytearray(10)),
        lambda: store.set("a/c/0/1", b"1"),
        lambda: store.chunk_files("a").write("c/0/1", [b"1"]),
        lambda: store.chunk_files("a/c/0").read("1", bytearray(10)),
    ):
        with pytest.raises(StoreError, match="a file stands where a folder should"):
            act()
    assert store.get("a/c/0") == b"old"


def test_links_are_read_and_replaced_but_never_written_through(store, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "chunk").write_bytes(b"theirs")
    (tmp_path / "data.zarr/a/c/1").symlink_to(outside / "chunk")
    (tmp_path / "data.zarr/b").symlink_to(outside)
    held = store.chunk_files("a")
    assert store.get("a/c/1") == held.read("c/1", bytearray(100)) == store.get("b/chunk") == b"theirs"
    assert sorted(store.list()) == ["a/c/0", "a/c/1", "a/zarr.json", "b/chunk"]
    held.write("c/1", [b"ours"])
    assert (outside / "chunk").read_bytes() == b"theirs"
    assert store.get("a/c/1") == b"ours"
    store.delete_prefix("")
    assert (outside / "chunk").read_bytes() == b"theirs"


def test_a_folder_that_is_a_link_is_deleted_and_replaced_itself(store, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "zarr.json").write_bytes(b"theirs")
    link = tmp_path / "data.zarr/b"
    for change in (lambda: store.delete_prefix("b"), lambda: store.swap_prefix("a", "b", replace=True)):
        link.symlink_to(outside)
        assert store.beside("b") == (store, "b")
        change()
        assert not link.is_symlink()
        assert (outside / "zarr.json").read_bytes() == b"theirs"
    assert store.get("b/c/0") == b"old"


def test_a_link_to_itself_is_listed(store, tmp_path):
    (tmp_path / "data.zarr/b").symlink_to("b")
    assert sorted(store.list()) == ["a/c/0", "a/zarr.json", "b"]
    with pytest.raises(StoreError, match="ELOOP"):
        store.get("b")


def test_folders_with_the_names_of_documents_are_deleted(store, tmp_path):
    (tmp_path / "data.zarr/a/.zgroup/x").mkdir(parents=True)
    store.delete_prefix("a")
    assert store.list_dir() == []


def test_nothing_is_moved_below_a_link_to_nothing(store, tmp_path):
    (tmp_path / "data.zarr/b").symlink_to("nowhere")
    with pytest.raises(StoreError, match="leads nowhere"):
        store.swap_prefix("a", "b/c/d", replace=True)


def test_a_circle_of_folders_is_listed_once(store, tmp_path):
    (tmp_path / "data.zarr/a/up").symlink_to(tmp_path / "data.zarr")
    assert sorted(key for key in store.list() if "up" not in key) == ["a/c/0", "a/zarr.json"]


class ShortWrites(OsCalls):
    """Takes at most a few bytes at a time."""

    @staticmethod
    def writev(fd, buffers):
        return os.write(fd, memoryview(next(b for b in buffers if memoryview(b).nbytes)).cast("B")[:3])


class ShortReads(OsCalls):
    """Gives at most a page at a time, as some network filesystems do."""

    @staticmethod
    def readv(fd, buffers):
        return os.readv(fd, [memoryview(buffers[0])[:4096]])

    @staticmethod
    def pread(fd, size, offset):
        return os.pread(fd, min(size, 3), offset)


def test_short_writes(store, monkeypatch):
    monkeypatch.setattr(os_calls, "calls", ShortWrites())
    store.set("a/c/0", [b"0123", b"", bytearray(b"456789"), memoryview(b"abc")])
    assert store.get("a/c/0") == b"0123456789abc"
    store.chunk_files("a").write("c/0", (part for part in (b"0123", b"456789")))
    assert store.get("a/c/0") == b"0123456789"


def test_short_reads(store, monkeypatch):
    value = os.urandom(10_000)
    store.set("a/c/0", value)
    monkeypatch.setattr(os_calls, "calls", ShortReads())
    held = store.chunk_files("a")
    assert held.read("c/0", bytearray(100_000)) == value
    assert held.read("c/0", bytearray(10)) == value
    assert store.get("a/c/0") == value


@pytest.mark.parametrize("nameless", [True, False])
def test_a_failing_source_of_buffers_stores_nothing(store, nameless, monkeypatch, tmp_path):
    if not nameless:
        monkeypatch.setattr(files, "_NAMELESS", 0)

    def buffers():
        yield b"half"
        raise ValueError("the codec failed")

    for act in (store.set, store.chunk_files("").write):
        with pytest.raises(ValueError, match="the codec failed"):
            act("a/c/0", buffers())
    assert store.get("a/c/0") == b"old"
    assert os.listdir(tmp_path / "data.zarr/a/c") == ["0"]


def test_where_nobody_looks_a_value_is_written_in_place_and_replaced_whole(store, tmp_path, monkeypatch):
    held = store.chunk_files("__lazyzarr-run/node")

    def buffers():
        yield b"half"
        raise ValueError("the codec failed")

    with pytest.raises(ValueError, match="the codec failed"):
        held.write("c/0", buffers())
    folder = tmp_path / "data.zarr/__lazyzarr-run/node/c"
    assert os.listdir(folder) == []
    links = []
    monkeypatch.setattr(os_calls.calls, "link", lambda *a, **k: links.append(a) or os.link(*a, **k))
    held.write("c/0", [b"first"])
    assert links == []
    with open(folder / "0", "rb") as reader:
        held.write("c/0", [b"se", b"cond"])  # a task that runs again
        assert (reader.read(), (folder / "0").read_bytes()) == (b"first", b"second")
    assert len(links) == 1
    assert os.listdir(folder) == ["0"]


@pytest.mark.parametrize("nameless", [True, False])
def test_values_replace_each_other_whole(store, nameless, monkeypatch):
    """Readers beside writers see one of the values, never a mix, never none."""
    if not nameless:
        monkeypatch.setattr(files, "_NAMELESS", 0)
    values = {bytes([n]) * 5000 for n in range(4)}
    store.set("a/c/0", next(iter(values)))
    stop, seen = threading.Event(), set()

    def reader():
        held, buffer = store.chunk_files("a"), bytearray(8000)
        while not stop.is_set():
            seen.add(bytes(held.read("c/0", buffer)))

    def writer(value):
        held = store.chunk_files("a")
        for _ in range(100):
            held.write("c/0", [value[:2000], value[2000:]])

    threads = [threading.Thread(target=writer, args=(value,)) for value in values]
    watching = threading.Thread(target=reader)
    for thread in [watching, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    watching.join()
    assert seen <= values
    assert os.listdir(store.directory("a/c")) == ["0"]


def test_permissions_follow_the_umask(store, tmp_path):
    before = os.umask(0o027)
    try:
        store.set("b/c/0", b"1")
        store.set("b/c/0", b"2")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "data.zarr/b/c/0").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "data.zarr/b/c").stat().st_mode) == 0o750


def test_a_folder_that_was_deleted_is_not_written(store):
    held = store.chunk_files("a")
    assert held.read("c/0", bytearray(10)) == b"old"
    store.delete_prefix("a")
    with pytest.raises(ArrayReplacedError, match="open it again"):
        held.write("c/1", [b"new"])
    assert list(store.list()) == []


def test_a_handle_keeps_to_the_folder_whose_generation_was_asked(store):
    held = store.chunk_files("a")
    held.generation()
    store.set("new/zarr.json", b"{}")
    store.swap_prefix("new", "a", replace=True)
    with pytest.raises(ArrayReplacedError):
        held.read("c/0", bytearray(10))


def test_handles_close(store, open_files):
    before = open_files()
    held = [store.chunk_files("a") for _ in range(5)]
    for one in held:
        one.read("c/0", bytearray(10))
    assert open_files() == before + 5
    held[0].close()
    assert open_files() == before + 4
    del held, one
    assert open_files() == before


def test_what_is_deleted_leaves_no_empty_folders(store, tmp_path):
    store.set("x/y/z", b"1")
    store.delete("x/y/z")
    store.delete_prefix("a/c")
    assert sorted(os.listdir(tmp_path / "data.zarr")) == ["a"]
    assert os.listdir(tmp_path / "data.zarr/a") == ["zarr.json"]


def test_no_space_names_the_cure(store, monkeypatch):
    monkeypatch.setattr(os_calls, "calls", FailingCalls(1, errno.ENOSPC, only=("writev",)))
    with pytest.raises(StoreError, match=r"a/c/0: .* \(ENOSPC\); .* unchanged; free"):
        store.set("a/c/0", b"new")


def test_beside_a_root_and_a_link(store, tmp_path):
    base, name = store.beside("")
    assert (base.root, name) == (str(tmp_path), "data.zarr")
    assert store.beside("a") == (store, "a")
    (tmp_path / "link.zarr").symlink_to("data.zarr")
    base, name = LocalStore(tmp_path / "link.zarr").beside("")
    assert (base.root, name) == (str(tmp_path), "data.zarr")


def test_exchange_where_the_filesystem_cannot(store, monkeypatch):
    store.set("new/zarr.json", b"new")
    calls = FailingCalls(1, errno.EINVAL, only=("exchange",))
    monkeypatch.setattr(os_calls, "calls", calls)
    with pytest.raises(NotImplementedError):
        store.swap_prefix("new", "a", replace=True)
    assert store.get("a/zarr.json") == b"{}"


def test_a_folder_below_which_nothing_can_be_made_is_an_error(monkeypatch):
    """As below /proc, where each try says that something above is missing."""

    def refuse(path, dir_fd=None):
        if os.path.basename(path) == "never":
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        os.mkdir(path, dir_fd=dir_fd)

    monkeypatch.setattr(os_calls.calls, "mkdir", refuse)
    with pytest.raises(StoreError, match="never"):
        LocalStore("there/never").set("a", b"1")
