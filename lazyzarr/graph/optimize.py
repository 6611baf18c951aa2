"""Rewriting: the rules applied to an expression, in loops, until none of them applies; the values stay the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from lazyzarr.graph.check import rewrite_keeps
from lazyzarr.graph.node import Node, make
from lazyzarr.graph.origins import on_behalf
from lazyzarr.graph.plan import Output
from lazyzarr.graph.rules import RULES, Facts, Rule

__all__ = ["optimize", "optimize_outputs"]

# A rule looks one node far, so what it makes may be another rule's work in the next pass. Each pass walks the
# expression once; after so many what is left stays as it is.
MOST_PASSES = 100

_by_kind: dict[type[Node], tuple[Rule, ...]] = {}


def optimize_outputs(outputs: Sequence[Output]) -> list[Output]:
    """The outputs of rewritten expressions, to be written where the given ones were."""
    nodes = optimize([output.node for output in outputs])
    return [dataclasses.replace(output, node=node) for output, node in zip(outputs, nodes, strict=True)]


def optimize(roots: Sequence[Node]) -> list[Node]:
    """The expressions rewritten by the rules, in one go: what they share is shared still."""
    found = list(roots)
    for _ in range(MOST_PASSES):
        before, found = found, _pass(found)
        if before == found:
            break
    return found


def _pass(roots: Sequence[Node]) -> list[Node]:
    """Each node of the expressions with rewritten inputs, and rewritten itself by the first rule that applies."""
    facts = Facts(roots)
    done: dict[Node, Node] = {}
    for node in facts.order:
        inputs = tuple([done[source] for source in node.inputs])
        same = node if inputs == node.inputs else make(type(node), inputs, node.params, node.origin)
        done[node] = _rewritten(same, facts)
        facts.rewritten(node, done[node])
    return [done[root] for root in roots]


def _rewritten(node: Node, facts: Facts) -> Node:
    with on_behalf(node.origin):  # what is made of it stands for the user's same line
        for rule in _rules_of(type(node)):
            found = rule.apply(node, facts)
            if found is not None and found is not node:
                rewrite_keeps(rule.name, node, found)
                return found
    return node


def _rules_of(kind: type[Node]) -> tuple[Rule, ...]:
    """The rules that look at nodes of a kind."""
    if kind not in _by_kind:
        _by_kind[kind] = tuple(rule for rule in RULES if issubclass(kind, rule.kinds))
    return _by_kind[kind]
