"""Every data type with every codec: it comes back as it was, or the codec is refused by an error of ours."""

from __future__ import annotations

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import LazyzarrError, MetadataValidationError
from lazyzarr.format.codecs.registry import CODECS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

CONFIGURATIONS = {
    "cast_value": {"data_type": "int16"}, "scale_offset": {"offset": 1, "scale": 2}, "bitround": {"keepbits": 3},
    "numcodecs.bitround": {"keepbits": 3}, "reshape": {"shape": [[0]]}, "transpose": {"order": [0]},
    "gzip": {"level": 1},
    "sharding_indexed": {"chunk_shape": [1], "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}]},
    "numcodecs.delta": {"dtype": "<i4"}, "numcodecs.quantize": {"digits": 2, "dtype": "<f4"},
    "numcodecs.fixedscaleoffset": {"offset": 0, "scale": 1, "dtype": "<f4"}, "numcodecs.shuffle": {"elementsize": 1},
    "numcodecs.astype": {"encode_dtype": "<f4", "decode_dtype": "<f8"},
}  # fmt: skip
SAMPLES = {
    "text": (str, ["a", "bb"]),
    "bytes": (bytes, [b"a", b"b\0"]),
    "record": ([("x", "f4"), ("n", "i2")], [(1, 2), (3, 4)]),
    "raw": ("r24", [b"abc", b"de\0"]),
    "bfloat16": ("bfloat16", [1, 2]),
    "int4": ("int4", [1, 2]),
    "complex": ("complex_float8_e5m2", [(1, 2), (2, 1)]),
    "times": ("M8[s]", ["2020-01-01", "NaT"]),
    "fixed text": ("U3", ["a", "bcd"]),
}
NUMCODECS = (
    "adler32 astype bitround blosc bz2 crc32 crc32c delta fixedscaleoffset fletcher32 gzip jenkins_lookup3 lz4 lzma "
    "packbits pcodec quantize shuffle zfpy zlib zstd vlen-utf8 json2 pickle"
).split()
NAMES = sorted({*(name for name in CODECS if "." not in name), *(f"numcodecs.{name}" for name in NUMCODECS)})


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("codec", NAMES)
def test_kept_or_refused(codec, sample):
    dtype, data = SAMPLES[sample]
    if dtype in ("bfloat16", "int4", "complex_float8_e5m2"):
        pytest.importorskip("ml_dtypes")
    document = {"name": codec, "configuration": CONFIGURATIONS.get(codec, {})}
    for place in ("filters", "serializer", "compressors"):
        words = {"filters": None, "compressors": None, place: document}
        try:
            z = lz.create_array({}, shape=(2,), dtype=dtype, **words)
            z[...] = data
        except LazyzarrError:
            continue
        stored = lz.open_array(z.store)
        expected = np.array(data, object) if z.dtype.hasobject else z[...]
        assert stored[...].tolist() == expected.tolist()
        if sample not in ("times",):
            assert [plain(item) for item in stored[...].tolist()] == [plain(item) for item in data]


def plain(item):
    return (
        tuple(map(float, item))
        if isinstance(item, tuple)
        else float(item)
        if hasattr(item, "dtype")
        else item
    )


@pytest.mark.parametrize(
    "name", ["numcodecs.bitround", "numcodecs.pcodec", "numcodecs.zfpy", "bytes", "packbits"]
)
@pytest.mark.parametrize("dtype", [str, bytes])
def test_no_codec_stores_the_addresses_of_objects(dtype, name):
    document = {"name": name, "configuration": CONFIGURATIONS.get(name, {})}
    place = "filters" if name.endswith("bitround") else "serializer"
    with pytest.raises(MetadataValidationError):
        lz.create_array({}, shape=(2,), dtype=dtype, compressors=None, **{place: document})
