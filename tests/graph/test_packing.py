"""CF packing: what is written packed reads back as the values, here and in xarray; what has no number is refused."""

from __future__ import annotations

import os
import re
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import lazyzarr as lz
from lazyzarr.errors import DataTypeMismatchError, MetadataValidationError
from lazyzarr.graph import spreading
from lazyzarr.graph.ops import packing as node_module
from lazyzarr.graph.packing import packing_of
from lazyzarr.storage import MemoryStore

same = np.testing.assert_array_equal
NAN = np.nan


def short(value):
    """What a case is called."""
    return "" if callable(value) else str(value)[:60]


def raw(values, dtype, scale_factor=1.0, add_offset=0.0, fill_value=0):
    """What NumPy packs values to."""
    whole = np.rint((values - add_offset) / scale_factor)
    return np.where(np.isnan(whole), fill_value, whole).astype(dtype)


@pytest.fixture(params=[None, 5], ids=["whole", "in pieces"])
def _pieces(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(node_module, "AT_ONCE", request.param)


# --- writing


@given(
    data=st.data(),
    pack=st.sampled_from(["i1", "i2", "i4", "u1", "u2", "u4", ">i2"]),
    given_as=st.sampled_from(["f8", "f4", "f2", "g", "i4", "u1"]),
    scale_factor=st.one_of(st.none(), st.floats(1e-6, 1e6), st.floats(-1e6, -1e-6)),
    add_offset=st.one_of(st.none(), st.floats(-1e6, 1e6)),
    zarr_format=st.sampled_from([2, 3]),
)
def test_values_come_back_within_half_a_step(data, pack, given_as, scale_factor, add_offset, zarr_format):
    ends = np.iinfo(pack)
    fill = data.draw(st.sampled_from([None, ends.min, ends.max]))
    steps = data.draw(st.lists(st.floats(ends.min + 1, ends.max - 1), min_size=1, max_size=12))
    scale, offset = scale_factor or 1.0, add_offset or 0.0
    with np.errstate(all="ignore"):
        values = (np.array(steps) * scale + offset).astype(given_as)
    assume(np.isfinite(values).all())
    wide = values if given_as == "g" else values.astype("f8")
    whole = np.rint((wide - offset) / scale)
    assume((whole > ends.min).all() and (whole < ends.max).all())
    if fill is not None and values.dtype.kind == "f":
        values[::3] = NAN
        wide = values if given_as == "g" else values.astype("f8")
    z = lz.from_array(values, chunks=5).to_zarr(
        MemoryStore(),
        pack=pack,
        scale_factor=scale_factor,
        add_offset=add_offset,
        fill_value=fill,
        zarr_format=zarr_format,
    )
    assert (z.dtype, z.metadata.zarr_format) == (np.dtype(pack).newbyteorder("="), zarr_format)
    same(z[...], raw(wide, pack, scale, offset, fill))
    back = lz.from_zarr(z, mask_and_scale=True).compute()
    rounding = 4e-16 * (np.abs(wide) + abs(offset) + abs(scale))
    lost = np.abs(back - wide) > abs(scale) / 2 + rounding
    assert not lost.any()
    same(np.isnan(back), np.isnan(wide))


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_halves_go_to_even_and_nan_to_the_fill_value(zarr_format):
    values = np.array([[0.5, 1.5, NAN], [2.5, -0.5, -1.5], [NAN, -0.0, 3.49]])
    z = lz.from_array(values, chunks=2).to_zarr("p.zarr", pack="i1", fill_value=-128, zarr_format=zarr_format)
    same(z[...], [[0, 2, -128], [2, 0, -2], [-128, 0, 3]])
    assert (z.fill_value, z.chunks) == (-128, (2, 2))


def test_float32_is_packed_in_float64():
    values = np.array([300.1234, 0.1, 1e5], "f4")
    z = lz.from_array(values).to_zarr("f.zarr", pack="i8", scale_factor=1e-9, add_offset=273.15)
    same(z[...], raw(values.astype("f8"), "i8", 1e-9, 273.15))
    z = lz.from_array(values).to_zarr("g.zarr", pack="f8", scale_factor=1e-9)
    same(z[...], values.astype("f8") / 1e-9)


def test_nothing_but_nan():
    values = np.full(6, NAN)
    same(lz.from_array(values, chunks=4).to_zarr("n.zarr", pack="i2", fill_value=3)[...], 3)
    same(lz.from_array(values, chunks=4).to_zarr("f.zarr", pack="f4", fill_value=3)[...], 3)


def test_arrays_of_no_axes_and_of_nothing():
    assert lz.from_array(np.array(2.6)).to_zarr("a.zarr", pack="i2", scale_factor=0.5)[...] == 5
    with pytest.raises(DataTypeMismatchError, match=r"gives 1000\.0, which would be stored as 1000; int8"):
        lz.from_array(np.array(1000.0)).to_zarr("a.zarr", pack="i1", mode="w")
    assert lz.from_array(np.zeros((0, 3))).to_zarr("b.zarr", pack="i2", scale_factor=0.5).shape == (0, 3)


def test_the_attributes_beside_the_users():
    x = lz.from_array(np.array([1.0, NAN]))
    words = {"pack": "i2", "scale_factor": np.float32(0.5), "add_offset": 3, "fill_value": -9.0}
    three = x.to_zarr("3.zarr", attributes={"units": "K"}, zarr_format=3, **words)
    said = {"units": "K", "scale_factor": 0.5, "add_offset": 3.0}
    assert three.attrs.asdict() == {**said, "_FillValue": -9}
    assert isinstance(three.attrs["add_offset"], float)  # xarray takes its type for that of the values
    # v2's fill value is the attribute
    two = x.to_zarr("2.zarr", attributes={"units": "K"}, zarr_format=2, **words)
    assert (two.attrs.asdict(), two.fill_value) == (said, -9)
    assert x[:1].to_zarr("4.zarr", pack="i2").attrs.asdict() == {}


def test_without_a_fill_value_v2_has_none():
    z = lz.from_array(np.array([0.0, 1.0])).to_zarr("a.zarr", pack="i2", scale_factor=0.5, zarr_format=2)
    assert z.fill_value is None
    same(lz.from_zarr(z, mask_and_scale=True).compute(), [0.0, 1.0])


def test_packed_attributes_win_over_others():
    others = {"units": "K", "scale_factor": 3.0, "add_offset": 1.0, "missing_value": 7, "_Unsigned": "true"}
    words = packing_of("i2", 0.5, None, None, None).words(others, 3)
    assert words["attributes"] == {"units": "K", "scale_factor": 0.5}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("fill", [None, -9999.0, NAN, 1e20])
def test_floats(zarr_format, fill):
    values = np.array([1.5, NAN, -2.25, np.inf])
    z = lz.from_array(values).to_zarr(
        "f.zarr", pack="f4", scale_factor=0.1, add_offset=2.0, fill_value=fill, zarr_format=zarr_format
    )
    expected = ((values - 2.0) / 0.1).astype("f4")
    same(z[...], np.where(np.isnan(expected), np.float32(NAN if fill is None else fill), expected))
    same(z.fill_value, np.float32(NAN if fill is None else fill))
    same(lz.from_zarr(z, mask_and_scale=True).compute(), expected.astype("f8") * 0.1 + 2.0)


INTEGERS = [
    (np.array([-(2**63), 2**63 - 1, 2**53 + 1]), {"pack": "i8"}, lambda v: v),
    (np.array([2**64 - 1, 2**53 + 1], "u8"), {"pack": "u8"}, lambda v: v),
    (np.array([2**53 + 1, 2**53 + 3]), {"pack": "i2", "add_offset": 2.0**53}, lambda v: v - 2**53),
    (np.array([2**62 + 2, 6, 4]), {"pack": "i8", "scale_factor": 2.0}, lambda v: v // 2),
    (
        np.array([2**62 + 2, 6]),
        {"pack": "u8", "scale_factor": 2.0, "fill_value": 2**64 - 1},
        lambda v: v // 2,
    ),
    # as NumPy divides float64: 1 / 0.4 is 2.5, though 0.4 is a little more
    (
        np.array([1, 3, 2**60]),
        {"pack": "i8", "scale_factor": 0.4},
        lambda v: [2, 8, round(2**60 / Fraction(0.4))],
    ),
    (np.array([2**53 + 1], "g"), {"pack": "i8"}, lambda v: [2**53 + 1]),
    (np.array([2**53 + 1], "g"), {"pack": "i8", "add_offset": 1.0}, lambda v: [2**53]),
    (np.array([True, False]), {"pack": "u1", "scale_factor": 0.5}, lambda v: v * 2),
    (np.array([True, False]), {"pack": "u1"}, lambda v: v),
]


@pytest.mark.parametrize(("values", "words", "expected"), INTEGERS, ids=short)
def test_integers_pack_exactly(values, words, expected):
    exact = np.finfo(np.longdouble).nmant >= 63
    if not exact and words.keys() - {"pack"}:
        pytest.skip("longdouble is float64 here")
    same(lz.from_array(values).to_zarr("i.zarr", **words)[...], expected(values))


@pytest.mark.parametrize(
    ("values", "cure"),
    [
        (np.array(["2000-01-01"], "M8[D]"), "np.timedelta64"),
        (np.array([1], "m8[D]"), "np.timedelta64"),
        (np.array([1j]), "np.real"),
        (np.array(["1"]), "astype"),
    ],
    ids=short,
)
def test_what_is_no_number_is_refused(values, cure):
    with pytest.raises(DataTypeMismatchError, match=re.escape(cure)):
        lz.from_array(values).to_zarr("t.zarr", pack="i2", scale_factor=0.1)
    assert not os.path.exists("t.zarr")


def test_small_numbers_pack():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = lz.from_array(np.array([1.5, 2.0])).astype(ml_dtypes.bfloat16)
    same(x.to_zarr("s.zarr", pack="i2", scale_factor=0.5)[...], [3, 4])
    same(x.to_zarr("w.zarr", pack="i2", fill_value=0)[...], [2, 2])
    infinite = lz.from_array(np.array([np.inf])).astype(ml_dtypes.bfloat16)
    same(infinite.to_zarr("f.zarr", pack="f4")[...], [np.inf])
    with pytest.raises(DataTypeMismatchError, match="gives inf at"):
        infinite.to_zarr("n.zarr", pack="i2")
    whole = lz.from_array(np.array([1, -3])).astype(ml_dtypes.int4)
    same(whole.to_zarr("i.zarr", pack="i2")[...], [1, -3])


# --- what has no number

UNFIT = [
    ([3.2768], {"pack": "i2", "scale_factor": 1e-4}, "would be stored as 32768; int16 holds -32768 to 32767"),
    ([-0.6], {"pack": "u1"}, "would be stored as -1; uint8 holds 0 to 255"),
    ([300], {"pack": "u1"}, "would be stored as 300"),
    ([-1], {"pack": "u8"}, "would be stored as -1"),
    ([2**63], {"pack": "i8"}, "would be stored as 9223372036854775808"),
    ([2.0**63], {"pack": "i8"}, "would be stored as 9223372036854775808"),
    ([1e300], {"pack": "i8", "scale_factor": 1e-10}, "would be stored as inf"),
    ([np.inf], {"pack": "i2"}, "gives inf at index (2, 3), which int16 has no number for"),
    ([-np.inf], {"pack": "i2", "fill_value": 0}, "gives -inf"),
    ([NAN], {"pack": "i2"}, "what int16 holds for NaN is not said"),
    ([-5.2], {"pack": "i2", "fill_value": -5}, "would be stored as -5, the fill_value= of NaN"),
    ([-32768.4], {"pack": "i2", "fill_value": -32768}, "would be stored as -32768, the fill_value="),
    ([-32769.0], {"pack": "i2", "fill_value": -32768}, "int16 holds -32767 to 32767"),
    ([1e39], {"pack": "f4"}, "would be stored as 1e+39; float32 holds"),
    ([1e308], {"pack": "f8", "scale_factor": 1e-4}, "would be stored as inf"),
    ([-9999.0], {"pack": "f4", "fill_value": -9999}, "the fill_value= of NaN"),
]


@pytest.mark.usefixtures("_pieces")
@pytest.mark.parametrize(("one", "words", "why"), UNFIT, ids=short)
def test_what_does_not_fit_is_refused_by_its_place(one, words, why, monkeypatch):
    monkeypatch.setattr(spreading, "BLOCK_BYTES", 64)
    monkeypatch.setattr(spreading, "LEAST_BLOCK_BYTES", 32)
    values = np.ones((6, 5), np.array(one).dtype)
    values[2, 3] = one[0]
    x = lz.from_array(values, chunks=(2, 2))
    with pytest.raises(DataTypeMismatchError) as caught:
        x.to_zarr("data.zarr/t", **words)
    text = str(caught.value)
    assert why in text
    assert "data.zarr/t: " in text
    assert "at index (2, 3)" in text
    assert "test_packing.py" in text
    assert os.listdir("data.zarr") == []
    lz.save("data.zarr/t", np.arange(3))
    with pytest.raises(DataTypeMismatchError):
        x.to_zarr("data.zarr/t", mode="w", **words)
    same(lz.open_array("data.zarr/t", mode="r")[...], np.arange(3))
    _try_the_cures(x, words, text)


def _try_the_cures(x, words, text):
    """Each change that an error names makes it fit."""
    assert "What fits: " in text
    cures = text.partition("What fits: ")[2]
    if found := re.search(r"x\.clip\((\S+), (\S+)\)", cures):
        x.clip(*map(float, found.groups())).to_zarr("clipped.zarr", **words)
    if found := re.search(r"pack='(\w+)'", cures):
        x.to_zarr("wider.zarr", **{**words, "pack": found[1]})
    if found := re.search(r" fill_value=(-?\d+)", cures):
        x.to_zarr("filled.zarr", **words, fill_value=int(found[1]))


def test_the_place_is_that_in_the_array():
    """Wherever a value lies, in tiles of several small chunks, and in the pieces of a large one."""
    for shape, chunks in (((400, 300), (7, 11)), ((400, 300), (400, 300)), ((5, 50_000), (5, 50_000))):
        values = np.zeros(shape)
        z = lz.create_array(MemoryStore(), data=values, chunks=chunks)
        for where in ((0, 0), (shape[0] - 1, shape[1] - 1), (3, 33)):
            z[where] = 1e9
            with pytest.raises(DataTypeMismatchError, match=re.escape(f"at index {where}")):
                (lz.from_zarr(z) + 1).to_zarr(MemoryStore(), pack="i2")
            z[where] = 0


def test_other_processes_refuse_alike():
    x = lz.from_array(np.arange(40_000.0), chunks=1000) + 1
    z = x[:32000].to_zarr("p.zarr", pack="i2", fill_value=-1, scheduler="processes")
    same(z[...], np.arange(1, 32001))
    with pytest.raises(
        DataTypeMismatchError, match=r"add, test_packing.py:\d+, gives .* at index \(32767,\)"
    ):
        x.to_zarr("q.zarr", pack="i2", scheduler="processes")
    assert not os.path.exists("q.zarr")


# --- the words


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            {"scale_factor": 0.1},
            'scale_factor= is how values are packed; say what they are stored as: pack="i2"',
        ),
        ({"add_offset": 1.0}, "add_offset= is how values are packed"),
        ({"pack": "?"}, "packed as integers or floats"),
        ({"pack": "M8[s]"}, "packed as integers or floats"),
        ({"pack": "int2000"}, "packed as integers or floats"),
        ({"pack": "i2", "scale_factor": 0}, "scale_factor=0"),
        ({"pack": "i2", "scale_factor": NAN}, "no finite number"),
        ({"pack": "i2", "add_offset": "x"}, "no finite number"),
        ({"pack": "i2", "scale_factor": [1.0, 2.0]}, "no finite number"),
        ({"pack": "i2", "fill_value": 40_000}, "an integer of -32768 to 32767"),
        ({"pack": "i2", "fill_value": 0.5}, "an integer of -32768 to 32767"),
        ({"pack": "i2", "fill_value": NAN}, "an integer of -32768 to 32767"),
        ({"pack": "i2", "fill_value": [1, 2]}, "has to be one number"),
        ({"pack": "f4", "fill_value": "x"}, "has to be one number"),
        ({"pack": "i2", "attributes": {"_FillValue": 3}}, "attributes= says '_FillValue'"),
    ],
    ids=short,
)
def test_words_that_make_no_packing(words, text):
    x = lz.from_array(np.zeros(3))
    for write in (x.to_zarr, lambda place, **words: lz.store(x, place, **words)):
        with pytest.raises(ValueError, match=re.escape(text)):
            write("w.zarr", **words)
    assert not os.path.exists("w.zarr")


