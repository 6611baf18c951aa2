"""Regions: their algebra held against lists of positions."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from lazyzarr.graph.region import Span, forward, hull, merge, offset, through, volume, whole

SPANS = st.builds(
    Span,
    st.integers(-20, 20),
    st.sampled_from([1, 2, 3, 5, -1, -2, -4]),
    st.integers(1, 8),
    st.none(),
    st.just(0),
    st.none(),
)
MOVING = st.builds(
    Span,
    st.integers(-20, 20),
    st.sampled_from([1, 2, -3]),
    st.integers(1, 5),
    st.just(0),
    st.integers(-2, 2),
    st.none(),
)


def positions(span, origin=0):
    """The elements of a span for a tile at an origin."""
    start = span.start + (span.rate * origin if span.axis is not None else 0)
    return list(range(start, start + span.count * span.step, span.step))


def test_whole_is_the_shape_and_moves_with_the_tile_or_stays():
    assert volume(whole((4, 3, 2))) == 24
    assert volume(whole(())) == 1
    assert [positions(span, 5) for span in whole((4, 3))] == [[5, 6, 7, 8], [5, 6, 7]]
    assert [positions(span, 5) for span in whole((4, 3), moving=False)] == [[0, 1, 2, 3], [0, 1, 2]]


@given(MOVING, st.integers(-9, 9), st.sampled_from([1, 2, -1, -3]), st.integers(0, 5))
def test_through_is_the_slice_of_each_position(span, start, step, origin):
    assert positions(through(span, start, step), origin) == [
        start + step * p for p in positions(span, origin)
    ]


@given(SPANS)
def test_forward_is_the_same_elements_ascending(span):
    assert positions(forward(span)) == sorted(positions(span))
    assert forward(span).step > 0
    assert forward(span).last == max(positions(span))


@given(MOVING, MOVING, st.integers(0, 4))
def test_a_hull_holds_both_and_is_the_smallest(a, b, origin):
    joined = hull(a, b)
    if (a.axis, a.rate) != (b.axis, b.rate):
        assert joined is None
        return
    mine = {*positions(a, origin), *positions(b, origin)}
    held = positions(joined, origin)
    assert mine <= set(held)
    assert (held[0], held[-1]) == (min(mine), max(mine))
    # A wider step would miss one of them.
    assert joined.step == (math.gcd(*(p - held[0] for p in mine)) or 1)


@given(SPANS, SPANS)
def test_offset_is_where_the_part_lies_and_none_where_it_does_not(want, have):
    have = forward(have)
    held = positions(have)
    place = offset((want,), (have,))
    if place is None:
        assert not set(positions(want)) <= set(held)
    else:
        assert held[place[0]] == positions(want)


def test_offset_sees_that_spans_move_differently():
    still, moving = Span(0, 1, 3), Span(0, 1, 3, 0, 1)
    assert offset((still,), (moving,)) is None
    assert offset((moving,), (moving,)) == (slice(0, 3, 1),)
    assert offset((moving._replace(rate=2),), (moving,)) is None


@given(st.lists(st.tuples(SPANS, SPANS), min_size=1, max_size=7))
def test_every_region_lies_in_one_of_the_merged_hulls(regions):
    hulls = merge(regions)
    for region in regions:
        assert any(offset(region, held) is not None for held in hulls)
    # Two hulls that are left would more than double the work as one.
    for i, one in enumerate(hulls):
        for other in hulls[:i]:
            both = tuple(map(hull, one, other))
            assert volume(both) > 2 * (volume(one) + volume(other))


def test_near_regions_share_a_hull_and_far_ones_do_not():
    def at(start):
        return (Span(start, 1, 10, 0, 1),)

    assert len(merge([at(0), at(1), at(2), at(25)])) == 1
    assert len(merge([at(0), at(1000)])) == 2
    # The third reaches both of the others, which did not reach each other.
    assert len(merge([at(0), at(40)])) == 2
    assert merge([at(0), at(40), at(20)]) == [(Span(0, 1, 50, 0, 1),)]


def test_where_nothing_is_asked_for_no_hull_reaches():
    one, beyond = (Span(0, 1, 1),), (Span(2, 1, 0),)
    assert merge([one, beyond]) == [one, beyond]


def test_what_is_asked_for_within_ends_moves_with_the_slice_and_stays_apart():
    ended = Span(0, 1, 10, 0, 1, (2, 5))
    assert through(ended, 100, -2).within == (90, 96)
    assert volume((ended,)) == 4
    assert hull(ended, ended._replace(within=(2, 6))) is None
    assert hull(ended, ended._replace(start=1)) == Span(0, 1, 11, 0, 1, (2, 5))


def test_an_array_that_is_joined_with_itself_is_needed_here_or_there():
    first = Span(0, 1, 20, 0, 1, (0, 9))
    assert hull(first, first._replace(start=-10)) is None
    assert hull(first, first._replace(start=-1)) == Span(-1, 1, 21, 0, 1, (0, 9))
