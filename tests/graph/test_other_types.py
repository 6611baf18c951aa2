"""Text, records, raw bits and small numbers computed lazily: where NumPy can, as NumPy does; else refused."""

from __future__ import annotations

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import DataTypeMismatchError, UnknownDataTypeError

STRING = np.dtypes.StringDType()
WORDS = np.array([[f"w{i * j}" + "x" * (i % 4) * 10 for j in range(5)] for i in range(7)]).astype(STRING)
RECORDS = np.array(
    [(i / 2, i, (i, b"a")) for i in range(7)], [("x", "f4"), ("n", "i2"), ("p", [("k", "u1"), ("s", "S1")])]
)


@pytest.fixture(params=[None, 6], ids=["chunks", "shards"])
def words(request, tmp_path):
    shards = request.param and (request.param, 4)
    z = lz.create_array(tmp_path / "words", data=WORDS, chunks=(3, 2), shards=shards)
    return lz.from_zarr(z)


@pytest.fixture
def records(tmp_path):
    return lz.from_zarr(lz.create_array(tmp_path / "records", data=RECORDS, chunks=3))


def test_parts_of_text(words):
    assert words.compute().tolist() == WORDS.tolist()
    assert words[1:6:2, ::-1].compute().tolist() == WORDS[1:6:2, ::-1].tolist()
    assert words.T[2].compute().tolist() == WORDS.T[2].tolist()
    assert words[2, 3].compute() == WORDS[2, 3]


def test_text_as_numpy_computes_it(words):
    assert (words + "!").compute().tolist() == (WORDS + "!").tolist()
    assert ("<" + words[0]).compute().tolist() == ("<" + WORDS[0]).tolist()
    assert (words == "w0").sum().compute() == (WORDS == "w0").sum()
    assert (words > words[0]).compute().tolist() == (WORDS[0] < WORDS).tolist()
    assert (
        np.where(words == "w0", "zero", words).compute().tolist()
        == np.where(WORDS == "w0", "zero", WORDS).tolist()
    )
    assert np.strings.str_len(words).max().compute() == np.strings.str_len(WORDS).max()
    assert (
        words.map_blocks(lambda block: block + "?", dtype=STRING).compute().tolist() == (WORDS + "?").tolist()
    )
    assert words.astype("U3").compute().tolist() == WORDS.astype("U3").tolist()


@pytest.mark.parametrize(
    "words_of", [{"chunks": (2, 3)}, {"chunks": (1, 5), "shards": (2, 5)}, {"zarr_format": 2}]
)
def test_text_written(tmp_path, words, words_of):
    (words[1:, 1:] + "é").to_zarr(tmp_path / "out", **words_of)
    assert lz.load(tmp_path / "out").tolist() == (WORDS[1:, 1:] + "é").tolist()
    assert lz.load(tmp_path / "out").dtype == STRING


@pytest.mark.parametrize("compressors", ["auto", "blosc-lz4", None])
def test_text_is_planned_by_its_elements(compressors):
    """Not by the longest text that could be in a chunk."""
    for shards in (None, 10):
        z = lz.array(["a"] * 20, dtype=str, chunks=5, shards=shards, compressors=compressors)
        assert lz.from_zarr(z).explain().peak_memory < 100e6


def test_text_written_into_a_part(tmp_path, words):
    z = lz.create_array(tmp_path / "z", shape=(9, 9), chunks=4, dtype=str, fill_value="-")
    z[1:8, 2:7] = words
    assert z[1:8, 2:7].tolist() == WORDS.tolist()
    assert set(z[8].tolist()) == {"-"}


def test_text_from_memory():
    for given in (WORDS, WORDS.astype("U40")):
        x = lz.from_array(given, chunks=2)
        assert (x + "!").compute().tolist() == (WORDS + "!").tolist()


@pytest.mark.parametrize("scheduler", ["threads", "processes", "sync"])
def test_text_everywhere(words, scheduler):
    assert (words + "!").compute(scheduler=scheduler).tolist() == (WORDS + "!").tolist()