def test_packing_describes_a_new_array():
    lz.save("z.zarr", np.zeros(3))
    x = lz.from_array(np.zeros(3))
    for where in ({"mode": "r+"}, {"region": (slice(0, 3),)}):
        for words in ({"pack": "i2"}, {"scale_factor": 0.1}, {"add_offset": 0.1}):
            with pytest.raises(ValueError, match="describes a new array"):
                x.to_zarr("z.zarr", **where, **words)


def test_store_packs_all_and_reads_each_source_once():
    x = lz.from_zarr(lz.create_array("s.zarr", data=np.arange(8.0), chunks=2))
    words = {"pack": "i2", "scale_factor": 0.5, "add_offset": 1.0, "fill_value": -1}
    plan = lz.store({"a.zarr": x, "b.zarr": x + 2}, compute=False, **words)
    assert plan.amplification == 1.0
    out = plan.run()
    same(out["a.zarr"][...], raw(np.arange(8.0), "i2", 0.5, 1.0))
    same(out["b.zarr"][...], raw(np.arange(8.0) + 2, "i2", 0.5, 1.0))
    # what is made of another one is made of its values, not of what was stored of them
    level = x.coarsen(np.mean, {0: 2})
    out = lz.store({"c.zarr/0": x + 0.1, "c.zarr/1": level + 0.1}, pack="i2")
    same(out["c.zarr/1"][...], raw(np.arange(0.5, 8, 2) + 0.1, "i2"))


