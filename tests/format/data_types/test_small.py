"""Numbers that NumPy lacks, beside tensorstore and ml_dtypes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tensorstore

import lazyzarr as lz
from lazyzarr.errors import DataTypeMismatchError, MetadataValidationError, UnknownDataTypeError
from lazyzarr.format.data_types.small import SMALL_NAMES
from lazyzarr.format.dtypes import data_type_of, parse_v3_data_type

ml_dtypes = pytest.importorskip("ml_dtypes")

NAMES = sorted(name for name in SMALL_NAMES if not name.startswith("complex"))
COMPLEX = sorted(SMALL_NAMES - set(NAMES))
VALUES = [1, 0, 1, 1, 0]
POSITIVE = [1, 2, 1, 4, 8]  # there is no zero in float8_e8m0fnu
LITTLE, BIG = ({"name": "bytes", "configuration": {"endian": endian}} for endian in ("little", "big"))


def values(name):
    return POSITIVE if "e8m0" in name else VALUES


def in_tensorstore(path, **more):
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}, **more}
    try:
        return tensorstore.open(spec).result()
    except ValueError as error:
        if "data type" not in str(error) and "data_type" not in str(error):
            raise
        pytest.skip("this tensorstore does not know the data type")


@pytest.mark.peer
@pytest.mark.parametrize("serializer", [LITTLE, BIG], ids=["little", "big"])
@pytest.mark.parametrize("compressors", ["auto", None, "blosc-lz4"])
@pytest.mark.parametrize("name", NAMES)
def test_tensorstore_reads_ours(tmp_path, name, compressors, serializer):
    data = np.array(values(name)).astype(getattr(ml_dtypes, name))
    z = lz.create_array(tmp_path / "z", data=data, chunks=2, compressors=compressors, serializer=serializer)
    assert z[...].tobytes() == data.tobytes()
    assert z[...].dtype == data.dtype
    theirs = in_tensorstore(tmp_path / "z").read().result()
    assert theirs.dtype == data.dtype
    assert theirs.tobytes() == data.tobytes()


@pytest.mark.peer
@pytest.mark.parametrize("name", NAMES)
def test_we_read_tensorstore_s(tmp_path, name):
    data = np.array(values(name)).astype(getattr(ml_dtypes, name))
    metadata = {
        "shape": [5], "data_type": name, "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3]}},
    }  # fmt: skip
    theirs = in_tensorstore(tmp_path / "z", metadata=metadata, create=True)
    theirs[:3].write(data[:3]).result()
    z = lz.open_array(tmp_path / "z")
    assert z[...].astype(float).tolist() == theirs.read().result().astype(float).tolist()


@pytest.mark.parametrize("serializer", [LITTLE, BIG], ids=["little", "big"])
@pytest.mark.parametrize("name", COMPLEX)
def test_complex(name, serializer):
    store: dict = {}
    if name in ("complex_float16", "complex_bfloat16") and not hasattr(ml_dtypes, "complex32"):
        pytest.skip("this ml_dtypes has no complex types")
    z = lz.create_array(store, shape=(2,), dtype=name, serializer=serializer, compressors=None)
    z[...] = [1 + 2j, 2 + 1j]
    part = np.dtype("f2") if name == "complex_float16" else np.dtype(getattr(ml_dtypes, name[8:]))
    expected = np.array([1, 2, 2, 1]).astype(part)
    stored = np.frombuffer(bytes(store["c/0"]), part)
    assert (stored.byteswap() if serializer is BIG else stored).tobytes() == expected.tobytes()
    assert z[...].tobytes() == expected.tobytes()
    assert z.metadata.document.value["fill_value"] in ([0.0, 0.0], [2.0**-127, 2.0**-127])


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_ones_are_packed_part_by_part(name):
    if name in ("complex_float16", "complex_bfloat16") and not hasattr(ml_dtypes, "complex32"):
        pytest.skip("this ml_dtypes has no complex types")
    store: dict = {}
    z = lz.create_array(store, shape=(3,), dtype=name, serializer={"name": "packbits"}, compressors=None)
    z[...] = [1 + 2j, 2 + 1j, 1 + 1j]
    part = np.dtype("f2") if name == "complex_float16" else np.dtype(getattr(ml_dtypes, name[8:]))
    parts = np.array([1, 2, 2, 1, 1, 1]).astype(part)
    assert z[...].tobytes() == parts.tobytes()
    bits = np.unpackbits(parts.view("u1").reshape(6, -1), axis=1, bitorder="little")
    width = {"float4": 4, "float6": 6}.get(name[8:14], bits.shape[1])
    assert bytes(store["c/0"]) == np.packbits(bits[:, :width].reshape(-1), bitorder="little").tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_every_bit_pattern_is_kept(name):
    dtype = np.dtype(getattr(ml_dtypes, name))
    bits = np.arange(256 ** min(dtype.itemsize, 2), dtype=f"u{dtype.itemsize}")
    z = lz.array(bits.view(dtype), chunks=100)
    assert z[...].tobytes() == bits.tobytes()


@pytest.mark.parametrize("name", [n for n in NAMES if "float8" in n or n == "bfloat16"])
def test_every_fill_is_kept(name):
    data_type = data_type_of(name)
    for bits in range(0, 256**data_type.dtype.itemsize, 1 if data_type.dtype.itemsize == 1 else 97):
        fill = np.array([bits], f"u{data_type.dtype.itemsize}").view(data_type.dtype)[0]
        assert data_type.fill_from_json(data_type.fill_to_json(fill)).tobytes() == fill.tobytes()


@pytest.mark.parametrize(
    ("name", "spelled", "hexadecimal"),
    [
        ("bfloat16", "NaN", "c07f"), ("bfloat16", "0x7fc1", "c17f"), ("bfloat16", "-Infinity", "80ff"),
        ("float8_e4m3", "0x7c", "7c"), ("float8_e5m2", "Infinity", "7c"), ("float8_e8m0fnu", "NaN", "ff"),
        ("int4", -8, "f8"), ("uint2", 3, "03"), ("float4_e2m1fn", 6.0, "07"), ("float6_e2m3fn", -7.5, "3f"),
    ],
)  # fmt: skip
def test_fills(name, spelled, hexadecimal):
    fill = parse_v3_data_type(name).fill_from_json(spelled)
    expected = np.frombuffer(bytes.fromhex(hexadecimal), fill.dtype)[0]
    assert (fill == expected) or (fill != fill and fill.tobytes() == expected.tobytes())


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("int4", 8), ("int4", 1.5), ("uint4", -1), ("uint2", 4), ("int4", "NaN"), ("float4_e2m1fn", "NaN"),
        ("float4_e2m1fn", "Infinity"), ("float8_e4m3fn", "Infinity"), ("float8_e8m0fnu", "-Infinity"),
        ("bfloat16", "x"), ("bfloat16", True), ("bfloat16", None), ("bfloat16", [1]), ("bfloat16", "0x12345"),
        ("float8_e5m2", 1e9), ("float8_e8m0fnu", -1.0),
    ],
)  # fmt: skip
def test_bad_fills(name, spelled):
    with pytest.raises(MetadataValidationError):
        parse_v3_data_type(name).fill_from_json(spelled)


@pytest.mark.parametrize(
    ("name", "value"),
    [("int4", 8), ("int4", 1.5), ("uint4", -1), ("float8_e5m2", 1e9), ("bfloat16", 1e39), ("bfloat16", "a"),
     ("bfloat16", 1j), ("float4_e2m1fn", np.nan), ("float8_e4m3fn", np.inf), ("float8_e8m0fnu", 0)],
)  # fmt: skip
def test_what_cannot_be_held_changes_nothing(name, value):
    z = lz.ones(2, dtype=name)
    with pytest.raises(DataTypeMismatchError):
        z[...] = value
    assert z[...].astype(float).tolist() == [1, 1]


def test_rounded_and_converted():
    z = lz.zeros(3, dtype="bfloat16")
    z[...] = [1.001, np.nan, -np.inf]
    assert str(z[...].astype(float).tolist()) == "[1.0, nan, -inf]"
    wide = lz.zeros(3)
    wide[...] = z[...]
    assert str(wide[...].tolist()) == "[1.0, nan, -inf]"


def test_fill_is_not_stored(tmp_path):
    z = lz.create_array(tmp_path / "z", shape=(4,), chunks=2, dtype="bfloat16", fill_value="NaN")
    z[...] = [np.nan, np.nan, 1, 2]
    assert [p.name for p in (tmp_path / "z" / "c").iterdir()] == ["1"]


def test_v2_has_none():
    with pytest.raises(UnknownDataTypeError, match="zarr_format=3"):
        lz.zeros(3, dtype="int4", zarr_format=2)


def test_loaded_on_first_use_and_missed_by_name(tmp_path):
    code = """if True:
        import sys
        import lazyzarr as lz
        lz.zeros(3)[...]
        assert "ml_dtypes" not in sys.modules
        sys.modules["ml_dtypes"] = None
        try:
            lz.zeros(3, dtype="bfloat16")
        except lz.errors.UnknownDataTypeError as error:
            assert "lazyzarr[ml_dtypes]" in str(error), error
        else:
            raise AssertionError
    """
    subprocess.run([sys.executable, "-c", code], check=True)
