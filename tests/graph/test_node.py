"""Nodes: interning, tokens, walks, and graphs of any depth that pickle."""

from __future__ import annotations

import gc
import pickle

import numpy as np
import pytest

import lazyzarr as lz
from lazyzarr.graph import node as nodes
from lazyzarr.graph.lazy import LazyArray
from lazyzarr.graph.node import flatten, token_of, unflatten, walk
from lazyzarr.graph.plan import Budget, Output, plan_stages


@pytest.fixture
def x():
    return lz.from_array(np.arange(6.0), chunks=2)


def node_of(lazy):
    return lazy.__lazyzarr_node__


def test_equal_expressions_are_one_node(x):
    assert node_of((x + 1) * 2) is node_of((x + 1) * 2)
    assert node_of(x[::2]) is node_of(x[::2])
    assert node_of(x.sum()) is not node_of(x.sum(keepdims=True))
    assert node_of(x + 1) is not node_of(1 + x)
    assert node_of(x + 1) is not node_of(x + 1.0)


def test_arrays_in_memory_are_never_taken_for_each_other():
    a = np.arange(3.0)
    assert node_of(lz.from_array(a)) is not node_of(lz.from_array(a.copy()))


def test_interned_nodes_are_let_go():
    x = lz.from_array(np.arange(6.0))
    token = node_of(x + 12345).token
    gc.collect()
    assert token not in nodes._interned
    kept = x + 12345
    assert nodes._interned[token] is node_of(kept)


CHANGEABLE = [[], {}, [1], {1: 1}, {"1": 1}]
DISTINCT = [
    1, 1.0, True, "1", b"1", 1j, None, (), (1,), ((1,),), (1, 1),
    0.0, -0.0, float("inf"), "a,str:b", ("a", "b"), ("a,", "b"), slice(1), slice(1, None, 1), np.dtype("f4"),
    np.float32(1), np.float64(1), np.int8(1), np.int64(1), np.datetime64(1, "s"), np.datetime64(1, "D"),
    np.add, np.subtract, (1,) * 200, (1,) * 201, (2, *(1,) * 199), len, max,
]  # fmt: skip


def test_tokens_tell_apart_what_is_not_equal_in_value_and_type():
    tokens = [token_of(value) for value in DISTINCT]
    assert len({*tokens, *map(token_of, CHANGEABLE)}) == len(DISTINCT) + len(CHANGEABLE)
    assert tokens == [token_of(value) for value in DISTINCT]


def test_what_may_be_changed_later_is_never_known_again():
    x = lz.from_array(np.ones(3))

    def scaled(a, w):
        return a * w[0]

    weights = [2]
    first = x.map_blocks(scaled, keywords={"w": weights}, dtype="f8")
    weights[0] = 3
    second = x.map_blocks(scaled, keywords={"w": [2]}, dtype="f8")
    assert second.compute().tolist() == [2, 2, 2]
    assert node_of(first) is not node_of(second)


def test_nan_payloads_are_told_apart():
    one, other = np.array([0x7FC00001, 0x7FC00002], "u4").view("f4")
    assert token_of(one) == token_of(one.copy())
    assert token_of(one) != token_of(other)


def test_functions_are_known_by_identity_even_after_another_took_the_address():
    seen = set()
    for i in range(50):
        token = token_of(lambda a, i=i: a + i)
        assert token not in seen
        seen.add(token)


class Scaled:
    """A callable with an attribute that tokens of ours have, too."""

    token = "scaled"

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, a):
        return a * self.factor


def test_a_users_object_is_never_known_by_an_attribute_of_its_own():
    x = lz.from_array(np.ones(3))
    doubled, tripled = (x.map_blocks(Scaled(k), dtype="f8") for k in (2, 3))
    assert doubled.compute().tolist() == [2, 2, 2]
    assert tripled.compute().tolist() == [3, 3, 3]


def test_walk_gives_inputs_first_and_each_node_once(x):
    y = (x + 1) * (x + 1) + x
    order = walk([node_of(y), node_of(x.sum())])
    assert len(order) == len(set(order))
    for i, one in enumerate(order):
        assert all(source in order[:i] for source in one.inputs)


def test_a_walk_may_be_cut_short(x):
    y = node_of((x + 1) * 2)
    assert walk([y], lambda _: ()) == [y]


def test_flat_graphs_are_the_same_nodes_again(x):
    roots = [node_of((x * 2)[::-1].T), node_of(x.mean()), node_of(x)]
    flat, places = flatten(roots)
    assert unflatten(flat, places) == roots
    assert len(flat) == len(walk(roots))


def chain(x, depth):
    for i in range(depth):
        x = x + (i % 7)
    return x


def doubled(x, levels):
    for _ in range(levels):
        x = x + x
    return x


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda x: chain(x, 10_000), lambda a: a + sum(i % 7 for i in range(10_000))),
        (lambda x: doubled(x, 60), lambda a: a * 2.0**60),
    ],
    ids=["chain of 10,000", "60 levels of x + x"],
)
def test_deep_and_shared_graphs_build_plan_pickle_and_run(build, expected):
    a = np.arange(6.0)
    y = build(lz.from_array(a, chunks=2))
    planned = plan_stages([Output(node_of(y))], Budget(10**9, 2))
    assert sum(len(cuts) - 1 for cuts in planned.stages[0].layout.tiles) == 3
    again = pickle.loads(pickle.dumps(y))
    assert isinstance(again, LazyArray)
    np.testing.assert_array_equal(y.compute(), expected(a))
    np.testing.assert_array_equal(again.compute(), expected(a))