def test_chunks_that_are_not_stored_are_packed_as_well():
    z = lz.create_array("e.zarr", shape=(8, 8), chunks=(2, 2), dtype="f4", fill_value=2.5)
    z[3, 3] = 7
    packed = lz.from_zarr(z).to_zarr("p.zarr", pack="i2", scale_factor=0.5, fill_value=5 - 2**10)
    same(packed[...], (z[...] * 2).astype("i2"))
    with pytest.raises(DataTypeMismatchError, match=r"gives 2.5 at index \(0, 0\), .* as 5, the fill_value="):
        lz.from_zarr(z).to_zarr("q.zarr", pack="i2", scale_factor=0.5, fill_value=5)


def test_chunks_and_shards_of_packed_arrays():
    values = np.arange(64.0).reshape(8, 8)
    z = lz.from_array(values, chunks=2).to_zarr("s.zarr", pack="u1", shards=4, compressors="zstd")
    assert (z.chunks, z.shards) == ((2, 2), (4, 4))
    same(z[...], values)


def test_through_a_temporary_array(temporary):
    values = np.random.default_rng(0).random((60, 256, 256), "f4")
    source = lz.create_array("s.zarr", data=values, chunks=(1, 256, 256), compressors=None)
    x = lz.from_zarr(source)
    words = {"chunks": (60, 16, 16), "pack": "u4", "scale_factor": 1e-6, "memory": "42MB", "num_workers": 2}
    plan = x.to_zarr("t.zarr", compute=False, **words)
    assert [stage.kind for stage in plan.stages] == ["spill", "map"]
    same(plan.run()[...], raw(values.astype("f8"), "u4", 1e-6))
    source[31, 200, 100] = -1
    with pytest.raises(DataTypeMismatchError, match=re.escape("at index (31, 200, 100)")):
        x.to_zarr("t.zarr", mode="w", **words)


