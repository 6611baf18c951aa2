"""What the law machine found: each was wrong once, or refused what NumPy takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lazyzarr as lz
from tests.graph.laws.laws import each_rule_keeps_its_promise


def test_the_conjugate_of_bools_is_bool_by_the_method_and_int8_by_the_function() -> None:
    held = np.array([True, False])
    x = lz.from_array(held)
    assert (x.conj().dtype, np.conj(x).dtype) == (held.conj().dtype, np.conj(held).dtype)
    with pytest.raises(TypeError, match="cannot conjugate"):
        lz.from_array(np.array(["a"])).conj()


def test_a_mask_without_axes_changes_an_array_without_axes() -> None:
    x = lz.from_array(np.array(7))
    x[x > 3] = 1
    assert x.compute() == 1


def test_weights_that_sum_to_zero_are_refused() -> None:
    x = lz.from_array(np.ones((2, 3)), chunks=1)
    with pytest.raises(ZeroDivisionError, match="sum to zero"):
        np.average(x, axis=1, weights=[1, -1, 0]).compute(scheduler="sync")
    assert np.average(x, axis=0, weights=[3, 1], keepdims=True).compute().tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize("name", ["sum", "max", "prod"])
def test_an_initial_value_that_the_dtype_cannot_hold_is_refused(name: str) -> None:
    held = np.ones(3, "u4")
    with pytest.raises(OverflowError):
        getattr(held, name)(initial=-5)
    with pytest.raises(OverflowError):
        getattr(lz.from_array(held), name)(initial=-5)


@pytest.mark.parametrize("initial", [np.int64(300), np.float32(1e9), np.datetime64(5, "s"), np.uint8(7)])
@pytest.mark.parametrize("name", ["sum", "max", "prod", "min"])
def test_an_initial_number_of_numpys_is_converted_as_numpy_converts_it(name: str, initial: Any) -> None:
    held = np.array([1, 100], "i1")
    try:
        expected = getattr(np, name)(held, initial=initial)
    except (OverflowError, TypeError) as error:
        with pytest.raises(type(error)):
            getattr(np, name)(lz.from_array(held), initial=initial)
    else:
        assert getattr(np, name)(lz.from_array(held), initial=initial).compute() == expected
    assert lz.from_array(held.astype(int)).sum(initial=2.7).compute() == held.astype(int).sum(initial=2.7)


def test_no_weights_sum_to_zero() -> None:
    with pytest.raises(ZeroDivisionError, match="sum to zero"):
        np.average(lz.from_array(np.ones((2, 0, 0))), axis=1, weights=[])


def test_a_stored_axis_of_no_elements_is_one_chunk_of_none() -> None:
    z = lz.create_array({}, shape=(2, 0), dtype="i8", chunks=(1, 2))
    assert z.lazy().chunks == ((1, 1), (0,))
    np.testing.assert_array_equal((z.lazy() @ np.ones(0, "i8")).compute(), [0, 0])


def test_where_does_not_stretch_what_is_reduced() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        lz.from_array(np.ones((1, 3))).sum(where=np.ones((2, 3), bool))
    with pytest.raises(ValueError, match="broadcast"):
        lz.from_array(np.ones((1, 0))).max(where=np.ones((2, 0), bool), initial=0)


def test_the_histogram_of_a_number() -> None:
    counts, _ = np.histogram(lz.from_array(np.array(3.0)), bins=3, range=(0, 9))
    assert counts.compute().tolist() == [0, 1, 0]


def test_counts_are_of_one_axis() -> None:
    with pytest.raises(ValueError, match="one axis"):
        np.bincount(lz.from_array(np.array([[1]])), minlength=3)


def test_products_over_an_empty_axis_are_zero() -> None:
    x = lz.from_array(np.ones((7, 0)), chunks=2)
    np.testing.assert_array_equal((x @ np.ones((0, 4))).compute(), np.zeros((7, 4)))


def test_an_empty_array_that_was_reshaped_is_multiplied() -> None:
    x = lz.from_array(np.ones((2, 0)), chunks=1)[[[0, 1], [1, 0]]]
    np.testing.assert_array_equal((x @ np.ones((0, 3))).compute(), np.zeros((2, 2, 3)))


def test_answers_of_equal_expressions_are_two_arrays() -> None:
    x = lz.from_array(np.arange(4.0), chunks=2)
    one, other, third = lz.compute(x + 1, x + 1, (x + 1).T.T)
    one[:] = 0
    assert other.tolist() == third.tolist() == [1, 2, 3, 4]
    assert not np.shares_memory(other, third)


def test_the_position_of_nothing_but_nan_is_refused_without_axes_too() -> None:
    with pytest.raises(ValueError, match="All-NaN"):
        np.nanargmax(lz.from_array(np.array(np.nan))).compute(scheduler="sync")
    assert np.argmin(lz.from_array(np.array(3.0)), keepdims=True).compute() == 0


@pytest.mark.parametrize("bounds", [(-5, 300), (None, 300), (None, None), (-5, 2.5), (0, 255)])
def test_bounds_beyond_the_dtype_bound_nothing(bounds: Any) -> None:
    held = np.arange(5, dtype="u1")
    found = np.clip(lz.from_array(held), *bounds).compute()
    expected = np.clip(held, *bounds)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    with pytest.raises(OverflowError):
        np.clip(lz.from_array(held), 300, None)


def test_blocks_that_each_show_one_value_are_not_taken_for_one() -> None:
    x = lz.from_array(np.zeros(6), chunks=3)
    y = x.map_blocks(lambda b, block_id: np.broadcast_to(float(block_id[0]), b.shape), dtype=float)
    assert (y[1:] - y[:-1]).compute().tolist() == [0, 0, 1, 0, 0]
    assert y.rechunk(6).map_blocks(lambda block: block + 0, dtype=float).compute().tolist() == [
        0,
        0,
        0,
        1,
        1,
        1,
    ]


def test_weighted_bins_of_nothing_are_counts():
    x, weights = lz.from_array(np.empty(0, "i4")), np.empty(0, "f4")
    expected = np.bincount(x.compute(), weights, 3)
    found = np.bincount(x, weights, 3)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found.compute(), expected)


def test_lines_of_nothing_are_sorted_where_no_rule_folds_them():
    x = lz.from_array(np.zeros((2, 0), "i4"))
    with each_rule_keeps_its_promise():
        product = np.sort(x, -1) @ np.ones((0, 2))
        assert product.compute(scheduler="sync").tolist() == [[0, 0], [0, 0]]


def test_complex_numbers_that_are_not_stored_are_summed_over_no_axes():
    """They are one number shown often, which lies in no order that may be seen as pairs."""
    z = lz.create_array(lz.storage.MemoryStore(), shape=(2, 3), chunks=(2, 3), dtype="c16", fill_value=7 + 1j)
    found = z.lazy().sum(axis=()).compute()
    np.testing.assert_array_equal(found, np.full((2, 3), 7 + 1j))
