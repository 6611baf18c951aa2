"""Where the user made a node: the line, the text of the call, the variable; in plans and in errors, on workers too."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

import lazyzarr as lz
import lazyzarr.numpy as lnp
from lazyzarr.graph.node import ELSEWHERE, flatten, unflatten
from lazyzarr.graph.origins import place_of


def place(lazy):
    return lazy.__lazyzarr_node__.place


def here(offset=0):
    return inspect.currentframe().f_back.f_lineno + offset


@pytest.fixture
def x():
    return lz.from_array(np.arange(12.0).reshape(3, 4), chunks=2)


def test_a_node_knows_its_line_its_text_and_its_name(x):
    total = (x * 2).sum()
    assert place(total) == ("test_origins.py", here(-1), "(x * 2).sum()", "total")
    assert str(place(total)) == f"test_origins.py:{here(-2)}"
    medians, sine, ones = np.median(x, axis=0), lnp.sin(x), lnp.ones(3)
    for found in (lnp.median(x, axis=0), medians, sine, ones, lnp.rechunk(x, 1), lz.compute):
        assert found is lz.compute or place(found)[:2] in [("test_origins.py", here(-n)) for n in (1, 2)]
    [spread] = [x.std(0)]
    assert place(spread)[2:] == ("x.std(0)", "")
    wide = np.concatenate(
        [x, x],
        axis=1,
    )
    assert place(wide) == ("test_origins.py", here(-4), "np.concatenate([x, x], axis=1)", "wide")
    assert place(np.mean(wide)).text == "np.mean(wide)"
    hypotenuse = lz.elementwise(np.hypot, x, 3.0)
    assert place(hypotenuse)[1:] == (here(-1), "lz.elementwise(np.hypot, x, 3.0)", "hypotenuse")
    assert place(lnp.zeros((3,)) + 1).line == here()


def test_a_chain_of_calls_is_told_whole(x):
    """Python tells of its last call alone."""
    largest = (
        x.rechunk(1)
        .sum(axis=0)  # of each column
        .max()
    )
    assert place(largest) == ("test_origins.py", here(-2), "x.rechunk(1).sum(axis=0).max()", "largest")


def test_a_stored_array_made_lazy_knows_the_line():
    z = lz.array(np.arange(8.0), chunks=3)
    lazy = z.lazy()
    more = z + 1
    assert place(lazy) == ("test_origins.py", here(-2), "z.lazy()", "lazy")
    assert place(more) == ("test_origins.py", here(-2), "z + 1", "more")


def test_two_calls_of_a_line_are_told_apart(x):
    one, other = x + 101, x + 102
    assert (place(one).text, place(other).text) == ("x + 101", "x + 102")


def test_the_first_of_two_equal_ones_is_kept(x):
    first = x + 7
    again = x + 7
    assert first.__lazyzarr_node__ is again.__lazyzarr_node__
    assert place(again).line == here(-3)


def test_long_texts_are_cut(x):
    y = np.where(x > 1, x * 1000000001, x + 1000000002 + 1000000003)
    assert len(place(y).text) == 48
    assert place(y).text.startswith("np.where(x > 1, x * 1000000001")
    assert place(y).text.endswith("...")


def test_source_that_is_not_at_hand_leaves_the_line(x):
    namespace = {"x": x}
    exec(compile("\n\ny = x + 31", "gone.py", "exec"), namespace)
    assert place(namespace["y"]) == ("gone.py", 3, "", "y")


def test_source_that_is_another_by_now_is_not_shown(x, tmp_path):
    file = tmp_path / "job.py"
    file.write_text("if x: not python here at all\n")
    namespace = {"x": x}
    exec(compile("y = x + 32", str(file), "exec"), namespace)
    assert place(namespace["y"]) == ("job.py", 1, "", "y")


def test_what_came_from_elsewhere_has_no_line(x):
    assert place_of(None) is None
    assert place_of(ELSEWHERE) is None
    array = np.arange(5.0)
    flat, roots = flatten([(lz.from_array(array) + 41).__lazyzarr_node__])
    copy = pickle.loads(pickle.dumps(flat))
    assert unflatten(copy, roots)[0].place is None


def test_a_users_function_keeps_its_line_wherever_it_goes(x):
    y = x.map_blocks(np.negative, dtype="f8")
    flat, roots = flatten([y.__lazyzarr_node__])
    copy = pickle.loads(pickle.dumps(flat))
    assert unflatten(copy, roots)[0].place == place(y) == ("test_origins.py", here(-3), place(y).text, "y")


def fails(block):
    raise KeyError("sigma")


CALLS = {
    "map_blocks": lambda x: x.map_blocks(fails, dtype="f8"),
    "map_overlap": lambda x: x.map_overlap(fails, depth=1, dtype="f8"),
    "elementwise": lambda x: lz.elementwise(fails, x, dtype="f8"),
}
FIRST = inspect.getsourcelines(inspect.getmodule(fails))[0].index("CALLS = {\n") + 2


@pytest.mark.parametrize("scheduler", ["sync", "processes"])
@pytest.mark.parametrize(("number", "kind"), list(enumerate(CALLS)), ids=CALLS)
def test_an_error_names_the_users_line(number, kind, scheduler):
    lz.save("data.zarr", np.arange(12.0).reshape(3, 4))
    x = lz.from_zarr("data.zarr", chunks=(3, 2))
    with pytest.raises(KeyError, match="sigma") as caught:
        CALLS[kind](x).compute(scheduler=scheduler, num_workers=1)
    first, *more = caught.value.__notes__
    assert first.startswith(f"in {kind}(fails), test_origins.py:{FIRST + number}, ")
    stepping = ['to step into it: y.blocks[0, 0].compute(scheduler="sync")'] if kind != "elementwise" else []
    assert more == stepping


def test_the_block_that_failed_is_what_is_stepped_into():
    seen = []

    def third(block, block_id):
        seen.append(block_id)
        if block_id == (1, 0):
            raise KeyError("sigma")
        return block

    x = lz.from_array(np.arange(16.0).reshape(4, 4), chunks=2)
    scaled = (x * 2).map_blocks(third, dtype="f8")
    with pytest.raises(KeyError) as caught:
        scaled.compute()
    command = caught.value.__notes__[1].removeprefix("to step into it: ")
    assert command == 'scaled.blocks[1, 0].compute(scheduler="sync")'
    seen.clear()
    with pytest.raises(KeyError):
        eval(command, {"scaled": scaled})
    assert seen == [(1, 0)]


def test_a_promise_broken_names_the_line(x):
    y = x.map_blocks(lambda block: block[:1], dtype="f8")
    with pytest.raises(lz.errors.ShapeMismatchError, match=rf"test_origins.py:{here(-1)}, block \(0, 0\)"):
        y.compute()