def test_the_plan_says_how():
    x = lz.from_array(np.zeros(3), chunks=2)
    y = x + 1
    plan = y.to_zarr("p.zarr", pack="i2", scale_factor=0.5, add_offset=1.0, fill_value=-1, compute=False)
    text = repr(plan)
    assert "p.zarr <- x + 1" in text
    assert "int16" in text
    assert "packed as int16: (x - 1.0) / 0.5, rounded; NaN is stored as -1" in text
    assert (
        "packed as float32: x / 0.5\n"
        in repr(y.to_zarr("p.zarr", pack="f4", scale_factor=0.5, compute=False)) + "\n"
    )
    assert "packed as uint8: x - 2.0, rounded" in repr(
        y.to_zarr("p.zarr", pack="u1", add_offset=2, compute=False)
    )
    assert plan.bytes_written == 6


def test_a_vegetation_index():
    """Job 7: 0/0 is one warning at the user's line, and missing in the result."""
    rng = np.random.default_rng(0)
    red, nir = rng.integers(0, 3, (2, 90, 70)).astype("u2")
    for name, band in (("B04", red), ("B08", nir)):
        lz.create_array(f"s2.zarr/{name}", data=band, chunks=(32, 32))
    red, nir = (lz.from_zarr(f"s2.zarr/{b}", dtype="f4") for b in ("B04", "B08"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        z = ((nir - red) / (nir + red)).to_zarr(
            "s2.zarr/ndvi", pack="i2", scale_factor=1e-4, fill_value=-32768
        )
    assert [str(each.message).partition(":")[0] for each in caught] == ["invalid value encountered in divide"]
    assert caught[0].filename == __file__
    red, nir = red.compute(), nir.compute()
    with np.errstate(invalid="ignore"):
        expected = (nir - red) / (nir + red)
    assert np.isnan(expected).any()
    same(z[...], raw(expected.astype("f8"), "i2", 1e-4, 0.0, -32768))
    back = lz.from_zarr("s2.zarr/ndvi", mask_and_scale=True).compute()
    np.testing.assert_allclose(back, expected, atol=0.5001e-4)


# --- reading

STORED = np.arange(120, dtype="i4").reshape(12, 10)


@pytest.fixture
def z():
    return lz.create_array("data.zarr/u", data=STORED, chunks=(4, 5), dimension_names=("time", "x"))


@pytest.mark.parametrize(
    ("attributes", "truth"),
    [
        ({"scale_factor": 0.5}, lambda a: a * 0.5),
        ({"add_offset": 10}, lambda a: a + 10.0),
        (
            {"scale_factor": 0.5, "add_offset": 10, "_FillValue": 7},
            lambda a: np.where(a != 7, a * 0.5 + 10, NAN),
        ),
        ({"missing_value": 3, "_FillValue": 7}, lambda a: np.where((a != 7) & (a != 3), a, NAN)),
        ({"missing_value": [3, 7, 3.5]}, lambda a: np.where((a != 7) & (a != 3), a, NAN)),
        ({"scale_factor": "0.5"}, lambda a: a * 0.5),
        ({"scale_factor": [0.5]}, lambda a: a * 0.5),
        ({"_FillValue": "7"}, lambda a: np.where(a != 7, a, NAN)),
        ({"_FillValue": 7.0}, lambda a: np.where(a != 7, a, NAN)),
    ],
    ids=short,
)
def test_mask_and_scale(z, attributes, truth):
    z.attrs.update(attributes)
    x = lz.from_zarr(z, mask_and_scale=True)
    assert x.dtype == np.float64
    assert x.dims == ("time", "x")
    same(x.compute(), truth(STORED))
    assert lz.from_zarr(z).dtype == np.int32
    assert lz.from_zarr(z, mask_and_scale=True, dtype="f4").dtype == np.float32


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"units": "K"},
        {"units": "days since 1970-01-01"},
        {"_FillValue": NAN},
        {"_FillValue": 2**40},  # not among what the array can hold
        {"_FillValue": 0.5},
        {"missing_value": "NaN"},
        {"missing_value": 1e300},
        {"missing_value": float("inf")},
        {"missing_value": []},
        {"_FillValue": None},
    ],
    ids=str,
)
def test_what_attributes_say_nothing_of_stays_as_it_is(z, attributes):
    z.attrs.update(attributes)
    x = lz.from_zarr(z, mask_and_scale=True)
    assert x.__lazyzarr_node__ is lz.from_zarr(z).__lazyzarr_node__