@pytest.mark.parametrize("reduction", ["sum", "max", "min", "mean", "std", "prod"])
def test_text_and_records_have_no_such(words, records, reduction):
    for x in (words, records):
        if not hasattr(x, reduction):
            continue
        with pytest.raises(TypeError):
            getattr(x, reduction)().compute()


def test_records(tmp_path, records):
    assert records.compute().tolist() == RECORDS.tolist()
    assert records[::-2].compute().tolist() == RECORDS[::-2].tolist()
    assert (records["x"] * 2 + records["n"]).compute().tolist() == (RECORDS["x"] * 2 + RECORDS["n"]).tolist()
    assert records["p"]["k"].sum().compute() == RECORDS["p"]["k"].sum()
    records[1:].to_zarr(tmp_path / "out", chunks=2)
    assert lz.load(tmp_path / "out").tolist() == RECORDS[1:].tolist()
    with pytest.raises(TypeError):
        (records + 1).compute()


def test_fields_that_are_arrays_are_refused():
    z = lz.zeros(3, dtype=[("x", "f4"), ("z", "f4", (2,))], zarr_format=2)
    assert lz.from_zarr(z)["x"].compute().tolist() == [0, 0, 0]
    with pytest.raises(TypeError, match=r"z\['z'\]"):
        lz.from_zarr(z)["z"]


def test_bytes_and_raw_bits(tmp_path):
    blobs = [b"a", b"", b"b\0"]
    z = lz.array(blobs, dtype=bytes, store=tmp_path / "b", chunks=2)
    assert lz.from_zarr(z)[::-1].compute().tolist() == blobs[::-1]
    lz.from_zarr(z)[::-1].to_zarr(tmp_path / "out")
    assert lz.load(tmp_path / "out").tolist() == blobs[::-1]
    lz.save(tmp_path / "saved", lz.from_zarr(z)[1:])
    assert lz.load(tmp_path / "saved").tolist() == blobs[1:]
    objects = lz.create_array(
        {}, data=[{"a": 1}, [2]], dtype=object, object_codec={"id": "json2"}, zarr_format=2
    )
    lz.from_zarr(objects)[::-1].to_zarr(tmp_path / "objects", zarr_format=2)
    assert lz.load(tmp_path / "objects").tolist() == [[2], {"a": 1}]
    for both in (np.where([True, False], lz.from_zarr(z)[:2], lz.from_zarr(objects)), lz.from_zarr(objects)):
        with pytest.raises(UnknownDataTypeError):
            both.to_zarr(tmp_path / "neither")
    target = lz.create_array(tmp_path / "t", shape=(3,), dtype=bytes)
    target[...] = lz.from_zarr(z)
    assert target[...].tolist() == blobs
    with pytest.raises(DataTypeMismatchError):
        target[:2] = lz.from_zarr(objects)
    raw = lz.array(np.array([b"abc", b"de\0"], "V3"), store=tmp_path / "r")
    lz.from_zarr(raw)[::-1].to_zarr(tmp_path / "raw")
    assert lz.load(tmp_path / "raw").tobytes() == b"de\0abc"
    with pytest.raises(DataTypeMismatchError):
        target[...] = lz.from_zarr(raw)[:1]


@pytest.mark.parametrize(
    ("dtype", "given"),
    [
        (str, [1, 2]), (str, [b"a", b"b"]), (bytes, [1, 2]), (bytes, ["a", "b"]), ("U3", ["abcd", "b"]),
        ("U9", np.array(["a", "b"], STRING)),
        ([("x", "f4")], np.array([(1,), (2,)], [("y", "f4")])), ("int4", [1.5, 2]),
        ([("x", "f4")], [1.0, 2.0]),
    ],
)  # fmt: skip
def test_nothing_is_made_text_or_bytes_or_cut_in_passing(dtype, given):
    z = lz.zeros(2, dtype=dtype)
    before = z[...].tolist()
    with pytest.raises(DataTypeMismatchError):
        z[...] = lz.from_array(np.asarray(given))
    assert z[...].tolist() == before


