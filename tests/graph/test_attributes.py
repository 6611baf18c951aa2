"""Attributes follow to new arrays as far as they are still true."""

from __future__ import annotations

import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp

OWN = {"units": "K", "long_name": "air temperature", "levels": [1, 2]}
MONTH = np.arange(24) % 12
RAW = {
    **OWN,
    "scale_factor": 0.01,
    "add_offset": 273.15,
    "_FillValue": -1,
    "valid_range": [0, 9],
    "cell_methods": "time: mean",
}


def stored(name, attributes, dtype="f4", **words):
    values = np.arange(24 * 4 * 6).reshape(24, 4, 6).astype(dtype)
    z = lz.create_array(
        f"in.zarr/{name}",
        shape=values.shape,
        dtype=dtype,
        chunks=(6, 4, 3),
        attributes=attributes,
        overwrite=True,
        **words,
    )
    z[...] = values
    return z.lazy()


def followed(lazy):
    """The attributes that a new array has, which are those that the lazy one tells of."""
    written = lazy.to_zarr("out.zarr", mode="w")
    assert lz.open("out.zarr").attrs.asdict() == written.attrs.asdict() == dict(lazy.attrs)
    return dict(lazy.attrs)


MOVED = {
    "copy": lambda x: x,
    "slice": lambda x: x[::2, 1:],
    "transpose": lambda x: x.T[:, None],
    "rechunk": lambda x: x.rechunk((4, 4, 6)),
    "cast": lambda x: x.astype(f"{x.dtype.kind}8"),
    "picked": lambda x: x[[3, 1]],
    "points": lambda x: x.vindex[[0, 3], [1, 2]],
    "reshape": lambda x: x.reshape(-1),
    "joined": lambda x: np.concatenate([x, x[:3]]),
    "rolled": lambda x: np.roll(x, 2, 0),
    "padded": lambda x: np.pad(x, 2, "edge"),
    "padded with a number": lambda x: np.pad(x, 2),
    "sorted": lambda x: np.sort(x, axis=0),
    "least": lambda x: x.min(0),
    "greatest by group": lambda x: x.groupby_reduce(MONTH, "max"),
    "filled": lambda x: x.ffill(0),
}
ALIKE = {
    "anomaly": lambda x: x - x.groupby_reduce(MONTH, "mean")[MONTH],
    "mean": lambda x: x.mean(0),
    "nanmean": lambda x: np.nanmean(x, axis=0),
    "median": lambda x: np.median(x, axis=0),
    "quantiles": lambda x: np.quantile(x, [0.1, 0.9], axis=0),
    "spread": lambda x: x.std(1),
    "differences": lambda x: np.diff(x, axis=0),
    "clipped": lambda x: x.clip(3, 9),
    "chosen": lambda x: np.where(x > 3, x, np.nan),
    "rounded": lambda x: np.round(x, 1),
    "less than": lambda x: np.minimum(x, 7),
    "windows": lambda x: x.coarsen(np.mean, {1: 2}),
}
OTHER = {
    "square": lambda x: x * x,
    "scaled": lambda x: x * 2 + 1,
    "root": lambda x: np.sqrt(x),
    "variance": lambda x: x.var(0),
    "sum": lambda x: x.sum(0),
    "compared": lambda x: x > 3,
    "place": lambda x: x.argmax(0),
    "count": lambda x: np.count_nonzero(x, axis=0),
    "function": lambda x: x.map_blocks(np.abs, dtype="f4"),
    "function of values": lambda x: lz.elementwise(np.abs, x, dtype="f4"),
    "order": lambda x: np.argsort(x, axis=0),
    "lines": lambda x: np.apply_along_axis(np.sort, 0, x),
}


@pytest.mark.parametrize("name", MOVED)
def test_all_attributes_follow_values_that_are_moved(name):
    assert followed(MOVED[name](stored("tas", OWN))) == OWN
    assert followed(MOVED[name](stored("raw", RAW, "i2"))) == RAW


@pytest.mark.parametrize("name", ALIKE)
def test_what_is_true_follows_values_of_the_same_kind(name):
    more = {**OWN, "valid_min": 0, "cell_methods": "time: mean", "_FillValue": 7}
    assert followed(ALIKE[name](stored("tas", more))) == OWN
    assert followed(ALIKE[name](stored("raw", RAW, "i2"))) == {}, "of packed numbers no units hold"


@pytest.mark.parametrize("name", OTHER)
def test_nothing_follows_of_which_nobody_knows_whether_it_holds(name):
    assert followed(OTHER[name](stored("tas", OWN))) == {}


def test_what_operands_do_not_agree_on_does_not_follow():
    tas, other = stored("tas", OWN), stored("other", {**OWN, "long_name": "of a model", "levels": [1, 2]})
    assert followed(tas - other) == {"units": "K", "levels": [1, 2]}
    assert followed(np.concatenate([tas, other])) == {"units": "K", "levels": [1, 2]}
    assert followed(tas - stored("bare", {})) == {}


