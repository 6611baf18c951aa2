"""Several arrays written at once: new ones together, regions of one that is there, levels of a pyramid in one pass."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import (
    ArrayNotFoundError,
    BaseZarrError,
    ContainsArrayError,
    MemoryBudgetError,
    MetadataValidationError,
    ShapeMismatchError,
    TargetIsSourceError,
    WriteConflictError,
)
from lazyzarr.format.stores.wrappers import FaultStore
from lazyzarr.storage import MemoryStore

A = np.random.default_rng(7).normal(size=(16, 8, 8))


class Counting:
    """A stored array, and the keys of its chunks that were read."""

    def __init__(self, values=A):
        self.keys = []
        store = FaultStore(
            MemoryStore(), lambda verb, key, n: self.keys.append(key) if verb == "get" else None
        )
        self.array = lz.create_array(
            store,
            name="u",
            shape=values.shape,
            chunks=(4, 4, 4),
            dtype=values.dtype,
            dimension_names=["z", "y", "x"],
        )
        self.array[...] = values
        self.x = lz.from_zarr(self.array)
        self.keys.clear()

    @property
    def reads(self):
        return [key for key in self.keys if "/c/" in key]


@pytest.fixture
def source():
    return Counting()


def pyramid(x, count=3, **words):
    levels = [x]
    for _ in range(count):
        levels.append(levels[-1].coarsen(np.mean, {"y": 2, "x": 2}, **words))
    return levels


def test_a_pyramid_is_one_pass(source):
    levels = pyramid(source.x)
    out = lz.store({f"scan.zarr/{i}": level for i, level in enumerate(levels) if i})
    assert len(source.reads) == len(set(source.reads)) == 16
    assert list(out) == ["scan.zarr/1", "scan.zarr/2", "scan.zarr/3"]
    for i, level in enumerate(levels[1:], 1):
        z = lz.open_array(f"scan.zarr/{i}", mode="r")
        np.testing.assert_array_equal(z[...], level.compute())
        assert z.dimension_names == ("z", "y", "x")
    assert lz.open("scan.zarr")["3"].shape == (16, 1, 1)


def test_a_pyramid_says_so_before(source):
    levels = pyramid(source.x)
    plan = lz.store({f"scan.zarr/{i}": level for i, level in enumerate(levels) if i}, compute=False)
    assert not os.path.exists("scan.zarr")
    assert [stage.decode for stage in plan.stages] == [level.nbytes for level in levels[:-1]]
    assert plan.amplification == 1.0
    assert "1 -> scan.zarr/2" in repr(plan)
    plan.run()
    np.testing.assert_array_equal(lz.open_array("scan.zarr/2", mode="r")[...], levels[2].compute())


def test_a_pyramid_says_so_while_it_is_written(source, capsys):
    x = lz.from_zarr(
        lz.create_array("scan.zarr/0", data=A, chunks=(4, 8, 8), dimension_names=["z", "y", "x"])
    )
    levels = pyramid(x)
    targets = {f"scan.zarr/{i}": level for i, level in enumerate(levels) if i}
    lz.store(targets)
    assert capsys.readouterr().err == ""
    lz.store(targets, overwrite=True, progress=True)
    first, *each = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"3 levels in one pass: scan\.zarr/0 decoded once \(1\.00x\), \d+ tasks", first)
    assert [line.split(":")[0] for line in each] == ["scan.zarr/1", "scan.zarr/2", "scan.zarr/3"]


def test_rounded_levels_are_made_of_rounded_ones():
    source = Counting((A * 100).astype("u2"))
    levels = pyramid(source.x, dtype="u2")
    out = lz.store([levels[3], levels[1], levels[2]], ["p.zarr/3", "p.zarr/1", "p.zarr/2"])
    assert len(source.reads) == 16
    by_hand = (A * 100).astype("u2")
    for z in (out[1], out[2], out[0]):
        shape = (16, by_hand.shape[1] // 2, 2, by_hand.shape[2] // 2, 2)
        by_hand = np.rint(by_hand.reshape(shape).mean((2, 4))).astype("u2")
        np.testing.assert_array_equal(z[...], by_hand)


def test_what_is_stored_inexactly_is_not_read_back(source):
    half = source.x.coarsen(np.mean, {"x": 2})
    quarter = half.coarsen(np.mean, {"x": 2})
    filters = [{"name": "bitround", "configuration": {"keepbits": 3}}]
    out = lz.store({"r.zarr/1": half, "r.zarr/2": quarter}, filters=filters)
    expected = quarter.to_zarr("t.zarr", filters=filters)[...]
    np.testing.assert_array_equal(out["r.zarr/2"][...], expected)
    assert len(source.reads) == 3 * 16


def test_those_of_one_shape_share_a_pass(source):
    first = source.x + 1
    out = lz.store([first, first * 2, source.x.mean(0)], ["a.zarr", "b.zarr", "c.zarr"])
    assert len(source.reads) == 2 * 16
    np.testing.assert_array_equal(out[1][...], (A + 1) * 2)
    np.testing.assert_allclose(out[2][...], A.mean(0), rtol=1e-14)


def test_all_or_nothing(source):
    def fails(block):
        raise ArithmeticError("no")

    with pytest.raises(ArithmeticError):
        lz.store([source.x, source.x.map_blocks(fails, dtype="f8")], ["a.zarr", "b.zarr"])
    levels = pyramid(source.x, 1)
    with pytest.raises(ArithmeticError):
        lz.store([levels[1], levels[1][:, :2].map_blocks(fails, dtype="f8")], ["a.zarr", "b.zarr"])
    assert not os.path.exists("a.zarr")
    assert not os.path.exists("b.zarr")
    lz.save("b.zarr", np.zeros(3))
    with pytest.raises(ContainsArrayError):
        lz.store([source.x, source.x], ["a.zarr", "b.zarr"])
    assert not os.path.exists("a.zarr")
    assert lz.store([source.x], ["b.zarr"], overwrite=True)[0].shape == A.shape


def test_regions(source):
    z = lz.create_array(
        "z.zarr", shape=(20, 8, 8), chunks=(5, 8, 8), dtype="f8", dimension_names=["t", "y", "x"]
    )
    assert source.x.to_zarr(z, region={"t": slice(2, 18)}) is z
    np.testing.assert_array_equal(z[2:18], A)
    source.x[0].to_zarr("z.zarr", region=np.s_[19])
    np.testing.assert_array_equal(z[19], A[0])
    x = source.x
    found = lz.store([x[:5], x[5:10]], [z, z], regions=[{0: slice(0, 5)}, np.s_[5:10]], lock=False)
    assert found == [z, z]
    np.testing.assert_array_equal(z[:10], A[:10])
    lz.store(x[:, 0], "z.zarr", regions=np.s_[:16, 3])
    np.testing.assert_array_equal(z[:16, 3], A[:, 0])
    plan = x.to_zarr(z, region=np.s_[4:], compute=False)
    assert plan.writers == 4
    plan.run()
    np.testing.assert_array_equal(z[4:], A)
    lz.from_array(np.ones((20, 8, 8))).to_zarr("z.zarr", mode="r+")
    assert (z[...] == 1).all()


def test_new_ones_and_regions_together(source):
    z = lz.create_array("z.zarr", shape=A.shape, chunks=(4, 8, 8), dtype="f4")
    new, there = lz.store([source.x.sum(0), source.x], ["new.zarr", z], regions=[None, np.s_[...]])
    np.testing.assert_array_equal(there[...], A.astype("f4"))
    np.testing.assert_allclose(new[...], A.sum(0), rtol=1e-13)


def test_two_writers_of_one_chunk(source):
    z = lz.create_array("z.zarr", shape=A.shape, chunks=(4, 8, 8), dtype="f8")
    upper = source.x[:5]
    lower = source.x[5:]
    with pytest.raises(WriteConflictError) as caught:
        lz.store([upper, lower], [z, z], regions=[np.s_[:5], np.s_[5:]])
    text = str(caught.value)
    assert "two writers for chunk (1, 0, 0) of" in text
    assert "z.zarr, [4:8, 0:8, 0:8]: upper -> [0:5, 0:8, 0:8] and lower -> [5:16, 0:8, 0:8]." in text
    assert (
        "Store np.concatenate([upper, lower]) instead, or let the regions meet at 4 or 8 along axis 0" in text
    )


def test_two_writers_without_names_go_by_their_expressions(source):
    z = lz.create_array("z.zarr", shape=A.shape, chunks=(4, 8, 8), dtype="f8")
    x = source.x
    with pytest.raises(WriteConflictError) as caught:
        lz.store([x[:5], x[5:]], [z, z], regions=[np.s_[:5], np.s_[5:]])
    cure = str(caught.value).partition("Store ")[2].partition(" instead")[0]
    assert eval(cure, {"np": np, "x": x}).shape == A.shape
    assert (z[...] == 0).all()
    with pytest.raises(WriteConflictError, match="two arrays for"):
        lz.store([source.x, source.x], ["q.zarr", "q.zarr"])
    assert not os.path.exists("q.zarr")


NESTED = {
    "below": ("q.zarr/u", "q.zarr/u/v", "at .*q.zarr/u and below it, .*q.zarr/u/v"),
    "above": ("q.zarr/u/v", "q.zarr/u", "at .*q.zarr/u and below it, .*q.zarr/u/v"),
    "through a link": ("q.zarr/u", "linked.zarr/u", "for .*q.zarr/u"),
    "that is there": ("there.zarr/u", None, "for .*there.zarr/u"),
    "below what is there": (None, "there.zarr/u/v", "at .*u and below it, .*there.zarr/u/v"),
}


@pytest.mark.parametrize("mode", ["w-", "w"])
@pytest.mark.parametrize(("first", "second", "words"), NESTED.values(), ids=NESTED)
def test_new_arrays_have_places_of_their_own(first, second, words, mode, source):
    os.mkdir("q.zarr")
    os.symlink("q.zarr", "linked.zarr")
    there = lz.create_array("there.zarr/u", shape=A.shape, chunks=A.shape, dtype="f8")
    with pytest.raises(WriteConflictError, match=f"two arrays {words}"):
        lz.store([source.x, source.x + 1], [there if p is None else p for p in (first, second)], mode=mode)
    assert os.listdir("q.zarr") == []
    assert (there[...] == 0).all()


def level_above(source, there):
    """A new array, what goes to one that is there, and the start of what a later run makes of the new one."""
    first = source.x + 1
    return first, [first, first * 2], ["new.zarr/0", there]


def test_what_one_run_writes_no_later_one_reads(source):
    there = lz.create_array("there.zarr", data=A, chunks=(4, 8, 8))
    first, arrays, places = level_above(source, there)
    second = first.coarsen(np.mean, {"x": 2}) + lz.from_zarr(there)[:, :, ::2]
    with pytest.raises(TargetIsSourceError):
        lz.store([*arrays, second], [*places, "new.zarr/1"])
    np.testing.assert_array_equal(there[...], A)
    assert not os.path.exists("new.zarr/0")


def test_what_one_run_writes_no_later_one_writes(source):
    there = lz.create_array("there.zarr", data=A, chunks=(4, 8, 8))
    first, arrays, places = level_above(source, there)
    half = first.coarsen(np.mean, {"x": 2})
    with pytest.raises(WriteConflictError, match="two writers for chunk"):
        lz.store([*arrays, half], [*places, there], regions=[None, None, np.s_[:, :, :4]])
    np.testing.assert_array_equal(there[...], A)


def test_a_later_run_that_does_not_fit_is_refused_before_the_first(source):
    there = lz.create_array("there.zarr", data=A, chunks=(4, 8, 8))
    first, arrays, places = level_above(source, there)
    wide = lz.from_array(np.ones(1_000_000))
    second = np.sort(first.coarsen(np.mean, {"x": 2})[0, 0, :1] + wide)
    with pytest.raises(MemoryBudgetError):
        lz.store([*arrays, second], [*places, "new.zarr/1"], memory="33MB")
    np.testing.assert_array_equal(there[...], A)
    assert not os.path.exists("new.zarr/0")


def test_chunks_are_kept_in_shards_or_shards_refused():
    x = lz.from_array(np.zeros((30, 10)), chunks=(8, 10))
    with pytest.raises(
        MetadataValidationError, match=r"chunks \(8, 10\), which are kept; write shards=\(16, 10\)"
    ):
        x.to_zarr("s.zarr", shards=(15, 10))
    assert not os.path.exists("s.zarr")
    assert x.to_zarr("s.zarr", shards=(16, 10)).chunks == (8, 10)
    assert x.rechunk(-1).to_zarr("whole.zarr", shards=(15, 10)).shards == (15, 10)


REFUSED = {
    "another shape": (lambda x, z: x[:3].to_zarr(z), ShapeMismatchError, "the array there has shape"),
    "another region": (lambda x, z: x.to_zarr(z, region=np.s_[:3]), ShapeMismatchError, "the region"),
    "words": (lambda x, z: x.to_zarr(z, compressors=None, shards=(8, 8, 8)), ValueError, "shards= describes"),
    "nothing there": (lambda x, z: x.to_zarr("no.zarr", mode="r+"), ArrayNotFoundError, "no array at"),
    "its source": (lambda x, z: lz.from_zarr(z).to_zarr(z), TargetIsSourceError, "is read by"),
    "shards": (
        lambda x, z: x.to_zarr("s.zarr", shards="auto"),
        BaseZarrError,
        "shards='auto' is no length; give",
    ),
    "a mode": (lambda x, z: x.to_zarr(z, mode="x"), ValueError, "writes into one that is there"),
    "a name": (lambda x, z: x.to_zarr(z, region={"q": slice(2)}), ValueError, "no dimension is named"),
    "targets twice": (lambda x, z: lz.store({"a.zarr": x}, "b.zarr"), ValueError, "targets already"),
    "no target": (lambda x, z: lz.store(x), ValueError, r'not told where to: lz.store\(x, "x.zarr"\)'),
    "no targets": (lambda x, z: lz.store([x, x]), ValueError, "not told where to"),
    "too few targets": (lambda x, z: lz.store([x, x], ["a.zarr"]), ValueError, "1 targets for 2"),
    "too few regions": (
        lambda x, z: lz.store([x, x], ["a.zarr", z], regions=[None]),
        ValueError,
        "1 regions",
    ),
}


@pytest.mark.parametrize(("attempt", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(attempt, error, words, source):
    z = lz.create_array("z.zarr", shape=A.shape, chunks=(4, 8, 8), dtype="f8")
    with pytest.raises(error, match=words):
        attempt(source.x, z)


def fsspec_folder(folder):
    return lz.storage.FsspecStore(pytest.importorskip("fsspec").filesystem("file"), path=str(folder))


def fsspec_folder_within(folder):
    dirfs = pytest.importorskip("fsspec.implementations.dirfs")
    return lz.storage.FsspecStore(
        dirfs.DirFileSystem(str(folder.parent), fsspec_folder("/")._fs), path=folder.name
    )


def obstore_folder(folder):
    return lz.storage.ObjectStore(pytest.importorskip("obstore.store").LocalStore(str(folder)))


def obstore_folder_of_the_root(folder):
    store = lz.storage.ObjectStore(pytest.importorskip("obstore.store").LocalStore())
    return lz.storage.PrefixStore(store, str(folder).lstrip("/"))


def zarr_python_folder_logged(folder):
    kinds = pytest.importorskip("zarr.storage")
    return kinds.LoggingStore(kinds.LocalStore(folder), log_level="CRITICAL")


@pytest.mark.parametrize(
    "other",
    [
        fsspec_folder,
        fsspec_folder_within,
        obstore_folder,
        obstore_folder_of_the_root,
        zarr_python_folder_logged,
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_one_folder_by_two_libraries_is_one_place(tmp_path, other, turned):
    """What is written by one of them is not read by the other meanwhile."""
    z = lz.create_array(tmp_path / "a b%20", name="u", data=np.arange(40.0), chunks=3)
    w = lz.open_array(other(tmp_path / "a b%20"), path="u", mode="r+")
    source, target = (w, z) if turned else (z, w)
    with pytest.raises(TargetIsSourceError):
        lz.store([lz.from_zarr(source)[::-1]], [target])
    np.testing.assert_array_equal(z[...], np.arange(40.0))


def test_one_dict_by_two_kinds_of_stores_is_one_place():
    contents = {}
    z = lz.create_array(contents, name="u", data=np.arange(40.0), chunks=3)
    for store in (lz.storage.MappingStore(contents), lz.storage.KVStore(contents)):
        w = lz.open_array(store, path="u", mode="r+")
        for source, target in ((z, w), (w, z)):
            with pytest.raises(TargetIsSourceError):
                lz.store([lz.from_zarr(source)[::-1]], [target])
    np.testing.assert_array_equal(z[...], np.arange(40.0))


def test_folders_that_one_file_system_shows_as_its_roots_are_several(tmp_path):
    dirfs = pytest.importorskip("fsspec.implementations.dirfs")
    arrays = []
    for name in "ab":
        lz.save(tmp_path / name / "u", np.arange(9.0))
        store = lz.storage.FsspecStore(dirfs.DirFileSystem(str(tmp_path / name), fsspec_folder("/")._fs))
        assert store.url() == f"file://{tmp_path / name}"
        arrays.append(lz.open_array(store, path="u", mode="r+"))
    lz.store([lz.from_zarr(arrays[0]) + 1], [arrays[1]])
    np.testing.assert_array_equal(arrays[1][...], np.arange(9.0) + 1)


def test_who_reads_what_would_be_written_is_named(tmp_path):
    z = lz.create_array(tmp_path / "u.zarr", data=np.arange(40.0), chunks=3)
    x = lz.from_zarr(z)
    said = r"u\.zarr is read by np\.roll\(x, 1\), test_store\.py:[0-9]+, while it would be written\. "
    with pytest.raises(TargetIsSourceError, match=said):
        np.roll(x, 1).to_zarr(z)


def test_an_array_that_zarr_python_opened_is_a_source_too(tmp_path):
    zarr = pytest.importorskip("zarr", minversion="3")
    z = lz.create_array(tmp_path / "a", name="u", data=np.arange(40.0), chunks=3)
    y = lz.from_array(zarr.open_array(str(tmp_path / "a" / "u"), mode="r"))
    with pytest.raises(TargetIsSourceError, match=r"a/u is read by"):
        lz.store([y[::-1]], [z])
    np.testing.assert_array_equal(z[...], np.arange(40.0))
    np.testing.assert_array_equal((y + 1).to_zarr(tmp_path / "a" / "v")[...], np.arange(40.0) + 1)
