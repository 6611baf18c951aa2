"""Wrong elements and crashes that were found once, each kept from coming back."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import MemoryBudgetError


def same(got: Any, expected: Any) -> None:
    """Equal bit by bit, with shape and dtype."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    assert got.tobytes() == expected.tobytes()


@pytest.mark.parametrize("function", [np.isnan, np.isinf, np.isfinite, np.signbit])
def test_predicates_into_strided_results(function: np.ufunc) -> None:
    """NumPy leaves elements unwritten when these get a strided `out=`."""
    a = np.random.default_rng(0).standard_normal((100, 100))
    same(function(lz.from_array(a, chunks=(100, 1))).compute(), function(a))


def test_a_leading_part_of_map_blocks() -> None:
    """A part that begins at the origin is not the whole array."""
    a = np.arange(120.0).reshape(12, 10)
    m = lz.from_array(a, chunks=((5, 5, 2), (7, 3))).map_blocks(lambda b: b * 2, dtype="f8")
    for n in range(1, 13):
        same(m[:n].compute(), (a * 2)[:n])
        same((m[:n, :5] + 1).sum(axis=0).compute(), ((a * 2)[:n, :5] + 1).sum(axis=0))


def test_map_blocks_that_hands_its_block_on() -> None:
    """A result that is the argument lies in memory that the next step uses."""
    a = np.arange(6).reshape(2, 3)
    x = (lz.from_array(a, chunks=1) * 2 + 1).map_blocks(lambda block: block, dtype=a.dtype)
    same(np.where(x != 3, x, 7).compute(), np.where(a * 2 + 1 != 3, a * 2 + 1, 7))


@pytest.mark.parametrize("name", ["var", "std", "sum", "mean", "min", "max", "any", "all"])
def test_reductions_without_axes(name: str) -> None:
    same(getattr(lz.from_array(np.float64(2.5)), name)().compute(), getattr(np.float64(2.5), name)())