@pytest.mark.parametrize("other", [273.15, np.ones(6), lnp.ones((6,))])
def test_units_do_not_follow_where_numbers_without_units_are_added(other):
    without = {key: value for key, value in OWN.items() if key != "units"}
    assert followed(stored("tas", OWN) - other) == without
    assert followed(other + stored("tas", OWN)) == without


def test_attributes_that_are_given_are_written_alone():
    tas = stored("tas", OWN)
    assert tas.to_zarr("a.zarr", attributes={"title": "t"}).attrs == {"title": "t"}
    assert tas.to_zarr("b.zarr", attributes={}).attrs == {}
    moved, mean = lz.store({"c.zarr/x": tas, "c.zarr/mean": tas.mean(0)}).values()
    assert moved.attrs == mean.attrs == OWN
    with pytest.raises(TypeError):
        tas.attrs["units"] = "C"


def test_names_of_axes_go_by_themselves():
    x = stored("old", OWN, zarr_format=2, dimension_names=("time", "y", "x"))
    mean = x.mean("time").to_zarr("mean.zarr", zarr_format=2)
    assert mean.dimension_names == ("y", "x")
    assert dict(x.attrs) == OWN
    assert {key: value for key, value in mean.attrs.items() if not key.startswith("_ARRAY")} == OWN


def test_xarray_takes_names_and_attributes():
    xr = pytest.importorskip("xarray")
    array = xr.DataArray(stored("tas", OWN, dimension_names=("time", "y", "x")))
    assert array.dims == ("time", "y", "x")
    assert array.attrs == OWN


SCALE = {"scale_factor": 0.01, "add_offset": 273.15}


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_packed_numbers_mean_keeps_its_units(zarr_format):
    tas = stored("packed", {**RAW, **SCALE}, "i2", zarr_format=zarr_format)
    z = lz.open("in.zarr/packed")
    for chunks in (None, (24, 2, 6)):
        meant = lz.from_zarr(z, mask_and_scale=True, chunks=chunks)
        assert followed(meant) == {**OWN, "cell_methods": "time: mean"}
        assert followed(meant - meant.mean(0)) == OWN
        assert followed(meant[:3].astype("f4") * 2) == {}
    assert {**tas.attrs} == {**RAW, **SCALE}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("source_format", [2, 3])
@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_copies_are_missing_the_same_values_to_xarray(source_format, zarr_format, dtype):
    xr = pytest.importorskip("xarray")
    values = xr.Dataset({"tas": (("y", "x"), np.array([[1.5, np.nan], [0.0, -2.0]]))}, attrs={"title": "t"})
    values.tas.attrs["units"] = "K"
    encoding = {"tas": {"dtype": dtype, "_FillValue": np.dtype(dtype).type(-999), "scale_factor": 0.5}}
    values.to_zarr("source.zarr", zarr_format=source_format, encoding=encoding, consolidated=False)
    lz.create_group("copy.zarr", zarr_format=zarr_format)
    copy = lz.from_zarr("source.zarr/tas").to_zarr("copy.zarr/tas")
    assert copy.metadata.zarr_format == zarr_format
    read = xr.open_zarr("copy.zarr", consolidated=False)
    xr.testing.assert_identical(read.tas.load(), values.tas)
    np.testing.assert_array_equal(
        lz.from_zarr("copy.zarr/tas", mask_and_scale=True).compute(), values.tas.values
    )


@pytest.mark.parametrize("dtype", ["i2", "u4", "f4", "f8"])
def test_zeros_are_not_missing_to_xarray(dtype):
    """It takes the fill value of v2 for what is missing."""
    xr = pytest.importorskip("xarray")
    x = lz.from_array(np.array([0, 1, 2], dtype), dims=("n",))
    lz.create_group("v2.zarr", zarr_format=2)
    x.to_zarr("v2.zarr/x")
    assert xr.open_zarr("v2.zarr", consolidated=False).x.values.tolist() == [0, 1, 2]


@pytest.mark.parametrize("source_format", [2, 3])
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("cast", ["f4", "f8", "i4", "i8"])
def test_the_missing_value_is_spelled_for_the_data_type_that_it_has_now(source_format, zarr_format, cast):
    xr = pytest.importorskip("xarray")
    x = stored("raw", {"_FillValue": -999}, "i2", zarr_format=source_format, dimension_names=("t", "y", "x"))
    lz.create_group("casts.zarr", zarr_format=zarr_format)
    copy = x.astype(cast)
    copy[0, 0, 0] = -999
    copy.to_zarr("casts.zarr/x", attributes=dict(x.attrs))
    x.astype(cast).to_zarr("casts.zarr/followed")
    read = xr.open_zarr("casts.zarr", consolidated=False)
    assert np.flatnonzero(np.isnan(read.x.values)).tolist() == [0]
    assert np.isfinite(read.followed.values).all()


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_missing_value_that_the_data_type_does_not_hold_stays_behind(zarr_format):
    """xarray opens nothing whose _FillValue is none of its data type's."""
    xr = pytest.importorskip("xarray")
    lz.create_group("kept.zarr", zarr_format=zarr_format)
    names = {"dimension_names": ("t", "y", "x")}
    whole = stored("nan", {**OWN, "_FillValue": "AAAAAAAA+H8="}, "f8", **names).astype("i4")
    assert dict(whole.attrs) == OWN
    whole.to_zarr("kept.zarr/whole")
    stored("small", {**OWN, "_FillValue": -999}, "i2", **names).astype("i1").to_zarr("kept.zarr/small")
    read = xr.open_zarr("kept.zarr", consolidated=False)
    assert read.whole.dtype == np.int32
    assert read.small.dtype == np.int8


