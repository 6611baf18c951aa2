"""LazyArray's face: NumPy's facts, numbers and protocols, each refusal with the cure, nothing computed unasked."""

from __future__ import annotations

import copy
import math
import operator

import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.errors import SelectionError, ShapeMismatchError
from lazyzarr.graph.lazy import LazyArray


@pytest.fixture
def a():
    return np.arange(1, 25, dtype="i4").reshape(2, 3, 4)


@pytest.fixture
def x(a):
    return lz.from_array(a, chunks=(1, 2, 4), dims=("t", "y", "x"))


def unread():
    """An array that fails when a value of it is asked for."""

    def fail(block):
        raise AssertionError("computed unasked")

    return lz.from_array(np.ones(())).map_blocks(fail, dtype="f8")


def test_facts(x, a):
    for fact in ("shape", "dtype", "ndim", "size", "itemsize", "nbytes"):
        assert getattr(x, fact) == getattr(a, fact)
    assert len(x) == len(a)
    assert x.chunks == ((1, 1), (2, 1), (4,))
    assert (x.chunksize, x.numblocks, x.npartitions) == ((1, 2, 4), (2, 2, 1), 4)
    assert x.T.shape == (4, 3, 2)
    with pytest.raises(TypeError, match="0-d"):
        len(x.sum())


def test_reprs_compute_nothing(x):
    assert repr(x + 1) == "<LazyArray add (t: 2, y: 3, x: 4) int32 96 B chunks=(1, 2, 4)>"
    assert repr(x[0, 0, 0]) == "<LazyArray getitem () int32 4 B chunks=()>"
    assert repr(unread()) == str(unread()) == f"{unread()}" == "<LazyArray fail () float64 8 B chunks=()>"


def test_one_value_is_a_number_when_asked(x, a):
    total = x.sum()
    assert (int(total), float(total), complex(total), total.item(), bool(total)) == (
        300,
        300.0,
        300 + 0j,
        300,
        True,
    )
    assert f"{x.mean():.2f}" == "12.50"
    assert (round(x.mean()), round(x.mean() / 7, 2)) == (round(a.mean()), round(a.mean() / 7, 2))
    assert [10, 20, 30][lz.from_array(np.array(1))] == 20
    assert math.isclose(math.sqrt(total), 300**0.5)
    assert type(total.compute()) is type(a.sum())
    assert total.result() == 300
    if not (x > 23).any():
        pytest.fail("there is one")


def test_many_values_are_no_number(x):
    with pytest.raises(ValueError, match=r"ambiguous.*any\(\)"):
        bool(x > 3)
    with pytest.raises(TypeError, match=r"one element.*\(2, 3, 4\)"):
        float(x)
    with pytest.raises(TypeError, match="integer"):
        operator.index(x.mean())
    with pytest.raises(TypeError, match=r"shape \(2, 3, 4\).*'\.2f'"):
        f"{x:.2f}"


def test_numpy_takes_it_as_an_array(x, a):
    np.testing.assert_array_equal(np.asarray(x), a)
    assert np.asarray(x, dtype="f4").dtype == np.float32
    assert np.array(x, copy=True).dtype == a.dtype
    with pytest.raises(ValueError, match="copy=False"):
        np.array(x, copy=False)
    np.testing.assert_array_equal(np.stack([row.compute() for row in x]), a)


UNARY = [operator.neg, operator.pos, operator.abs, operator.invert]
BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift,
    operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip


@pytest.mark.parametrize("function", UNARY, ids=lambda f: f.__name__)
def test_unary_operators(function, x, a):
    same(function(x), function(a))


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
def test_binary_operators_from_both_sides(function, x, a):
    for other in (2, np.int64(3), a[::-1] % 5 + 1, a[0, 0], lz.from_array(a % 4 + 1, chunks=2)):
        plain = other.compute() if isinstance(other, LazyArray) else other
        with np.errstate(over="ignore"):
            same(function(x, other), function(a, plain))
            same(function(other, x), function(plain, a))