@pytest.mark.parametrize("name", ["scale_factor", "add_offset", "_FillValue", "missing_value"])
@pytest.mark.parametrize("value", ["much", {"a": 1}, [[1, 2], [3, 4]]], ids=str)
def test_attributes_that_are_no_numbers(z, name, value):
    z.attrs[name] = value
    with pytest.raises(MetadataValidationError, match=f"data.zarr/u: the attribute '{name}' is "):
        lz.from_zarr(z, mask_and_scale=True)


def test_only_numbers_are_decoded():
    for values in (np.array(["a", "b"]), np.array(["2000-01-01"], "M8[D]"), np.array([True, False])):
        for zarr_format in (2, 3):
            z = lz.create_array(
                MemoryStore(), data=values, zarr_format=zarr_format, attributes={"_FillValue": 1}
            )
            assert lz.from_zarr(z, mask_and_scale=True).dtype == lz.from_zarr(z).dtype


def test_large_integers_are_compared_as_they_are_stored():
    z = lz.create_array(
        MemoryStore(), data=np.array([2**53, 2**53 + 1]), attributes={"_FillValue": 2**53 + 1}
    )
    same(lz.from_zarr(z, mask_and_scale=True).compute(), [2.0**53, NAN])


def test_fill_values_of_float32_are_those_that_it_rounds_to():
    z = lz.create_array(MemoryStore(), data=np.array([1e20, 0.1], "f4"), attributes={"missing_value": 1e20})
    same(lz.from_zarr(z, mask_and_scale=True).compute(), [NAN, np.float64(np.float32(0.1))])