def test_missing_complex_values_follow_from_one_format_to_the_other():
    xr = pytest.importorskip("xarray")
    names = {"dimension_names": ("t", "y", "x")}
    z = stored("complex", OWN, "c16", zarr_format=2, fill_value=3, **names)
    lz.create_group("v3.zarr", zarr_format=3)
    z.to_zarr("v3.zarr/x")
    z.to_zarr("v3.zarr/filled", fill_value=0)
    read = xr.open_zarr("v3.zarr", consolidated=False)
    for values in (read.x.values, read.filled.values):
        assert np.flatnonzero(np.isnan(values)).tolist() == [3]


@pytest.mark.parametrize("fill", [255, -1])
def test_a_missing_value_of_bytes_that_are_meant_as_unsigned_follows(fill):
    x = lz.create_array(
        "bytes.zarr",
        data=np.array([-1, 3], "i1"),
        attributes={"_Unsigned": "true", "_FillValue": fill},
    )
    copy = x.lazy().to_zarr("older.zarr", zarr_format=2)
    np.testing.assert_array_equal(lz.from_zarr(copy, mask_and_scale=True).compute(), [np.nan, 3])


def test_bytes_that_are_meant_as_unsigned_are_not_in_another_data_type():
    x = stored("bytes", {**OWN, "_Unsigned": "true"}, "i1")
    assert followed(x[::2]) == {**OWN, "_Unsigned": "true"}
    for other in (x.astype("i4"), np.concatenate([x, x.astype("i2")]), x - x, x.mean(0)):
        assert followed(other) == {}


@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_truths_are_no_packed_numbers(dtype):
    assert followed(stored("raw", RAW, dtype).astype(bool)) == {}


def test_zeros_of_scaled_numbers_are_not_missing_in_v2():
    x = stored("scaled", {"scale_factor": 0.5}, "i2")
    copy = x.to_zarr("older.zarr", zarr_format=2)
    np.testing.assert_array_equal(
        lz.from_zarr(copy, mask_and_scale=True).compute(), np.arange(24 * 4 * 6).reshape(24, 4, 6) * 0.5
    )


@pytest.mark.parametrize("values", [[False, True], ["", "a"], [b"", b"ab"]])
def test_no_and_empty_text_are_not_missing_to_xarray(values):
    xr = pytest.importorskip("xarray")
    lz.create_group("v2.zarr", zarr_format=2)
    lz.from_array(np.array(values), dims=("n",)).to_zarr("v2.zarr/x")
    read = xr.open_zarr("v2.zarr", consolidated=False).x
    assert read.values.tolist() == values
    assert lz.open("v2.zarr/x")[...].tolist() == values


DAYS = {"units": "days since 2000-01-01", "calendar": "noleap"}
LENGTHS = {
    "differences": lambda x: np.diff(x, axis=0),
    "sums": lambda x: x + x,
    "spread": lambda x: x.std(0),
    "spread by group": lambda x: x.groupby_reduce(MONTH, "std"),
    "negative": lambda x: -x,
    "from the first": lambda x: x - x[:1],
    "from a number": lambda x: x - 3,
}


@pytest.mark.parametrize("name", LENGTHS)
def test_lengths_of_time_are_no_times_since_a_day(name):
    """xarray would make dates of them."""
    assert followed(LENGTHS[name](stored("time", {**DAYS, "long_name": "time"}))) == {"long_name": "time"}


@pytest.mark.parametrize("name", ["mean", "median", "clipped", "windows", "rounded"])
def test_times_between_times_are_times_since_a_day(name):
    assert followed(ALIKE[name](stored("time", DAYS))) == DAYS


def test_ranges_of_packed_numbers_are_what_is_said_of_them():
    words = {"pack": "i2", "scale_factor": 10.0}
    x = stored("raw", RAW, "i4")
    assert x.to_zarr("a.zarr", **words).attrs == {**OWN, "cell_methods": "time: mean", "scale_factor": 10.0}
    said = x.to_zarr("b.zarr", attributes={"valid_range": [0, 60]}, **words)
    assert said.attrs == {"valid_range": [0, 60], "scale_factor": 10.0}
