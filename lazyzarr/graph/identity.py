"""Identity: a name for what an expression is made of and how, the same in each process and for each opening."""

from __future__ import annotations

import hashlib
from typing import Any

from dask.base import normalize_token, tokenize

from lazyzarr.graph.node import Node, walk
from lazyzarr.graph.ops.sources import Held, ZarrSource

__all__ = ["identity"]


def identity(node: Node) -> str:
    """The name of a node: of stored arrays by where they are and their documents, of the rest by Dask's tokens."""
    names: dict[Node, str] = {}
    for each in walk([node]):
        parts = (
            type(each).__qualname__,
            *(names[source] for source in each.inputs),
            tokenize(_parameters(each)),
        )
        names[each] = hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
    return names[node]


def _parameters(node: Node) -> Any:
    """What a node's values depend on, besides its inputs."""
    if isinstance(node, ZarrSource):
        handle, _, *rest = node.params  # which opening it is makes no difference
        return handle.token, *rest
    return node.params


@normalize_token.register(Held)  # type: ignore[untyped-decorator, no-untyped-call]
def _normalized(held: Held) -> Any:
    return "held", normalize_token(held.value)