def test_small_numbers(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    data = np.arange(70).astype(ml_dtypes.bfloat16)
    x = lz.from_zarr(lz.create_array(tmp_path / "z", data=data, chunks=30))
    assert (x * 2 + 1).compute().tobytes() == (data * 2 + data.dtype.type(1)).tobytes()
    assert x.max().compute() == data.max()
    (x + 1).to_zarr(tmp_path / "out")
    assert lz.load(tmp_path / "out").tobytes() == (data + data.dtype.type(1)).tobytes()
    assert x.astype("f4").mean().compute() == data.astype("f4").mean()


@pytest.mark.filterwarnings(
    "ignore:invalid value encountered in (min|max|nanmin|nanmax|reduce)"
)  # by NumPy itself before 2.5
@pytest.mark.parametrize("kind", ["bfloat16", "float8_e4m3fn"])
@pytest.mark.parametrize("chunks", [1, 2, 6])
def test_small_numbers_that_are_nan(kind, chunks):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    data = np.array([3, 1, np.nan, 5, 0, np.nan], getattr(ml_dtypes, kind))
    x = lz.from_array(data, chunks=chunks)
    for position in (np.argmin, np.argmax):
        assert position(x).compute() == position(data) == 2
    for extremum in (np.nanmin, np.nanmax, np.fmin.reduce, np.fmax.reduce):
        assert extremum(x).compute().tobytes() == extremum(data).tobytes()
    for extremum in (np.min, np.max):
        assert np.isnan(extremum(x).compute())


@pytest.mark.parametrize("chunks", [1, 2, 6])
def test_small_numbers_that_are_nan_are_filled(chunks, records):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    data = np.array([np.nan, 1, np.nan, np.nan, 0, np.nan], ml_dtypes.bfloat16)
    x = lz.from_array(data, chunks=chunks)
    for found, expected in (
        (x.ffill(), [np.nan, 1, 1, 1, 0, 0]),
        (x.bfill(), [1, 1, 0, 0, 0, np.nan]),
        (x.ffill(limit=1), [np.nan, 1, 1, np.nan, 0, 0]),
    ):
        assert found.dtype == data.dtype
        np.testing.assert_array_equal(found.compute().astype("f4"), np.array(expected, "f4"))
    assert records.ffill().compute().tolist() == RECORDS.tolist()
    whole = np.arange(6).astype(ml_dtypes.int4)
    assert lz.from_array(whole, chunks=chunks).ffill().compute().tolist() == whole.tolist()


def test_positions_of_extremal_text_are_refused(words, records):
    for x in (words, words.astype("U9"), records):
        with pytest.raises(TypeError, match="positions of extremal"):
            np.argmin(x)


@pytest.mark.parametrize("default", ["f8", "none of them", ""])
def test_text_selected_else_another(default):
    a = np.array(["a", "bb", "", "c"])
    x = lz.from_array(a, chunks=3)
    expected = np.select([a == "a"], [a], default)
    found = np.select([x == "a"], [x], default).compute()
    assert (found.dtype, found.tolist()) == (expected.dtype, expected.tolist())


def test_what_a_mask_picks_of_one_text():
    one = np.array("a text of some length", STRING)
    x = lz.from_array(one)
    found = x[x != ""].compute()
    assert (found.dtype, found.tolist()) == (STRING, [one[()]])


def test_missing_text_is_equal_where_that_is_said():
    missing = np.dtypes.StringDType(na_object=np.nan)
    data = np.array(["a", np.nan, "b"], missing)
    x = lz.from_array(data, chunks=2)
    for equal_nan in (True, False):
        assert np.array_equal(x, data, equal_nan=equal_nan).compute() == equal_nan
    other = np.array(["a", "c", "b"], missing)
    assert not np.array_equal(x, other, equal_nan=True).compute()
