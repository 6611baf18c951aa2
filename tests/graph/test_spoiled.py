"""How many values floating point errors spoil is told with the warning, and is what NumPy's own values show."""

from __future__ import annotations

import inspect
import re
import warnings

import dask
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.graph import spoiled

SCHEDULERS = ["sync", "threads", "processes", "client"]
SHAPE = (60, 50)


def values(seed=0, dtype="f8"):
    """Numbers among which there are NaN, infinite ones, zeros and very large and small ones."""
    rng = np.random.default_rng(seed)
    most = np.finfo(dtype).max
    odd = np.array(
        [0, -0.0, 1, 2, -3, np.nan, np.inf, -np.inf, most, most / 2, 1 / most, np.finfo(dtype).tiny]
    )
    return rng.choice(odd, SHAPE).astype(dtype)


def lazy(array, chunks=(17, 20)):
    return lz.from_array(array, chunks=chunks)


def here(offset=0):
    return inspect.currentframe().f_back.f_lineno + offset


def quiet(function):
    with np.errstate(all="ignore"):
        return function()


def told_of(function, how="always"):
    """The texts of warnings, in order."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn", under="ignore"):
        warnings.simplefilter(how)
        function()
    assert {w.category for w in caught} <= {RuntimeWarning}
    assert {w.filename for w in caught} <= {__file__}
    return [str(w.message) for w in caught]


@pytest.fixture(params=SCHEDULERS)
def options(request):
    how = request.getfixturevalue("client") if request.param == "client" else request.param
    return {"scheduler": how, "num_workers": 2}


@pytest.fixture(params=["sync", "threads"])
def near(request):
    return {"scheduler": request.param, "num_workers": 2}


def became(test, result, *operands):
    """How many values of a result are bad where no operand is."""
    good = np.ones(result.shape, bool)
    for operand in operands:
        good &= ~np.isnan(operand) if test is np.isnan else np.isfinite(operand)
    return int((test(result) & good).sum())


def text(kind, name, count, of, line, what):
    share = f"{100 * count / of:.2f}".rstrip("0").rstrip(".")
    return (
        f"{kind} encountered in {name}: {count:,} of {of:,} values ({share} %) became {what} "
        f"(test_spoiled.py:{line})"
    )


def test_the_text_says_how_many_and_where(options):
    a = np.ones((1000, 1000))
    a[:20, :10] = 0
    a[:2] = np.nan
    x = lz.from_array(a, chunks=300)
    y, line = x / x, here()
    said = "invalid value encountered in divide: 180 of 1,000,000 values (0.02 %) became NaN"
    assert told_of(lambda: y.compute(**options)) == [f"{said} (test_spoiled.py:{line})"]


def test_each_kind_of_error_counts_what_it_spoils(options):
    a, b = values(1), values(2)
    x, y = lazy(a), lazy(b)
    product, first = x * y, here()
    logarithm = np.log(x)
    total = lz.from_array(np.stack([a, b]))
    expected = [
        text("invalid value", "multiply", became(np.isnan, quiet(lambda: a * b), a, b), 3000, first, "NaN"),
        text("overflow", "multiply", became(np.isinf, quiet(lambda: a * b), a, b), 3000, first, "infinite"),
        text(
            "divide by zero",
            "log",
            became(np.isinf, quiet(lambda: np.log(a)), a),
            3000,
            first + 1,
            "infinite",
        ),
        text("invalid value", "log", became(np.isnan, quiet(lambda: np.log(a)), a), 3000, first + 1, "NaN"),
    ]
    assert sorted(told_of(lambda: lz.compute(product, logarithm, **options))) == sorted(expected)
    assert total.shape == (2, *SHAPE)


def test_divisions_by_zero_are_told_from_overflows(near):
    a, b = values(3), values(4)
    quotient, line = lazy(a) / lazy(b), here()
    infinite = np.isinf(quiet(lambda: a / b)) & np.isfinite(a) & np.isfinite(b)
    zero, large = int((infinite & (b == 0)).sum()), int((infinite & (b != 0)).sum())
    assert zero > 0
    assert large > 0
    nan = became(np.isnan, quiet(lambda: a / b), a, b)
    assert told_of(lambda: quotient.compute(**near)) == [
        text("divide by zero", "divide", zero, 3000, line, "infinite"),
        text("invalid value", "divide", nan, 3000, line, "NaN"),
        text("overflow", "divide", large, 3000, line, "infinite"),
    ]


def test_what_is_computed_where_its_operand_lay_is_counted_too(options):
    """A chain, in which each value may take the memory of the one before."""
    a, b = values(5), values(6)
    x, y = lazy(a), lazy(b)
    one = x * 3 - y
    two, line = np.sqrt(one), here()
    end = (two + 1) * 2 - y
    held = quiet(lambda: a * 3 - b)
    count = became(np.isnan, quiet(lambda: np.sqrt(held)), held)
    assert text("invalid value", "sqrt", count, 3000, line, "NaN") in told_of(lambda: end.compute(**options))
    assert text("invalid value", "sqrt", count, 3000, line, "NaN") in told_of(
        lambda: end.sum().compute(**options)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = end.compute(**options)
    np.testing.assert_array_equal(found, quiet(lambda: (np.sqrt(a * 3 - b) + 1) * 2 - b))


def test_operations_of_one_line_are_told_of_each_and_those_of_one_name_together(near):
    a, b = values(7), values(8)
    x, y = lazy(a), lazy(b)
    both, line = np.sqrt(x) + np.sqrt(y) + np.arcsin(x), here()
    counts = [
        became(np.isnan, quiet(lambda f=f, v=v: f(v)), v)
        for f, v in [(np.sqrt, a), (np.sqrt, b), (np.arcsin, a)]
    ]
    found = told_of(lambda: both.compute(**near))
    assert text("invalid value", "sqrt", counts[0] + counts[1], 6000, line, "NaN") in found
    assert text("invalid value", "arcsin", counts[2], 3000, line, "NaN") in found
    assert sum("sqrt" in each for each in found) == 1


def test_the_same_operation_in_two_lines_is_told_of_twice(near):
    x, y = lazy(values(9)), lazy(values(10))
    one, line = np.sqrt(x), here()
    two = np.sqrt(y)
    found = [each for each in told_of(lambda: (one + two).compute(**near)) if "sqrt" in each]
    places = [re.search(r"\((test_spoiled.py:\d+)\)", each)[1] for each in found]
    assert places == [f"test_spoiled.py:{line}", f"test_spoiled.py:{line + 1}"]


def test_what_two_stages_compute_is_counted_once(options):
    a = np.abs(values(11))
    x = lazy(a)
    root, line = np.sqrt(x - 1), here()
    held = quiet(lambda: a - 1)
    expected = text(
        "invalid value", "sqrt", became(np.isnan, quiet(lambda: np.sqrt(held)), held), 3000, line, "NaN"
    )
    assert expected in told_of(lambda: (root - lnp.nanmax(root)).compute(**options))


def test_what_each_tile_computes_again_is_counted_once(near):
    a, row = values(12), values(13)[0]
    line = here(1)
    spread = lazy(a) + np.sqrt(lz.from_array(row, chunks=20))
    count = became(np.isnan, quiet(lambda: np.sqrt(row)), row)
    assert text("invalid value", "sqrt", count, 50, line, "NaN") in told_of(lambda: spread.compute(**near))


def test_chunks_that_are_not_stored_count_as_the_others_do(near):
    z = lz.create_array("sparse.zarr", shape=(60, 50), chunks=(7, 8), dtype="f4", fill_value=0)
    z[8:10, 9:11] = 1
    x = lz.from_zarr("sparse.zarr")
    quotient, line = x / x, here()
    expected = [text("invalid value", "divide", 2996, 3000, line, "NaN")]
    assert told_of(lambda: quotient.compute(**near)) == expected
    assert told_of(lambda: quotient.sum().compute(**near)) == expected
    assert told_of(lambda: quotient.to_zarr("out.zarr", **near)) == expected


def test_a_number_that_nobody_can_say_is_left_out(near):
    root, aligned = np.sqrt(lazy(values(14))), np.sqrt(lazy(values(15), 10))
    plain = "invalid value encountered in sqrt"
    for again in (
        root[1:] - root[:-1],
        root[::2] + root[1::2],
        root[:10] + root[50:],
        aligned[:10] + aligned[50:],
        root.map_overlap(np.copy, 1, dtype="f8"),
        lnp.concatenate([root, lazy(values(15))]),
    ):
        assert plain in told_of(lambda y=again: y.compute(**near))
    whole = lazy(values(15)).astype("i4")
    assert told_of(lambda: whole.compute(**near)) == ["invalid value encountered in astype"]
    half = lz.from_array(np.full(40, 60000, "f2"), chunks=10)
    assert told_of(lambda: half.sum().compute(**near)) == ["overflow encountered in sum"]


def test_a_users_function_is_not_called_again_for_a_number(near):
    calls = []

    def f(block):
        calls.append(block.shape)
        return block - 3

    a = values(23)
    for made in (lazy(a).map_blocks(f, dtype="f8"), lz.elementwise(f, lazy(a), dtype="f8")):
        calls.clear()
        root, line = np.sqrt(made), here()
        held = quiet(lambda: a - 3)
        count = became(np.isnan, quiet(lambda h=held: np.sqrt(h)), held)
        found = told_of((root + made + 1).sum().compute)
        blocks = len(calls)
        # Of what lies where its operand lay nobody can say.
        assert set(found) & {
            "invalid value encountered in sqrt",
            text("invalid value", "sqrt", count, 3000, line, "NaN"),
        }
        calls.clear()
        with np.errstate(all="ignore"):
            (root + made + 1).sum().compute()
        assert len(calls) == blocks


def test_slices_count_what_they_ask_for(near):
    a = values(16)
    x = lazy(a)
    part, line = np.sqrt(x)[5:40:3, ::-1], here()
    held = a[5:40:3, ::-1]
    count = became(np.isnan, quiet(lambda: np.sqrt(held)), held)
    assert told_of(lambda: part.compute(**near)) == [
        text("invalid value", "sqrt", count, held.size, line, "NaN")
    ]


def test_complex_numbers_and_single_ones(near):
    a = quiet(lambda: values(17) + 1j * values(18))
    product, line = lazy(a) * lazy(a), here()
    found = told_of(lambda: product.compute(**near))
    held = quiet(lambda: a * a)
    assert text("invalid value", "multiply", became(np.isnan, held, a), 3000, line, "NaN") in found
    number, line = lazy(np.ones(40), 10).sum() - 40, here()
    quotient = number / number
    assert told_of(lambda: quotient.compute(**near)) == [
        text("invalid value", "divide", 1, 1, line + 1, "NaN")
    ]


def test_an_error_is_raised_at_once_and_nothing_is_told_of_what_is_ignored(options, monkeypatch):
    x = lazy(values(19))
    root, line = np.sqrt(x), here()
    with (
        np.errstate(invalid="raise"),
        pytest.raises(FloatingPointError, match="invalid value encountered in sqrt"),
    ):
        root.compute(**options)
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        root.compute(**options)
    assert line


def test_ignored_errors_are_not_looked_for(monkeypatch):
    monkeypatch.setattr(spoiled.Damage, "take", lambda *_: pytest.fail("counted"))
    with np.errstate(all="ignore"):
        np.sqrt(lazy(values(19))).compute(scheduler="sync")


def test_a_write_that_warnings_are_errors_for_is_not_published(options):
    lz.save("out.zarr", np.ones(3))
    root = np.sqrt(lazy(values(20)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match=r"encountered in sqrt: [\d,]+ of 3,000 values"):
            root.to_zarr("out.zarr", mode="w", **options)
    assert lz.load("out.zarr").tolist() == [1, 1, 1]


def test_a_run_that_fails_tells_of_what_it_found(options):
    def fails(block):
        if np.isnan(block).any():
            raise KeyError("sigma")
        return block

    a = np.ones(40)
    a[0] = -1
    x = lz.from_array(a, chunks=10)
    root = np.sqrt(x)
    later = lz.from_array(np.full(40, np.nan), chunks=10).map_blocks(fails, dtype="f8")
    both = root.sum() + later.sum()

    def run():
        with pytest.raises(KeyError, match="sigma"):
            both.compute(**options)

    told = told_of(run)
    assert [each.split(":")[0] for each in told] in ([], ["invalid value encountered in sqrt"])


def test_what_was_found_before_a_failure_is_told_and_the_failure_raised():
    def fails(block):
        raise KeyError("sigma")

    x = lz.from_array(np.array([[-1.0, 1, 1, 1]]), chunks=4)
    root, line = np.sqrt(x), here()
    failing = root.map_blocks(fails, dtype="f8")

    def run():
        with pytest.raises(KeyError, match="sigma"):
            failing.compute(scheduler="sync")

    assert told_of(run) == [text("invalid value", "sqrt", 1, 4, line, "NaN")]
    told_of(run, how="error")


def test_a_line_is_told_of_once_whatever_the_numbers_are(near):
    def compute():
        for seed in range(4):
            np.sqrt(lazy(values(seed))).compute(**near)

    assert len(told_of(compute, how="default")) == 1
    assert len(told_of(compute, how="always")) == 4
    assert len(told_of(compute, how="default")) == 1, "filters were set anew"
    root = np.sqrt(lazy(values(21)))
    assert len(told_of(lambda: [root.compute(**near) for _ in range(2)], how="default")) == 1
    assert len(told_of(lambda: [root.compute(**near) for _ in range(2)], how="always")) == 2


def test_dasks_compute_tells_without_numbers():
    root = np.sqrt(lazy(values(22)))
    assert set(told_of(lambda: dask.compute(root, scheduler="sync"))) == {"invalid value encountered in sqrt"}


UNARY = [np.sqrt, np.log, np.exp, np.arcsin, np.reciprocal, np.square, np.tan, np.log1p, np.arctanh]
BINARY = [
    np.divide,
    np.multiply,
    np.add,
    np.subtract,
    np.power,
    np.hypot,
    np.fmod,
    np.remainder,
    np.floor_divide,
]


@given(
    st.lists(
        st.tuples(st.sampled_from(UNARY + BINARY), st.integers(0, 5), st.integers(0, 5)),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 99),
    st.sampled_from(["f8", "f4"]),
    st.tuples(st.integers(3, 60), st.integers(3, 50)),
    st.sampled_from(["values", "sum", "written"]),
)
def test_any_program_counts_what_numpy_counts(steps, seed, dtype, chunks, end):
    arrays = [values(seed, dtype), values(seed + 1, dtype)]
    nodes = [lz.from_array(array, chunks=chunks) for array in arrays]
    expected = {}
    for number, (function, i, j) in enumerate(steps):
        i, j = i % len(arrays), j % len(arrays)
        operands = [arrays[i]] if function.nin == 1 else [arrays[i], arrays[j]]
        lazies = [nodes[i]] if function.nin == 1 else [nodes[i], nodes[j]]
        code = compile("\n" * number + "made = function(*lazies)", f"step{seed}.py", "exec")
        names = {"function": function, "lazies": lazies}
        exec(code, names)
        result = quiet(lambda f=function, o=operands: f(*o))
        flags = []
        with np.errstate(all="call", under="ignore", call=lambda kind, _, f=flags: f.append(kind)):
            function(*operands)
        if not any(node.__lazyzarr_node__ is names["made"].__lazyzarr_node__ for node in nodes):
            expected[number + 1, function.__name__] = set(flags), operands, result
        arrays.append(result)
        nodes.append(names["made"])
    last = nodes[-1]
    job = {"scheduler": "sync"}
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("always")
        if end == "values":
            found = last.compute(**job)
        elif end == "sum":
            last.max().compute(**job)
        else:
            found = last.to_zarr("program.zarr", mode="w", **job)[...]
    if end != "sum":
        assert found.tobytes() == arrays[-1].tobytes() or np.array_equal(found, arrays[-1], equal_nan=True)
    for warning in caught:
        if not warning.filename.startswith("step"):
            continue
        told = re.fullmatch(
            r"(.*) encountered in (\w+): ([\d,]+) of 3,000 values \([<> \d.]+ %\) became (\w+) \(.*\)",
            str(warning.message),
        )
        kind = str(warning.message).split(" encountered")[0]
        name = re.search(r"encountered in (\w+)", str(warning.message))[1]
        flags, operands, result = expected[warning.lineno, name]
        nan, infinite = became(np.isnan, result, *operands), became(np.isinf, result, *operands)
        if told is None:
            assert kind != "invalid value" or not nan
            continue
        count = int(told[3].replace(",", ""))
        if kind == "invalid value":
            assert count == nan
        elif not {"overflow", "divide by zero"} <= flags:
            assert count == infinite
        else:
            assert 0 < count <= infinite
