"""What fits instead: the text of a refusal, and that each cure it names does what it says."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.errors import MemoryBudgetError
from lazyzarr.graph import cures
from lazyzarr.graph.plan import Output, plan_stages
from lazyzarr.graph.stage import Budget

NAMES = ("time", "lat", "lon")
HOW = {"memory": "100MB", "num_workers": 1}


def stored(shape=(120, 240, 480), chunks=(12, 30, 60), name="t", dims=NAMES):
    """Nothing is stored but the metadata."""
    return lz.from_zarr(
        lz.create_array(f"data.zarr/{name}", shape=shape, chunks=chunks, dtype="f4", dimension_names=dims)
    )


def detrend(block):
    return block - block.mean(axis=0)


def cure(plan, word):
    (found,) = [each for each in plan.advice if word in each.text]
    return found


def test_the_whole_text(monkeypatch):
    monkeypatch.setattr(cures, "available_memory", lambda: 21_800_000_000)
    x = stored()
    whole = x.rechunk(-1)
    y = whole.map_blocks(detrend, dtype="f4")
    line = inspect.currentframe().f_lineno - 1
    with pytest.raises(MemoryBudgetError) as caught:
        y.to_zarr("out.zarr", chunks=(120, 30, 60), **HOW)
    first, sentence, more, *cured = str(caught.value).splitlines()
    assert re.fullmatch(r"this needs \d{3}\.\d MB at its peak; memory= allows 100\.0 MB\.", first)
    assert sentence == (
        f"  detrend: map_blocks(detrend), test_cures.py:{line}, sees chunks of (120, 240, 480), made by"
    )
    assert more == f"  x.rechunk(-1), line {line - 1}: 55.3 MB in, 55.3 MB out."
    rechunk, memory = cured
    assert re.fullmatch(
        r'  What fits:  x\.rechunk\(\{"time": -1, "lat": 120, "lon": 240\}\)  peak \d\d\.\d MB, one stage',
        rechunk,
    )
    assert re.fullmatch(r'              memory="\d{3}(\.\d)?MB" +21\.8 GB are free here', memory)
    assert memory.index("21.8 GB") == rechunk.index("peak ")


def test_smaller_chunks_of_a_function_do_fit():
    x = stored()
    plan = x.rechunk(-1).map_blocks(detrend, dtype="f4").mean().explain(**HOW)
    text, effect = cure(plan, "rechunk")
    again = eval(text, {"x": x}).map_blocks(detrend, dtype="f4").mean().explain(**HOW)
    assert again.fits
    assert effect.startswith(f"peak {again.peak_memory / 1e6:.1f} MB, one stage")
    assert again.run() == 0


def test_an_axis_that_was_made_whole_stays_whole():
    x = stored()
    y = x.rechunk((60, 240, -1)).map_blocks(detrend, dtype="f4").sum()
    text = cure(y.explain(memory="70MB", num_workers=1), "rechunk").text
    assert re.fullmatch(r'x\.rechunk\(\{"time": \d+, "lat": -1, "lon": -1\}\)', text)


def test_axes_without_names_are_numbered():
    v = stored(dims=None)
    plan = v.rechunk(-1).map_blocks(detrend, dtype="f4").sum().explain(**HOW)
    assert re.fullmatch(r"x\.rechunk\(\{0: -1, 1: \d+, 2: \d+\}\)", cure(plan, "rechunk").text)


def test_a_function_whose_blocks_others_count_on_is_left_alone():
    x = stored()
    large = x.rechunk(-1).map_blocks(detrend, dtype="f4")
    plan = large.rechunk((12, 30, 60)).map_blocks(np.negative, dtype="f4").sum().explain(**HOW)
    assert not plan.fits
    assert [c.text for c in plan.advice if "rechunk" in c.text] == []


def test_a_result_that_is_written_instead():
    x = stored()
    big = x * 2
    plan = big.explain(memory="70MB", num_workers=1)
    text, effect = cure(plan, "to_zarr")
    assert text == "big.to_zarr(...) instead of big.compute()"
    written = big.to_zarr("out.zarr", compute=False, memory="70MB", num_workers=1)
    assert written.fits
    assert effect == f"peak {written.peak_memory / 1e6:.1f} MB, one stage"


@pytest.mark.parametrize(
    ("words", "said"), [({}, "chunks="), ({"shards": (120, 240, 480)}, "shards=")], ids=["chunks", "shards"]
)
def test_smaller_units_of_a_target(words, said):
    x = stored()
    words = words or {"chunks": (120, 240, 480)}
    how = {"memory": "60MB", "num_workers": 1}
    plan = (x + 1).to_zarr("out.zarr", **words, compute=False, **how)
    text, effect = cure(plan, said)
    again = (x + 1).to_zarr("out.zarr", **eval(f"dict({text})"), compute=False, **how)
    assert again.fits
    assert effect == f"peak {again.peak_memory / 1e6:.1f} MB, one stage"


def test_results_one_after_the_other():
    x = stored()
    outputs = [Output(((x + k)[:90]).__lazyzarr_node__) for k in (1, 2)]
    budget = Budget(90_000_000, 1)
    text, effect = cures.find_cures(plan_stages(outputs, budget), "thread")[0]
    assert text == "one call for each of the results"
    most = max(plan_stages([output], budget).peak_memory for output in outputs)
    assert most <= budget.memory
    assert effect == f"peak {most / 1e6:.1f} MB"


def test_the_budget_that_is_named_is_enough():
    x = stored()
    y = x.mean("time") * 2
    plan = y.explain(memory="33MB", num_workers=2)
    budget = re.fullmatch(r'memory="(.+)"', cure(plan, "memory=").text)[1]
    assert y.explain(memory=budget, num_workers=2).fits


def test_what_no_plan_counts_is_said_where_a_budget_is_no_more_than_that():
    x = stored()
    for memory, said in (("1MB", True), ("32MB", True), ("33MB", False)):
        problem = x.explain(memory=memory, num_workers=1).problem
        assert ("Of any budget 32.0 MB are for what no plan counts" in problem) == said
    assert "32 MB" in lz.LazyArray.compute.__doc__


def test_a_budget_that_this_machine_has_not(monkeypatch):
    monkeypatch.setattr(cures, "available_memory", lambda: 40_000_000)
    plan = stored().explain(memory="33MB", num_workers=1)
    assert cure(plan, "memory=").effect == "more than the 40.0 MB that are free here"


def test_elsewhere_memory_is_a_workers():
    plan = stored().explain(memory="33MB", scheduler="processes", num_workers=1)
    assert cure(plan, "memory=").effect == "for each worker"


def test_what_no_change_mends_has_no_advice_but_memory():
    plan = lz.from_array(np.zeros(3)).explain(memory="1MB")
    assert [c.text for c in plan.advice] == ['memory="32.1MB"']


def test_smaller_chunks_are_written_as_they_are_computed():
    """Where a new array has the chunks of what is computed, as it has unless others are named."""
    x = lz.from_array(np.zeros((64, 512, 512), "f4"), chunks=(8, 512, 512)).rechunk({0: -1})
    y = x.map_blocks(np.positive, dtype="f4")
    plan = y.to_zarr("out.zarr", memory="150MB", num_workers=2, compute=False)
    text = plan.advice[0].text
    assert text.endswith(', chunks="keep"')
    again = eval(text.removesuffix(', chunks="keep"'), {"x": x}).map_blocks(np.positive, dtype="f4")
    assert again.to_zarr("out.zarr", memory="150MB", num_workers=2, compute=False).fits
