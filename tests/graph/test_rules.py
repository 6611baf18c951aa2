"""The rules of rewriting: what each makes of what, what none may touch, and that many go fast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.errors import PlanError
from lazyzarr.graph import optimize as optimize_module
from lazyzarr.graph import run
from lazyzarr.graph.check import rewrite_keeps
from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops import group_blocks
from lazyzarr.graph.optimize import optimize
from lazyzarr.graph.rules import RULES

HELD = np.arange(60.0).reshape(6, 10)


@pytest.fixture
def a() -> Any:
    return lz.from_array(HELD, chunks=(2, 5), dims=("t", "x"))


@pytest.fixture
def b() -> Any:
    return lz.from_array(HELD[:4] * 2, chunks=(2, 5), dims=("t", "x"))


def rewritten(*arrays: Any) -> list[Node]:
    return optimize([array.__lazyzarr_node__ for array in arrays])


def tree(array: Any) -> str:
    """Nodes as text, what a node is made of in brackets behind it."""

    def told(node: Node) -> str:
        return node.label + (f"({', '.join(map(told, node.inputs))})" if node.inputs else "")

    return told(rewritten(array)[0])


CASES = [
    ("fold constants", lambda a, b: lnp.zeros((3, 4)) + 1, "broadcast_to(array)"),
    ("constant view", lambda a, b: lnp.ones((3, 4), chunks=2)[1:, None], "rechunk(broadcast_to(array))"),
    ("rechunk once", lambda a, b: a.rechunk(1).rechunk(3), "rechunk(array)"),
    ("transpose once", lambda a, b: a.T.T, "array"),
    (
        "broadcast once",
        lambda a, b: np.broadcast_to(np.broadcast_to(a, (2, 6, 10)), (3, 2, 6, 10)),
        "broadcast_to(array)",
    ),
    ("index once", lambda a, b: a[1:][::2][:, None][0, 0, 3:], "getitem(array)"),
    ("index of rechunk", lambda a, b: a[1:].rechunk(3)[::2], "rechunk(getitem(array))"),
    ("index of concatenate", lambda a, b: np.concatenate([a, b])[7:], "getitem(array)"),
    ("index of concatenate", lambda a, b: np.stack([a[:4], b])[1], "array"),
    (
        "index of concatenate",
        lambda a, b: np.concatenate([b, a, b])[9:2:-1],
        "concatenate(getitem(array), getitem(array))",
    ),
    ("index of take", lambda a, b: a[[3, 1, 1]][1:, 2], "rechunk(getitem(take(array)))"),
    ("index of vindex", lambda a, b: a[[3, 1, 1], [2, 2, 0]][1:], "vindex(array)"),
    ("take of take", lambda a, b: a[[3, 1, 1, 5]][[0, 0, 3]], "take(array)"),
    ("take evenly", lambda a, b: a[[1, 3, 5]], "rechunk(getitem(array))"),
    ("index of reduction", lambda a, b: a.mean("t")[3:5], "mean(getitem(array))"),
    (
        "by group",
        lambda a, b: a.rechunk({0: 1}).groupby_reduce(np.arange(a.shape[0]) % 2, "sum", 0),
        "rechunk(group-sum(rechunk(array)))",
    ),
    ("narrow", lambda a, b: (a - a.max("t"))[:, 3:5], "subtract(getitem(array), max(getitem(array)))"),
    (
        "narrow",
        lambda a, b: ((a - a.mean(0)) / a.std(0))[:, 2],
        "getitem(divide(subtract(getitem(array), mean(getitem(array))), std(getitem(array))))",
    ),
]


@pytest.mark.parametrize(("rule", "make", "expected"), CASES, ids=[case[0] for case in CASES])
def test_a_rule_makes_less_of_it(
    rule: str, make: Any, expected: str, a: Any, b: Any, monkeypatch: Any
) -> None:
    applied: list[str] = []

    def note(name: str, before: Node, after: Node) -> None:
        applied.append(name)
        rewrite_keeps(name, before, after)

    monkeypatch.setattr(optimize_module, "rewrite_keeps", note)
    monkeypatch.setattr(group_blocks, "LEAST_RESULT", 0)
    array = make(a, b)
    assert tree(array) == expected
    assert rule in applied
    found = array.compute()
    monkeypatch.setattr(run, "optimize_outputs", list)
    np.testing.assert_allclose(found, array.compute(), rtol=1e-15)


def test_each_rule_has_a_case() -> None:
    assert {rule for rule, _, _ in CASES} == {rule.name for rule in RULES}


KEPT = [
    lambda a, b: [y := np.concatenate([a, b]), y[7:]],
    lambda a, b: [y := a[[3, 1, 1]], y[1:]],
    lambda a, b: [y := a[[3, 1, 1]], y[[0, 0]]],
    lambda a, b: [y := a.mean(0), y[3]],
    lambda a, b: [a.mean(0)[3], a.std(0)],
    lambda a, b: [a.mean(0)[3], a.std(0)[4]],
    lambda a, b: [y := a - a.max(0), y[:, 3]],
]


@pytest.mark.parametrize("make", KEPT, ids=range(len(KEPT)))
def test_what_others_use_too_is_not_made_twice(make: Any, a: Any, b: Any) -> None:
    arrays = make(a, b)
    assert rewritten(*arrays) == [array.__lazyzarr_node__ for array in arrays]


def test_reductions_that_share_a_pass_are_narrowed_together(a: Any) -> None:
    labels = [[node.label for node in walk([root])] for root in rewritten(a.mean(0)[3], a.std(0)[3])]
    assert labels == [["array", "getitem", "mean", "getitem"], ["array", "getitem", "std", "getitem"]]


def test_a_column_of_an_anomaly_reads_that_column(tmp_path: Any) -> None:
    lz.from_array(HELD, chunks=(2, 1)).to_zarr(str(tmp_path / "a.zarr"))
    x = lz.from_zarr(str(tmp_path / "a.zarr"))
    assert (x - x.mean(0))[:, 3].explain().bytes_decoded == 2 * HELD[:, 3].nbytes


def test_what_numpy_would_warn_of_is_left_for_the_run() -> None:
    array = lnp.ones(3) / 0
    assert tree(array) == "divide(broadcast_to(array), array)" or "divide" in tree(array)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        array.compute(scheduler="sync")


def test_a_rule_that_breaks_its_promise_is_refused(a: Any, monkeypatch: Any) -> None:
    wrong = RULES[3]._replace(apply=lambda node, facts: node.inputs[0])
    monkeypatch.setattr(optimize_module, "_by_kind", {})
    monkeypatch.setattr(optimize_module, "RULES", (wrong,))
    with pytest.raises(PlanError, match=r"'transpose once' made shape \(6, 10\) of \(10, 6\)"):
        a.T.compute()


def test_answers_and_names_are_those_of_the_expression_given(a: Any) -> None:
    y = np.stack([a, a])[1]
    before = y.__dask_tokenize__()
    assert y.dims == ("t", "x")
    np.testing.assert_array_equal(y.compute(), HELD)
    assert y.__dask_tokenize__() == before


STEPS = {
    "elementwise": lambda x, i: x + 1,
    "index": lambda x, i: x[::-1],
    "rechunk": lambda x, i: x.rechunk(3 + i % 2),
    "take": lambda x, i: x[[1, 0, 2, 3, 4]],
}


@pytest.mark.parametrize(
    ("name", "count"), [("elementwise", 10_000), ("rechunk", 10_000), ("index", 2000), ("take", 2000)]
)
def test_long_chains_are_rewritten_in_few_passes(name: str, count: int, monkeypatch: Any) -> None:
    x = lz.from_array(np.arange(5.0))
    for i in range(count):
        x = STEPS[name](x, i)
    monkeypatch.setattr(optimize_module, "MOST_PASSES", 3)
    (root,) = rewritten(x)
    assert (root.shape, root.chunks) == (x.shape, x.chunks)
    assert optimize([root]) == [root]
