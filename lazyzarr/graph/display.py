"""Notebooks: an array's facts beside its picture, with the plan folded below; every name escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from lazyzarr.graph.access import leaf_name
from lazyzarr.graph.law import Bound
from lazyzarr.graph.layout import sizes_to_cuts
from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.sources import Source, ZarrSource
from lazyzarr.graph.outline import StageFacts, decoded_once, expression, target_name
from lazyzarr.graph.picture import picture
from lazyzarr.graph.plan import Output, Stages
from lazyzarr.graph.plan_text import COLUMNS, notes, rows
from lazyzarr.settings import format_bytes

__all__ = ["array_html", "facts_html", "plan_html"]

# Of more outputs, or sources, than this the others are counted.
MOST_SHOWN = 8
_LEFT = "text-align:left;padding:1px 8px"
_RIGHT = "text-align:right;white-space:nowrap;padding:1px 8px"
_WORDS = {1, len(COLUMNS) - 1}

Rows = list[tuple[str, str]]


def array_html(node: Node) -> str:
    """An array without a plan."""
    return _card(_array_rows(Output(node)), Output(node))


def plan_html(
    planned: Stages,
    facts: Sequence[StageFacts],
    problem: Sequence[str],
    bound: Bound | None = None,
    unfolded: bool = False,
    where: str = "",
) -> str:
    """The outputs of a plan, and the plan itself; `problem`: the lines that say why it is refused; `where` it runs."""
    shown = planned.outputs[:MOST_SHOWN]
    cards = [_card(_array_rows(output), output) for output in shown[:-1]]
    if shown:
        cards.append(_card([*_array_rows(shown[-1]), *_plan_rows(planned, facts)], shown[-1]))
    if len(planned.outputs) > len(shown):
        cards.append(f"<p>and {len(planned.outputs) - len(shown)} more</p>")
    if where:
        cards.append(f"<div>{escape(where)}</div>")
    return f"<div>{''.join(cards)}{_plan(planned, facts, problem, bound, unfolded)}</div>"


def _card(facts: Rows, output: Output) -> str:
    """Facts beside a picture."""
    node = output.node
    cuts = output.sink.cuts(node.shape) if output.sink else tuple(map(sizes_to_cuts, node.chunks))
    return (
        '<table style="border-collapse:collapse"><tbody><tr>'
        f'<td style="{_LEFT};vertical-align:top">{facts_html(facts)}</td>'
        f'<td style="{_LEFT}">{picture(cuts, node.dims)}</td></tr></tbody></table>'
    )


def facts_html(facts: Rows) -> str:
    """Facts as a table."""
    cells = "".join(
        f'<tr><th style="{_LEFT}">{escape(label)}</th><td style="{_LEFT}">{escape(value)}</td></tr>'
        for label, value in facts
    )
    return f"<table><tbody>{cells}</tbody></table>"


def _array_rows(output: Output) -> Rows:
    node, sink = output.node, output.sink
    words, place = expression(node)
    facts: Rows = [("Array", f"{words}, {place}" if place else words)]
    if sink is not None:
        facts.append(("Target", target_name(sink.url)))
    named = [f"{name}: {n}" if name else str(n) for name, n in zip(node.dims, node.shape, strict=True)]
    shape = f"({', '.join(named)})" if any(node.dims) else str(node.shape)
    facts.append(("Shape", f"{shape} {node.dtype}"))
    unit = sink.unit if sink is not None else tuple(max(sizes, default=0) for sizes in node.chunks)
    cuts = [len(axis) - 1 for axis in sink.cuts(node.shape)] if sink else [len(axis) for axis in node.chunks]
    each = format_bytes(math.prod(unit) * node.dtype.itemsize)
    facts.append(("Chunks", f"{unit}, {math.prod(cuts):,} of {each}"))
    facts.append(("Bytes", format_bytes(node.nbytes)))
    return facts


def _plan_rows(planned: Stages, facts: Sequence[StageFacts]) -> Rows:
    decoded, once = sum(stage.decode for stage in facts), sum(decoded_once(planned.stages).values())
    found: Rows = [("Sources", _sources(planned))]
    if once:
        found.append(("Decodes", f"{format_bytes(decoded)}, {decoded / once:.2f} times what is needed"))
    over = "" if planned.peak_memory <= planned.memory else ": does not fit"
    peak = f"{format_bytes(planned.peak_memory)} of {format_bytes(planned.memory)}{over}"
    return [*found, ("Peak", peak)]


def _sources(planned: Stages) -> str:
    leaves = [leaf for leaf in walk([o.node for o in planned.outputs]) if isinstance(leaf, Source)]
    words = [
        leaf_name(leaf) if isinstance(leaf, ZarrSource) else f"array in memory, {format_bytes(leaf.nbytes)}"
        for leaf in leaves
    ]
    words = list(dict.fromkeys(words))
    more = f" and {len(words) - MOST_SHOWN} more" if len(words) > MOST_SHOWN else ""
    return (", ".join(words[:MOST_SHOWN]) or "none") + more


def _plan(
    planned: Stages, facts: Sequence[StageFacts], problem: Sequence[str], bound: Bound | None, unfolded: bool
) -> str:
    """The table of the stages, folded."""
    head = "".join(_cell("th", i, cell) for i, cell in enumerate(COLUMNS))
    body = "".join(
        f"<tr>{''.join(_cell('td', i, cell) for i, cell in enumerate(row))}</tr>"
        for row in rows(planned, facts)
    )
    count = "one stage" if len(facts) == 1 else f"{len(facts)} stages"
    tasks = sum(stage.tasks for stage in facts)
    lines = "".join(f"<div>{escape(line)}</div>" for line in notes(planned, facts, bound))
    refused = f"<pre>{escape(chr(10).join(problem))}</pre>" if problem else ""
    return (
        f"<details{' open' if unfolded else ''}><summary>Plan: {count}, "
        f"{tasks:,} task{'s' * (tasks != 1)}</summary><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{lines}{refused}</details>"
    )


def _cell(tag: str, column: int, text: str) -> str:
    return f'<{tag} style="{_LEFT if column in _WORDS else _RIGHT}">{escape(text)}</{tag}>'
