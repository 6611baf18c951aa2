"""Floating point errors are told once an operation, at the line that made it, as NumPy's settings want it."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest

import lazyzarr as lz

SCHEDULERS = ["sync", "threads"]


@pytest.fixture
def zeros():
    return lz.from_array(np.zeros((40, 40)), chunks=10)


@pytest.fixture(params=SCHEDULERS)
def told(request):
    """What computing an array warns of: (text, file, line) of each warning."""

    def compute(array):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            array.compute(scheduler=request.param, num_workers=2)
        return {(str(w.message), w.filename, w.lineno) for w in caught if w.category is RuntimeWarning}

    return compute


def here(offset=0):
    return inspect.currentframe().f_back.f_lineno + offset


def test_each_operation_is_told_of_at_its_own_line(zeros, told):
    first, line = zeros / zeros, here()
    second = np.log(zeros - 1) + first
    spoiled = "1,600 of 1,600 values (100 %) became NaN"
    assert told(second) == {
        (f"invalid value encountered in divide: {spoiled} (test_floating.py:{line})", __file__, line),
        (f"invalid value encountered in log: {spoiled} (test_floating.py:{line + 1})", __file__, line + 1),
    }


def test_reductions_and_what_is_computed_by_blocks(told):
    half = lz.from_array(np.full(40, 60000, "f2"), chunks=10)
    total, line = half.sum(), here()
    assert told(total) == {("overflow encountered in sum", __file__, line)}
    running, line = half.cumsum(), here()
    assert {where[1:] for where in told(running)} == {(__file__, line)}
    mean, line = half[:0].mean(), here()
    assert {where[1:] for where in told(mean)} == {(__file__, line)}


def test_a_users_function_is_told_of_where_it_divides(zeros, told):
    def one_by(block):
        return 1 / block

    line = one_by.__code__.co_firstlineno + 1
    for array in (zeros.map_blocks(one_by), lz.elementwise(one_by, zeros)):
        assert told(array + 1) == {("divide by zero encountered in one_by", __file__, line)}


def test_a_line_warns_once(zeros):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            (zeros / zeros).compute()
    assert len(caught) == 1


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_errors_are_raised_ignored_and_handed_on_as_they_are_set(zeros, scheduler, capfd):
    quotient, line = zeros / zeros, here()
    one = 1 / zeros
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError) as caught:
        quotient.compute(scheduler=scheduler)
    assert str(caught.value) == f"invalid value encountered in divide, test_floating.py:{line}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with np.errstate(invalid="ignore"):
            assert np.isnan(quotient.compute(scheduler=scheduler)).all()
        with pytest.raises(RuntimeWarning, match="invalid value"):
            quotient.compute(scheduler=scheduler)
        seen = []
        with np.errstate(divide="call", call=lambda kind, flag: seen.append(kind)):
            one.compute(scheduler=scheduler)
        assert set(seen) == {"divide by zero"}
        log = Log()
        with np.errstate(divide="log", call=log):
            one.compute(scheduler=scheduler)
        assert "divide by zero" in log.text
        with np.errstate(divide="print"):
            one.compute(scheduler=scheduler)
        assert "divide by zero" in "".join(capfd.readouterr())


class Log:
    """What NumPy writes to."""

    text = ""

    def write(self, text):
        self.text += text


def test_what_cannot_be_called_in_another_process_warns_there(zeros):
    with np.errstate(divide="call", call=lambda kind, flag: None), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf((1 / zeros).compute(scheduler="processes", num_workers=2)).all()


def test_nothing_is_left_set(zeros):
    before = np.geterr(), np.geterrcall()
    (zeros + 1).compute(scheduler="sync")
    assert (np.geterr(), np.geterrcall()) == before
