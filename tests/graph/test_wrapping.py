"""Differences of unsigned integers are told of where they are made, unless they clearly cannot wrap."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.errors import UnsignedWrapWarning

UNSIGNED = ["u1", "u2", "u4", "u8"]


def lazy(dtype="u2", shape=(4, 4)):
    return lz.from_array(np.arange(np.prod(shape)).reshape(shape).astype(dtype), chunks=2)


@pytest.fixture
def told():
    """What a function warns of: text, file and line of each warning."""

    def call(function, *arguments):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function(*arguments)
        assert {w.category for w in caught} <= {UnsignedWrapWarning}
        return [(str(w.message), w.filename, w.lineno) for w in caught]

    return call


def here(offset=0):
    return inspect.currentframe().f_back.f_lineno + offset


NDVI = """
import numpy as np
import lazyzarr as lz
red, nir = (lz.from_zarr(f"s2.zarr/{b}") for b in ("B04", "B08"))
ndvi = (nir - red) / (nir + red)
"""


def test_the_job_as_it_is_written_warns_once_at_its_line(tmp_path):
    for name in ("B04", "B08"):
        lz.save(f"s2.zarr/{name}", np.ones((4, 4), "u2"))
    script = tmp_path / "ndvi.py"
    script.write_text(NDVI.lstrip())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            exec(compile(script.read_text(), str(script), "exec"), {})
    ((told),) = caught
    assert (told.category, told.filename, told.lineno) == (UnsignedWrapWarning, str(script), 4)
    assert str(told.message) == (
        'nir - red is uint16 and can wrap below 0 (ndvi.py:4); nir.astype("i4") - red or '
        'from_zarr(..., dtype="f4") cannot'
    )


@pytest.mark.parametrize(
    ("call", "cure"),
    [
        ("x - y", 'x.astype("i4") - y'),
        ("x - 1", 'x.astype("i4") - 1'),
        ("1 - x", '1 - x.astype("i4")'),
        ("(x + y) - y", '(x + y).astype("i4") - y'),
        ("x * y - y", '(x * y).astype("i4") - y'),
        ("x[1:] - y[1:]", 'x[1:].astype("i4") - y[1:]'),
        ("-x", '-x.astype("i4")'),
        ("-(x + y)", '-(x + y).astype("i4")'),
        ("np.subtract(x, y)", 'np.subtract(x, y, dtype="i4")'),
        ("lnp.subtract(x, y)", 'lnp.subtract(x, y, dtype="i4")'),
        ("np.subtract.outer(x[0], y[0])", 'np.subtract.outer(x[0], y[0], dtype="i4")'),
        ("np.negative(x)", 'np.negative(x, dtype="i4")'),
        ("np.diff(x, axis=0)", 'np.diff(x.astype("i4"), axis=0)'),
        ("lnp.diff(x + y, n=2)", 'lnp.diff((x + y).astype("i4"), n=2)'),
        ("z - z2", 'z.astype("i4") - z2'),
        ("-z", '-z.astype("i4")'),
        ("np.ones((4, 4), 'u2') - x", "np.ones((4, 4), 'u2').astype(\"i4\") - x"),
        ("x[x > 3] - 1", 'x[x > 3].astype("i4") - 1'),
        ("x - x.min(axis=1)", 'x.astype("i4") - x.min(axis=1)'),
    ],
)
def test_what_wraps_is_told_by_its_text_with_a_cure(call, cure, told, tmp_path):
    names = {
        "x": lazy(),
        "y": lazy() + np.uint16(1),
        "z": lz.array(np.ones((4, 4), "u2")),
        "z2": lz.array(np.zeros((4, 4), "u2")),
        "np": np,
        "lnp": lnp,
    }
    script = tmp_path / "wraps.py"
    script.write_text(f"result = {call}")
    ((text, file, line),) = told(exec, compile(script.read_text(), str(script), "exec"), names)
    assert (file, line) == (str(script), 1)
    assert text == (
        f'{call} is uint16 and can wrap below 0 (wraps.py:1); {cure} or from_zarr(..., dtype="f4") cannot'
    )
    if not cure.startswith(("z", "-z", "np.ones")):
        script.write_text(f"cured = {cure}")
        assert told(exec, compile(script.read_text(), str(script), "exec"), names) == []
        assert names["cured"].dtype == np.int32


def test_what_has_no_text_at_hand_is_told_of_too(told):
    names = {"x": lazy(), "np": np}
    code = "x - 1\n-x\nnp.diff(x)\nx -= 1"
    cures = ['x.astype("i4") - y', '-x.astype("i4")', 'np.diff(x.astype("i4"))', 'x.astype("i4") - y']
    found = told(exec, compile(code, "<nowhere>", "exec"), names)
    assert len(found) == 4
    for i, (text, file, line) in enumerate(found):
        assert (file, line) == ("<nowhere>", i + 1)
        assert f"(<nowhere>:{i + 1}); {cures[i]} or" in text


def test_a_long_text_is_cut_and_its_cure_is_general(told):
    a_rather_long_name = another_rather_long_name = lazy() + np.uint16(1)
    ((text, _, line),) = told(lambda: a_rather_long_name[1:, 1:] - another_rather_long_name[:-1, :-1])
    assert line == here(-1)
    assert "..." in text
    assert 'x.astype("i4") - y or' in text


def test_what_cannot_wrap_is_not_told_of(told):
    x, y, bools = lazy(), lazy() + np.uint16(1), lazy() > 2
    small = lazy("u1")
    assert told(lambda: (65535 - x, 65535 - (x + y), np.uint16(300) - small, np.uint16(1) - bools)) == []
    assert told(lambda: (x - 0, x - np.uint16(0), x - x, x + y, abs(x), +x, np.diff(x, n=0))) == []
    assert told(lambda: (x - x.min(), x - x.min(axis=0), x - x.min(axis=1, keepdims=True))) == []
    assert told(lambda: (x.max() - x, x.max(axis=(0, 1)) - x, x.max(1, keepdims=True) - x)) == []
    assert told(lambda: (np.subtract(x, y, dtype="i8"), np.subtract(x, y, dtype="u2"), np.ptp(x))) == []
    assert told(lambda: (small - lazy("i1"), lazy("u8") - lazy("i8"), x - 1.0, x.astype("f4") - y)) == []
    assert told(lambda: (lazy("i2") - lazy("i2"), -lazy("i2"), np.diff(lazy("i8")), np.diff(bools))) == []
    assert told(lambda: (np.bitwise_xor(bools, bools), np.divmod(x, y), np.gradient)) == []


def test_what_only_looks_as_if_it_could_not_wrap_is_told_of(told):
    x, y, bools = lazy(), lazy() + np.uint16(1), lazy() > 2
    for wraps in (
        lambda: 65534 - x,
        lambda: x - True,
        lambda: x - y.min(),
        lambda: x.max() - y,
        lambda: x - x.max(),
        lambda: x.min() - x,
        lambda: x.max(axis=1) - x,
        lambda: np.uint16(0) - bools,
        lambda: x - bools,
    ):
        assert len(told(wraps)) == 1


@given(
    st.sampled_from(UNSIGNED),
    st.sampled_from(["u1", "u2", "u4", "u8", "i1", "i8", "?", "f4"]),
    st.integers(0, 300),
    st.sampled_from(["pair", "left", "right", "min", "max", "negative"]),
)
def test_nothing_wraps_untold(kind, other, number, form):
    rng = np.random.default_rng(number)
    a, b = (rng.integers(0, 2 if d == "?" else 100, (3, 3)).astype(d) for d in (kind, other))
    axis = [None, 0, 1][number % 3]
    keep = bool(number % 2)

    def difference(a, b):
        if form == "negative":
            return -a
        if form in ("min", "max"):
            end = getattr(a, form)(axis=axis, keepdims=keep)
            return a - end if form == "min" else end - a
        scalar = np.dtype(other).type(number % 100)
        return {"pair": lambda: a - b, "left": lambda: scalar - a, "right": lambda: a - scalar}[form]()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = difference(lz.from_array(a), lz.from_array(b))
        told = [w for w in caught if w.category is UnsignedWrapWarning]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = difference(a, b)
        exact = difference(a.astype(object), b.astype(object) * 1)
    wrapped = expected.dtype.kind == "u" and (expected.astype(object) != exact).any()
    assert found.dtype == expected.dtype
    assert told or not wrapped
    if expected.dtype.kind != "u":
        assert not told


def test_a_line_is_told_of_once_and_each_time_where_filters_say_so():
    x = lazy()
    for how, times in (("default", 1), ("always", 3), ("ignore", 0)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter(how)
            for _ in range(3):
                x - 1
        assert len(caught) == times
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", category=UnsignedWrapWarning)
        x - 1
    assert caught == []
    with pytest.raises(UnsignedWrapWarning, match=r"^x - 1 is uint16"):
        x - 1


def test_it_is_numpys_value_all_the_same():
    a = np.array([1, 2], "u2")
    with pytest.warns(UnsignedWrapWarning):
        assert (lz.from_array(a) - 2).compute().tolist() == (a - 2).tolist() == [65535, 0]