def test_longdouble_and_complex_values_keep_their_digits():
    z = lz.create_array(
        MemoryStore(), data=np.array([1 + 2j, 3]), attributes={"scale_factor": 0.5, "_FillValue": 3}
    )
    same(lz.from_zarr(z, mask_and_scale=True).compute(), [0.5 + 1j, NAN])


@pytest.mark.parametrize("fill", [200, -56])
def test_bytes_that_are_meant_as_unsigned(fill):
    stored = np.array([-56, -1, 3], "i1")
    z = lz.create_array(MemoryStore(), data=stored, attributes={"_Unsigned": "true"})
    assert lz.from_zarr(z, mask_and_scale=True).dtype == np.uint8
    same(lz.from_zarr(z, mask_and_scale=True).compute(), [200, 255, 3])
    z.attrs["_FillValue"] = fill
    same(lz.from_zarr(z, mask_and_scale=True).compute(), [NAN, 255, 3])
    z = lz.create_array(
        MemoryStore(), data=stored.view("u1"), attributes={"_Unsigned": "false", "_FillValue": fill}
    )
    same(lz.from_zarr(z, mask_and_scale=True).compute(), [NAN, -1, 3])


def test_in_v2_the_fill_value_is_what_is_missing():
    def opened(fill, attributes=None):
        z = lz.create_array(
            MemoryStore(), shape=3, dtype="i2", zarr_format=2, fill_value=fill, attributes=attributes or {}
        )
        z[...] = [0, 1, 7]
        return lz.from_zarr(z, mask_and_scale=True)

    same(opened(7).compute(), [0, 1, NAN])
    assert opened(None).dtype == np.int16
    same(
        opened(0, {"_FillValue": 7}).compute(), [0, 1, NAN]
    )  # where the attribute is there, too, it says more
    same(opened(0, {"missing_value": 7}).compute(), [NAN, 1, NAN])