@pytest.mark.parametrize("dtype", ["?", "i2", "u1", "f2", "f4", "f8", "c8", "c16"])
@pytest.mark.parametrize("exponent", [0.5, 2, 2.0, 1, 1.0, 3, 0, -1.0, -0.5])
def test_powers_are_the_operators(dtype: str, exponent: float) -> None:
    """NumPy's `**` calls another function than np.power for some exponents and dtypes."""
    a = np.array([0, 1, 2.7, 3.1, 250.5]).astype(dtype)
    if a.dtype.kind in "fc":
        a = np.concatenate([a, np.array([np.inf, -np.inf, np.nan, -0.0, -2.5]).astype(dtype)])
    if a.dtype.kind == "c":
        a = np.concatenate(
            [a, np.array([complex(np.inf, 1), complex(3, 4), complex(-0.0, np.nan)]).astype(dtype)]
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        same((lz.from_array(a, chunks=2) ** exponent).compute(), a**exponent)


def test_functions_cannot_change_what_they_are_lent() -> None:
    """A function that works in place would change what other steps still read."""

    def in_place(b: Any) -> Any:
        b += 1
        return b

    x = lz.from_array(np.arange(12.0).reshape(3, 4), chunks=2) * 1
    for y in (
        lz.elementwise(in_place, x, dtype="f8") + x,
        x.map_blocks(in_place, dtype="f8"),
        x.map_blocks(in_place, dtype="f8")[::2],
    ):
        with pytest.raises(ValueError, match="read-only") as caught:
            y.compute()
        assert any("copy()" in note for note in caught.value.__notes__)


def test_equal_looking_parameters_are_not_one() -> None:
    """Lists that change, and objects that call themselves a token, are known by identity."""

    def add_length(block: Any, items: Any) -> Any:
        return block + len(items)

    x = lz.from_array(np.ones(2), chunks=1)
    items = [1]
    first = x.map_blocks(add_length, dtype="f8", keywords={"items": items})
    items.append(2)
    second = x.map_blocks(add_length, dtype="f8", keywords={"items": [1]})
    assert second.compute().tolist() == [2.0, 2.0]
    assert first.compute().tolist() == [3.0, 3.0]  # late, as a closure would be

    class Add:
        token = "secret"

        def __init__(self, amount: int) -> None:
            self.amount = amount

        def __call__(self, block: Any) -> Any:
            return block + self.amount

    both = lz.compute(x.map_blocks(Add(1), dtype="f8")[0], x.map_blocks(Add(100), dtype="f8")[0])
    assert both == (2.0, 101.0)


def test_functions_are_held_to_their_dtype_and_shape() -> None:
    x = lz.from_array(np.array([1, 2, 3, 5]), chunks=2)
    with pytest.raises(lz.errors.DataTypeMismatchError, match="float64"):
        x.map_blocks(lambda b: b / 2 if b.max() > 1 else b).compute()
    with pytest.raises(lz.errors.DataTypeMismatchError, match=r"dtype='float64'"):
        x.map_blocks(lambda b: b + 0.5, dtype="i4").compute()
    with pytest.raises(lz.errors.ShapeMismatchError):
        lz.elementwise(lambda b: b.max(), x, dtype="i8").compute()


@pytest.mark.parametrize("chunks", [((2,), (2, 2)), ((2, 1, 1), (2, 2)), ((2, 1),), (None, 1), "x"])
def test_map_blocks_refuses_chunks_for_other_blocks(chunks: Any) -> None:
    x = lz.from_array(np.ones((3, 4)), chunks=((2, 1), (2, 2)))
    with pytest.raises(lz.errors.ShapeMismatchError, match="chunks="):
        x.map_blocks(lambda b: b, dtype="f8", chunks=chunks)


def test_block_info_is_dasks() -> None:
    import dask.array as da

    def keep(into: list[Any]) -> Any:
        def function(block: Any, other: Any, block_info: Any = None) -> Any:
            if isinstance(block_info, dict):
                into.append(block_info)
            return block[:1]

        return function

    a, b = np.ones((3, 4)), np.ones((1, 4))
    ours: list[Any] = []
    theirs: list[Any] = []
    words = {"dtype": "f8", "chunks": ((1, 1), (2, 2))}
    lz.from_array(a, chunks=((2, 1), (2, 2))).map_blocks(
        keep(ours), lz.from_array(b, chunks=(1, 2)), **words
    ).compute()
    peer = da.from_array(a, chunks=((2, 1), (2, 2)))
    peer.map_blocks(keep(theirs), da.from_array(b, chunks=(1, 2)), **words).compute(scheduler="sync")

    def facts(infos: list[Any]) -> set[str]:
        keys = ("shape", "num-chunks", "array-location", "chunk-location")
        return {
            repr([[tuple(map(tuple, np.atleast_2d(i[n][k]).tolist())) for k in keys] for n in (0, 1, None)])
            for i in infos
        }

    assert facts(ours) == facts(theirs)


def test_numbers_are_handed_to_functions_as_they_are() -> None:
    x = lz.from_array(np.ones(3, "f4"))
    y = x.map_blocks(lambda b, k: b * k, 2.0)
    assert y.dtype == np.float32
    assert y.compute().tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("values", "dtype"), [([0, 12, 678], "S"), ([0, 12, 678], "U"), ([b"ab", b"c"], "U")]
)
def test_astype_finds_lengths(values: list[Any], dtype: str) -> None:
    a = np.array(values)
    same(lz.from_array(a, chunks=1).astype(dtype).compute(), a.astype(dtype))


@pytest.mark.parametrize("name", ["sum", "mean", "min", "max"])
def test_reductions_of_timedeltas(name: str) -> None:
    a = np.arange(12).reshape(3, 4).astype("m8[ms]")
    for axis in (None, 0, 1):
        same(getattr(lz.from_array(a, chunks=2), name)(axis=axis).compute(), getattr(a, name)(axis=axis))


def test_variance_in_a_wider_dtype_is_computed_in_it() -> None:
    a = np.array([1e30, -1e30, 3, 5], "f4")
    np.testing.assert_allclose(
        lz.from_array(a, chunks=2).var(dtype="f8").compute(), a.var(dtype="f8"), rtol=1e-15
    )


def test_comparison_with_dates() -> None:
    import datetime

    a = np.array(["2026-11-22", "2026-11-23"], "M8[D]")
    same((lz.from_array(a) == datetime.date(2026, 11, 22)).compute(), np.array([True, False]))


