"""What `import lazyzarr` brings in, and that each public name is there, lazily and at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lazyzarr as lz

HEAVY = ("dask", "distributed", "fsspec", "rich", "asyncio", "xarray", "donfig")


def run(code, **environment):
    environment = os.environ | {"PYTHONPATH": str(Path(lz.__file__).parent.parent)} | environment
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_light():
    assert run(f"import sys, lazyzarr; print([n for n in {HEAVY} if n in sys.modules])") == "[]"


def test_the_format_half_needs_no_compute_half():
    code = (
        "import sys, lazyzarr as lz; z = lz.array([1, 2]); z[0] = 5; g = lz.group(); g['x'] = z[...]; g.tree();"
        f"lz.save('a.zarr', z[...]); lz.load('a.zarr'); print([n for n in {HEAVY[:-1]} if n in sys.modules], "
        "[n for n in sys.modules if n.startswith('lazyzarr.graph')])"
    )
    assert run(code) == "[] []"


def test_names_are_there_lazily():
    code = "import lazyzarr, sys; print('lazyzarr.format.array' in sys.modules, lazyzarr.zeros.__name__)"
    assert run(code) == "False zeros"
    assert run("from lazyzarr import *; print(open_array.__name__, Array.__name__)") == "open_array Array"


def test_all_at_once():
    code = "import lazyzarr, sys; print(set(lazyzarr.__all__) <= set(vars(lazyzarr)))"
    assert run(code, EAGER_IMPORT="1") == "True"


@pytest.mark.parametrize("name", lz.__all__)
def test_every_name(name):
    assert getattr(lz, name) is getattr(lz, name)
    assert name in dir(lz)


def test_other_names():
    with pytest.raises(
        AttributeError, match="module 'lazyzarr' has no attribute 'zeroes'; did you mean zeros"
    ):
        _ = lz.zeroes
    assert lz.__version__


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("rewrite", r"lz.from_zarr\(old\).to_zarr\(new, chunks=\(100, 100\)\)"),
        ("array_api", "import lazyzarr.numpy as lnp"),
        ("from_delayed", r"lz.from_map\(f, shape, dtype, chunks\)"),
        ("blockwise", r"x.map_blocks\(f, y\)"),
        ("fft", "Dask's, and lazy"),
    ],
)
def test_what_others_have_is_told_by_what_does_it(name, cure):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'; .*{cure}") as caught:
        getattr(lz, name)
    assert "did you mean" not in str(caught.value)


def test_names_of_zarr_python():
    """What zarr-python's users look for is where they look for it."""
    wanted = """Array Group array config create create_array create_group empty empty_like from_array full full_like
    group load ones ones_like open open_array open_consolidated open_group save save_array save_group tree zeros
    zeros_like""".split()
    assert [name for name in wanted if name not in lz.__all__] == []
    assert {"LocalStore", "MemoryStore", "StorePath", "WrapperStore"} <= set(lz.storage.__all__)
    codecs = "BloscCodec BytesCodec Crc32cCodec GzipCodec ShardingCodec TransposeCodec ZstdCodec".split()
    assert [name for name in codecs if not hasattr(lz.codecs, name)] == []