# --- xarray


@pytest.fixture(scope="module")
def xr():
    return pytest.importorskip("xarray")


def opened(xr, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xr.open_zarr(path, consolidated=False, decode_times=False, **options)


VALUES = np.array([1.0, NAN, 3.25, -7.5])
WRITTEN = {
    "packed": (VALUES, {"dtype": "i2", "scale_factor": 0.25, "add_offset": 5.0, "_FillValue": -99}),
    "scaled": (VALUES, {"dtype": "i4", "scale_factor": 0.25, "_FillValue": -99}),
    "shifted": (VALUES, {"dtype": "f4", "add_offset": 5.0, "_FillValue": -99.0}),
    "whole": (np.array([1.0, 2, 3, 4]), {"dtype": "u1", "scale_factor": 0.5}),
    "missing": (VALUES, {"dtype": "i2", "missing_value": -5, "scale_factor": 0.25}),
    "both": (VALUES, {"dtype": "i2", "missing_value": -5, "_FillValue": -5, "scale_factor": 0.25}),
    "f8": (VALUES, {}),
    "f4": (VALUES.astype("f4"), {}),
    "masked f4": (VALUES.astype("f4"), {"_FillValue": 1e20}),
    "masked f8": (VALUES, {"_FillValue": -9999.0}),
    "masked integers": (np.array([1.0, NAN, 3, 4]), {"dtype": "i4", "_FillValue": -1}),
    "unsigned": (np.array([1.0, NAN, 200, 4]), {"dtype": "i1", "_Unsigned": "true", "_FillValue": -1}),
    "unsigned bytes": (np.array([1.0, NAN, 200, 4]), {"dtype": "u1", "_Unsigned": "true", "_FillValue": 255}),
    "integers": (np.arange(4), {}),
    "bools": (np.array([True, False, True, True]), {}),
    "complex": (np.array([1j, 2, 3, 4]), {"_FillValue": complex(3, 0)}),
    "times": (np.array([1, 2, 3, 4], "M8[D]").astype("M8[ns]"), {}),
}


@pytest.mark.peer
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", WRITTEN)
def test_what_xarray_wrote(xr, name, zarr_format):
    values, encoding = WRITTEN[name]
    dataset = xr.Dataset({"v": ("x", values)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset.to_zarr("x.zarr", zarr_format=zarr_format, encoding={"v": encoding}, consolidated=False)
    stored = opened(xr, "x.zarr", mask_and_scale=False)["v"]
    x = lz.from_zarr("x.zarr/v", mask_and_scale=True)
    truth = opened(xr, "x.zarr")["v"].values
    found = x.compute()
    if x.dtype != np.complex128:
        assert x.dtype == (truth.dtype if x.dtype == stored.dtype else np.float64)
    np.testing.assert_allclose(found, truth, rtol=1e-6)
    if x.dtype == np.float64:
        raw_values = stored.values.view("u1") if name == "unsigned" else stored.values
        decoded = raw_values * encoding.get("scale_factor", 1.0) + encoding.get("add_offset", 0.0)
        same(found, np.where(np.isnan(truth), NAN, decoded))


@pytest.mark.peer
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    "words",
    [
        {"pack": "i2", "scale_factor": 1e-3, "fill_value": -32768},
        {"pack": "i2", "scale_factor": 1e-3, "add_offset": 2.0, "fill_value": -32768},
        {"pack": "u1", "scale_factor": 1, "add_offset": -10, "fill_value": 255},
        {"pack": "i4", "fill_value": 0},
        {"pack": "f4", "scale_factor": 0.1},
        {"pack": "f4", "fill_value": -9999},
        {"pack": "f8", "scale_factor": 0.1, "fill_value": 1e20},
        {"pack": "f4", "fill_value": NAN},
    ],
    ids=str,
)
def test_xarray_reads_what_is_packed(xr, words, zarr_format):
    x = lz.from_array(VALUES, dims=("x",))
    x.to_zarr("x.zarr/v", zarr_format=zarr_format, attributes={"units": "m"}, **words)
    lz.open_group("x.zarr", mode="a", zarr_format=zarr_format)
    found = opened(xr, "x.zarr")["v"]
    assert found.attrs["units"] == "m"
    assert found.encoding.get("scale_factor") == words.get("scale_factor")
    same(np.isnan(found.values), np.isnan(VALUES))
    step = words.get("scale_factor", 1.0) if words["pack"][0] in "iu" else 1e-5
    np.testing.assert_allclose(found.values, VALUES, atol=step * 0.5001)
    np.testing.assert_allclose(
        lz.from_zarr("x.zarr/v", mask_and_scale=True).compute(), found.values, rtol=1e-6, atol=1e-9
    )


@pytest.mark.peer
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_xarray_masks_nothing_where_nothing_is_missing(xr, zarr_format):
    values = np.array([0.0, 1.0, 0.5])
    for name, words in {"a": {"scale_factor": 0.5}, "b": {"scale_factor": 0.5, "add_offset": 0}}.items():
        x = lz.from_array(values, dims=("x",))
        x.to_zarr(f"x.zarr/{name}", pack="i2", zarr_format=zarr_format, **words)
        same(opened(xr, "x.zarr")[name].values, values)
        same(lz.from_zarr(f"x.zarr/{name}", mask_and_scale=True).compute(), values)


@pytest.mark.peer
def test_xarray_packs_alike(xr):
    """The same stored integers and the same metadata, but for codecs."""
    values = np.random.default_rng(0).uniform(-3, 3, 1000)
    values[::7] = NAN
    dataset = xr.Dataset({"v": ("x", values)})
    encoding = {"dtype": "i2", "scale_factor": 1e-4, "_FillValue": -32768}
    for zarr_format in (2, 3):
        dataset.to_zarr(
            f"{zarr_format}.zarr", zarr_format=zarr_format, encoding={"v": encoding}, consolidated=False
        )
        theirs = lz.open_array(f"{zarr_format}.zarr/v", mode="r")
        ours = lz.from_array(values, dims=("x",)).to_zarr(
            f"{zarr_format}.zarr/own",
            pack="i2",
            scale_factor=1e-4,
            fill_value=-32768,
            zarr_format=zarr_format,
        )
        same(ours[...], theirs[...])
        assert ours.attrs.asdict() == theirs.attrs.asdict()