RECORDS = np.array([(1, 2.0), (3, 4.0), (1, 4.0)], [("a", "i4"), ("b", ">f8")])
UNLIKE = {
    "numbers and text": (np.arange(3), "a"),
    "numbers and bytes": (np.arange(3.0), np.array([[b"a"]])),
    "text and numbers": (np.array(["a", "1"]), 1),
    "text of any length and numbers": (np.array(["a", "1"], np.dtypes.StringDType()), 1),
    "numbers and times": (np.arange(3), np.datetime64("2000")),
    "times and numbers": (np.array(["2000", "NaT"], "M8[D]"), 3),
    "numbers and None": (np.arange(6).reshape(2, 3), None),
    "records": (RECORDS, RECORDS[::-1]),
    "records and one": (RECORDS, RECORDS[0]),
    "bytes that mean nothing": (np.array([b"ab", b"cd"], "V2"), np.array([b"ab", b"ab"], "V2")),
}


@pytest.mark.parametrize("function", [operator.eq, operator.ne], ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", UNLIKE)
def test_equality_of_what_no_ufunc_compares(function, name):
    one, other = UNLIKE[name]
    lazy = lz.from_array(one, chunks=2)
    same(function(lazy, other), function(one, other))
    # Where NumPy's array is asked first, it computes.
    np.testing.assert_array_equal(np.asarray(function(other, lazy)), function(other, one))
    if isinstance(other, np.ndarray):
        same(function(lazy, lz.from_array(other)), function(one, other))
        same(function(lz.from_array(other), lazy), function(other, one))


def test_nothing_is_read_to_find_none_among_numbers():
    assert not (unread() == None).any().compute()  # noqa: E711
    with pytest.raises(TypeError, match="Cannot compare structured"):
        operator.eq(lz.from_array(RECORDS), 1)


def same(lazy, expected):
    assert isinstance(lazy, LazyArray)
    assert lazy.dtype == expected.dtype
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_divmod(x, a):
    for got, expected in zip(divmod(x, 5), divmod(a, 5), strict=True):
        same(got, expected)
    for got, expected in zip(divmod(100, x), divmod(100, a), strict=True):
        same(got, expected)


FUNCTIONS = {
    "where": lambda v: np.where(v > 3, v, 0),
    "sum": lambda v: np.sum(v, axis=1, dtype="f8", keepdims=True),
    "mean": lambda v: np.mean(v, 0),
    "std": lambda v: np.std(v, axis=(0, 2), ddof=1),
    "var": lambda v: np.var(v),
    "min": lambda v: np.min(v, axis=-1),
    "max": lambda v: np.max(v, keepdims=True),
    "amax": lambda v: np.amax(v),
    "any": lambda v: np.any(v > 20, axis=0),
    "all": lambda v: np.all(v > 0),
    "transpose": lambda v: np.transpose(v, (2, 0, 1)),
    "ufunc with dtype": lambda v: np.add(v, 1, dtype="f8"),
    "two operands": lambda v: np.hypot(v, 2.0),
    "clip": lambda v: np.maximum(np.minimum(v, 9), 3),
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_numpys_functions_stay_lazy(function, x, a):
    lazy, expected = function(x), np.asarray(function(a))
    assert isinstance(lazy, LazyArray)
    assert (lazy.dtype, lazy.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(lazy.compute(), expected, rtol=1e-15)


def test_facts_by_numpys_functions(x):
    assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 1)) == ((2, 3, 4), 3, 24, 3)
    assert (np.result_type(x, 1.0), np.result_type("i8", x)) == (np.float64, np.int64)
    assert (np.can_cast(x, "i8"), np.can_cast(x, "i2"), np.can_cast(x, "i2", "same_kind")) == (
        True,
        False,
        True,
    )
    assert (np.iscomplexobj(x), np.iscomplexobj(x * 1j)) == (False, True)
    assert (np.isrealobj(x), np.isrealobj(x * 1j)) == (True, False)


@pytest.mark.parametrize("function", [np.zeros_like, np.ones_like, lambda x: np.full_like(x, 7, dtype="f4")])
def test_arrays_of_one_value_like_another(function, x, a):
    same(function(x), function(a))
    assert function(x).chunks == x.chunks
    assert np.empty_like(x).shape == a.shape


def test_what_is_among_the_values(x, a):
    asked = []

    def seen(block):
        asked.append(block.shape)
        return block

    y = x.map_blocks(seen, dtype=a.dtype)
    assert (24 in y, 25 in y, 2.5 in y) == (24 in a, 25 in a, 2.5 in a)
    assert len(asked) == 3 * x.npartitions
    z = lz.array(a)
    assert (24 in z, 25 in z) == (24 in a, 25 in a)


def test_numpys_own_tests_take_it(x, a):
    np.testing.assert_almost_equal(x.mean(0), a.mean(0))
    with pytest.raises(AssertionError):
        np.testing.assert_almost_equal(x.mean(0), a.mean(0) + 1)


REFUSED = {
    "several values for a mask": (lambda x: operator.setitem(x, x > 1, [1, 2]), r"np\.where"),
    "a lazy mask of fewer axes": (lambda x: x[x[:, 0, 0] > 1], r"x\[mask\.compute\(\)\]"),
    "out": (lambda x: np.add(x, 1, out=np.empty((2, 3, 4))), "out="),
    "where=": (lambda x: np.sqrt(x, where=np.ones((2, 3, 4), bool)), r"np\.where"),
    "a method of a ufunc": (lambda x: np.add.reduceat(x, [0]), r"x\.compute\(\)"),
    "a function that is not lazy": (lambda x: np.partition(x, 1), r"np\.partition\(x\.compute\(\), \.\.\.\)"),
    "a word that is not lazy": (
        lambda x: np.concatenate([x, x], casting="no"),
        r"np\.concatenate\(casting=\)",
    ),
    "where of one": (lambda x: np.where(x), "two choices"),
    "lazy positions": (lambda x: x[x[0, 0]], r"x\[positions\.compute\(\)\]"),
    "objects": (lambda x: x + {"a": 1}, "dict"),
    "a cast that may not be": (lambda x: x.astype("i2", casting="safe"), "safe"),
}


@pytest.mark.parametrize(("attempt", "cure"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_lazy_names_the_cure(attempt, cure, x):
    with pytest.raises((TypeError, SelectionError), match=cure):
        attempt(x)


def test_what_a_lazy_array_has_not(x):
    with pytest.raises(AttributeError, match=r"x\.compute\(\)\.partition works in memory"):
        x.partition(1)
    with pytest.raises(AttributeError, match=r"no 'frobnicate'$"):
        x.frobnicate()
    with pytest.raises(AttributeError, match=r"a LazyArray has no 'maen'; did you mean mean\?$"):
        x.maen()
    assert not hasattr(x, "__array_interface__")


@pytest.mark.parametrize(
    "name",
    "median quantile nanmean where fillna isel sel values to_numpy load chunk groupby rolling name partitions "
    "to_delayed sqrt isnull notnull save sizes".split(),
)
def test_what_others_have_names_what_does_it_here(name):
    x = lz.from_array(np.array([1.0, np.nan, 3.0, 4.0]), chunks=2)
    assert not hasattr(x, name)
    with pytest.raises(AttributeError, match=f"a LazyArray has no '{name}'; ") as caught:
        getattr(x, name)
    _, _, cure = str(caught.value).partition("; ")
    does, end, _ = cure.partition(" does it")
    if end:
        eval(does, {"x": x, "condition": x > 1, "np": np, "lz": lz, "lnp": lnp})


def test_methods_go_by_the_name_of_the_class(x):
    with pytest.raises(TypeError, match=r"^LazyArray\.mean\(\) got an unexpected keyword argument 'dim'"):
        x.mean(dim="time")
    with pytest.raises(
        TypeError, match=r"^LazyArray\.coarsen\(\) missing 1 required positional argument: 'axes'"
    ):
        x.coarsen({0: 2})


def test_methods_that_numpy_has_by_two_names(x, a):
    same(x.argsort(axis=1), a.argsort(axis=1))
    same((x * 1j).conjugate(), (a * 1j).conjugate())
    same(x.mT, a.mT)
    with pytest.raises(ValueError, match="last two"):
        _ = x[0, 0].mT


def test_an_array_that_is_a_key_or_a_copy(x):
    assert {x: 1}[x] == 1
    before = x.compute()
    for y in (x.copy(), copy.copy(x), copy.deepcopy(x), np.copy(x)):
        y[0] = 99
        assert (y.compute()[0] == 99).all()
        assert y.compute()[1:].tolist() == before[1:].tolist()
        assert x.compute().tolist() == before.tolist()


def test_blocks_are_given_once_each_exactly_as_chunks_say(a):
    x = lz.from_array(a, chunks=(2, (1, 2), 3))
    seen = {}

    def note(block, block_id, block_info):
        assert block_id not in seen
        seen[block_id] = block.shape
        start = tuple(first for first, _ in block_info[0]["array-location"])
        assert block_info[None]["chunk-location"] == block_id
        np.testing.assert_array_equal(
            block, a[tuple(slice(s, s + n) for s, n in zip(start, block.shape, strict=True))]
        )
        return block

    np.testing.assert_array_equal(x.map_blocks(note, dtype="i4").compute(), a)
    assert seen == {(0, 0, 0): (2, 1, 3), (0, 0, 1): (2, 1, 1), (0, 1, 0): (2, 2, 3), (0, 1, 1): (2, 2, 1)}


def test_blocks_that_break_their_promise(x):
    with pytest.raises(
        ShapeMismatchError, match=r"map_blocks\(lambda\), test_lazy.py:\d+, block \(.*chunks="
    ):
        x.map_blocks(lambda block: block[0], dtype="i4").compute()
    doubled = x.map_blocks(
        lambda block: np.repeat(block, 2, axis=1), dtype="i4", chunks=((1, 1), (4, 2), (4,))
    )
    assert doubled.shape == (2, 6, 4)
    np.testing.assert_array_equal(doubled.compute(), np.repeat(x.compute(), 2, axis=1))


def test_dtypes_of_blocks_are_asked_for_once(x):
    calls = []

    def half(block):
        calls.append(block.shape)
        return block / 2

    y = x.map_blocks(half)
    assert y.dtype == np.float64
    assert len(calls) == 1
    with pytest.raises(ShapeMismatchError, match="chunks"):
        x.rechunk((1, 1))


def test_what_is_made_of_a_stored_array_is_shown_by_its_name(tmp_path):
    x = lz.from_zarr(lz.create_array(tmp_path / "tas.zarr", shape=(4, 3), chunks=2, dtype="f4"))
    assert repr(x).startswith("<LazyArray read-tas (4, 3) ")
    assert repr(x - x.mean(0)).startswith("<LazyArray subtract-tas (4, 3) ")


def test_what_is_subtracted_from_all_of_it_does_not_cut_it_up():
    x = lz.from_array(np.ones((40, 12, 10)), chunks=(4, 12, 10))
    fine = lz.from_array(np.ones((12, 10)), chunks=(1, 2))
    assert (x - fine).chunks == (fine - x).chunks == x.chunks
    assert (x[:2] - fine).chunks == ((2,), (1,) * 12, (2,) * 5), "of nearly equal ones each boundary counts"
    assert (x[:, :, :1] * fine[0]).chunks == ((4,) * 10, (12,), (2,) * 5), "no other has that axis"
    empty = lz.from_array(np.ones((0, 4)), chunks=(1, 2))
    assert (empty + empty * 2).chunks == ((0,), (2, 2))