@pytest.mark.parametrize("axis", [1.0, True, 5, "t"])
def test_what_is_no_axis(axis: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        lz.from_array(np.ones((2, 3))).sum(axis=axis)


def test_masked_arrays_are_refused() -> None:
    masked = np.ma.masked_greater(np.arange(10.0), 5)
    for make in (lambda: lz.from_array(masked), lambda: lz.from_array(np.arange(10.0)) + masked):
        with pytest.raises(TypeError, match="filled"):
            make()


def test_chunks_of_no_length_are_none() -> None:
    x = lz.from_array(np.ones((3, 4))).rechunk(((0, 3, 0), (4,)))
    assert x.chunks == ((3,), (4,))
    assert x.map_blocks(lambda block: block, dtype="f8").sum().compute() == 12
    with pytest.raises(TypeError):
        x.rechunk(1.5)


def test_containers_are_handed_back_whole() -> None:
    from collections import namedtuple

    pair = namedtuple("pair", "total rest")
    (found,) = lz.compute(pair(lz.from_array(np.ones(3)).sum(), 1))
    assert found == pair(3.0, 1)


@pytest.mark.parametrize("name", ["min", "max", "mean", "std", "sum"])
def test_reductions_of_other_byte_orders_are_native(name: str) -> None:
    a = np.arange(6, dtype=">f4")
    same(getattr(lz.from_array(a, chunks=4), name)().compute(), getattr(a, name)())


@pytest.mark.parametrize(("shape", "axis"), [((0, 0), 1), ((1, 0, 0), (0, 2)), ((0, 3), 1), ((3, 0), 1)])
def test_extrema_of_nothing(shape: tuple[int, ...], axis: Any) -> None:
    a = np.zeros(shape)
    try:
        expected = a.max(axis=axis)
    except ValueError:
        with pytest.raises(ValueError, match="zero-size"):
            lz.from_array(a).max(axis=axis)
    else:
        same(lz.from_array(a).max(axis=axis).compute(), expected)


def test_leading_axes_of_one_may_be_assigned() -> None:
    z = lz.zeros((6, 4), chunks=(4, 4))
    z[...] = lz.from_array(np.arange(6.0).reshape(1, 6, 1))
    assert z[:, 2].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_join_can_be_run_again() -> None:
    """A cluster may run a task twice, on the same parts."""
    from lazyzarr.graph.plan import Output
    from lazyzarr.graph.run import Job, make_spec
    from lazyzarr.graph.tasks import join_blocks

    x = lz.from_array(np.arange(1e6), chunks=10_000)
    spec, _ = make_spec([Output(x.sum().__lazyzarr_node__)], Job(num_workers=2))
    parts = [spec.run_block(0, index, {}) for index in spec.stages.stages[0].blocks()]
    assert len(parts) > 1
    first, second = join_blocks(spec, 0, parts), join_blocks(spec, 0, parts)
    assert first == second == [np.arange(1e6).sum()]


def test_different_values_that_do_not_fit_are_refused_by_name():
    """Nobody knows yet what is in the result, so storing it instead was an error of another kind."""
    x = lz.from_array(np.arange(10_000_000.0), chunks=5_000_000)
    with pytest.raises(MemoryBudgetError, match="unique"):
        np.unique(x).compute(memory="33MB")


@pytest.mark.parametrize("chunks", [(4, 5, 6), (1, 2, 4), (3, 5, 1), (1, 1, 1)], ids=str)
@pytest.mark.parametrize("axis", [None, 0, 2, (0, 2), ()], ids=str)
def test_extrema_of_complex_numbers_are_the_first_ones(axis: Any, chunks: tuple[int, ...]) -> None:
    """NaN with another part, and zeros of another sign, were those of whatever chunk came first."""
    nan, inf = np.nan, np.inf
    pool = [
        complex(nan, 1),
        complex(1, nan),
        complex(nan, nan),
        0j,
        complex(0, -0.0),
        complex(inf, inf),
        2 - 1j,
    ]
    rng = np.random.default_rng(0)
    for dtype in ("c8", "c16", ">c16"):
        for chances in (None, [0.01, 0.01, 0.01, 0.4, 0.4, 0.1, 0.07], [0.3, 0.3, 0.3, 0, 0, 0.1, 0]):
            a = rng.choice(np.array(pool), (4, 5, 6), p=chances).astype(dtype)
            x = lz.from_array(a, chunks=chunks)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                for of in (np.min, np.max, np.nanmin, np.nanmax, np.fmin.reduce, np.maximum.reduce):
                    same(of(x, axis=axis).compute(num_workers=2), of(a, axis=axis))
                same(np.min(x[::-1, :, ::-1], axis).compute(), np.min(a[::-1, :, ::-1].copy(), axis))
                same(np.max(x, axis, initial=pool[1]).compute(), np.max(a, axis, initial=pool[1]))
                if isinstance(axis, int):
                    for function in (np.minimum, np.fmax):
                        scanned = function.accumulate(x, axis=axis)
                        same(scanned.compute(), function.accumulate(a, axis=axis))
                        same(scanned[1, ::2].compute(), function.accumulate(a, axis=axis)[1, ::2])
