"""Programs: hulls, registers by liveness, operands reused in place, borrowed values never written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

import lazyzarr as lz
from lazyzarr.graph.ops.reductions import Reduce
from lazyzarr.graph.program import compile_program, hulls_of
from tests.graph.laws.machine import expressions

TILE = (64,)


def node_of(lazy):
    return lazy.__lazyzarr_node__


def program_of(*lazies, tile=TILE):
    return compile_program([node_of(lazy) for lazy in lazies], tile)


@pytest.fixture
def x():
    return lz.from_array(np.arange(1000.0), chunks=100)


@pytest.mark.parametrize("depth", [1, 5, 40])
def test_a_stencil_of_depth_k_has_one_hull_a_level(x, depth):
    y = x
    for _ in range(depth):
        y = y[1:] - y[:-1]
    hulls = hulls_of([node_of(y)], TILE)
    computed = [node for node in hulls if not node.is_view]
    assert len(computed) == depth + 1
    assert [len(hulls[node]) for node in computed] == [1] * (depth + 1)
    assert max(len(found) for found in hulls.values()) == 1
    (load,) = program_of(y).loads
    assert load.shape == (TILE[0] + depth,)


def test_far_parts_of_one_array_are_loaded_apart(x):
    program = program_of(x[900:] - x[:-900], tile=(10,))
    assert sorted(load.region[0].start for load in program.loads) == [0, 900]
    assert [load.shape for load in program.loads] == [(10,), (10,)]


def test_a_shared_value_is_computed_once(x):
    y = x * 2
    for _ in range(60):
        y = y + y
    program = program_of(y)
    assert len(program.loads) == 1
    assert len(program.steps) == 61


def test_a_chain_of_any_length_needs_one_buffer(x):
    y = x
    for i in range(30):
        y = (y + i) * 2
    program = program_of(y)
    assert program.slots == [TILE[0] * 8]
    assert {step.slot for step in program.steps} == {0}


def test_what_is_borrowed_is_never_written_in_place(x):
    (step,) = program_of(x + 1).steps
    assert step.slot == 0
    assert step.arguments == (program_of(x + 1).loads[0].register,)  # a load has no slot to be reused


def test_buffers_are_used_again_once_nothing_reads_them(x):
    terms = [np.sqrt(x + i) for i in range(16)]
    while len(terms) > 1:
        terms = [one * other for one, other in zip(terms[::2], terms[1::2], strict=True)]
    # A balanced tree of 16 values needs one buffer a level, not one a value.
    assert len(program_of(terms[0]).slots) <= 5


def test_a_value_that_is_read_again_keeps_its_buffer(x):
    y = x + 1
    program = program_of(np.sqrt(y) - y)
    first, root, last = program.steps
    assert root.slot != first.slot
    assert last.slot in (root.slot, first.slot)


def misread(program):
    """Simulates a program on its slots: the reads that would find another value than the one meant."""
    owner, slot, held, wrong = {}, {}, {}, []

    def read(register, by):
        register = owner.get(register, register)
        if register in slot and held[slot[register]] != register:
            wrong.append((by, register))

    for step in program.steps:
        for argument in step.arguments:
            read(argument, step.register)
        if step.is_view:
            owner[step.register] = owner.get(step.arguments[0], step.arguments[0])
            continue
        overwritten = held.get(step.slot)
        if overwritten in step.arguments and not step.node.in_place:
            wrong.append((step.register, overwritten))
        slot[step.register] = step.slot
        held[step.slot] = step.register
    for root in program.roots:
        read(root, "root")
    return wrong


@given(expressions())
def test_no_value_is_overwritten_while_it_is_wanted(pool):
    for value in pool.values:
        if value.held.size:
            node = node_of(value.lazy)
            root = node.operand if isinstance(node, Reduce) else node
            assert misread(compile_program([root], root.shape)) == []


def test_a_value_seen_through_a_view_keeps_its_buffer(x):
    y = (x + 1)[::-1]
    program = program_of(np.sqrt(x + 2) * y + y)
    assert misread(program) == []
    assert len(program.slots) == 2


def test_another_dtype_or_shape_takes_another_buffer(x):
    program = program_of((x + 1).astype("f4") + np.float32(1))
    assert sorted(program.slots) == [TILE[0] * 4, TILE[0] * 8]
    wide = lz.from_array(np.ones((8, 1))) + 1
    program = compile_program([node_of(wide * np.ones((1, 8)))], (8, 8))
    assert sorted(program.slots) == [8 * 8, 64 * 8]


def test_where_and_cast_do_not_overwrite_what_they_still_read():
    a = np.arange(-8, 8)
    x = lz.from_array(a, chunks=4)
    y = x * 3
    np.testing.assert_array_equal(np.where(y > 0, y, x - y).compute(), np.where(a * 3 > 0, a * 3, a - a * 3))
    program = program_of(np.where(y > 0, y, x - y), tile=(4,))
    assert len(program.slots) >= 3


def test_several_roots_are_all_kept(x):
    y = x + 1
    program = program_of(y, y * 2, np.sqrt(y * 2))
    slots = {step.register: step.slot for step in program.steps}
    assert len({slots[register] for register in program.roots}) == 3
    assert len(program.slots) == 3


def test_views_are_no_computation(x):
    assert not program_of(x[::-1][5:]).computes
    assert program_of(x[::-1] + 0).computes
    assert program_of(x[::-1][5:]).slots == []


def test_a_value_that_nothing_reads_is_not_made(x):
    program = program_of((x + 1)[::2], tile=(10,))
    (load,) = program.loads
    assert load.shape == (10,)
    assert load.region[0].step == 2
