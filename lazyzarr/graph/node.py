"""Nodes: one operation each, interned by token, walked in loops and never by recursion."""

from __future__ import annotations

import hashlib
import itertools
import math
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from lazyzarr.format.array import ArrayHandle
from lazyzarr.graph.origins import Origin, Place, caller, place_of
from lazyzarr.graph.region import Region

__all__ = [
    "Chunks",
    "Flat",
    "Node",
    "finer",
    "flatten",
    "make",
    "pack",
    "pieces_of",
    "substitute",
    "token_of",
    "unflatten",
    "unpack",
    "walk",
]

Chunks = tuple[tuple[int, ...], ...]
"""Chunk sizes along each axis, as Dask writes them."""


def pieces_of(n: int, length: int) -> tuple[int, ...]:
    """A length cut into pieces of another, the last one of what is left; nothing is one piece.

    >>> pieces_of(10, 4), pieces_of(0, 4)
    ((4, 4, 2), (0,))
    """
    length = max(length, 1)
    whole, rest = divmod(n, length)
    return (length,) * whole + ((rest,) if rest or not n else ())


def finer(chunks: Sequence[tuple[int, ...]], lengths: Sequence[int]) -> Chunks:
    """The chunks cut into pieces of these lengths along each axis.

    >>> finer(((5, 3), (2,)), (4, 4))
    ((4, 1, 3), (2,))
    """
    return tuple(
        tuple(piece for size in sizes for piece in pieces_of(size, length))
        for sizes, length in zip(chunks, lengths, strict=True)
    )


class Node:
    """One operation on its inputs; compared by identity, because equal ones are one object.

    A kind sets `shape`, `dtype`, `chunks` and `dims` in `infer`, from `inputs` and `params`,
    which together are the whole of it.
    """

    __slots__ = ("__weakref__", "chunks", "dims", "dtype", "inputs", "origin", "params", "shape", "token")

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: Chunks
    dims: tuple[str | None, ...]
    inputs: tuple[Node, ...]
    params: tuple[Any, ...]
    token: str
    origin: Origin | None
    """The user's call that made it first; no part of what it is."""
    calls_user: ClassVar[bool] = False
    """Whether a function of the user is called, whose failures name the line."""

    @property
    def label(self) -> str:
        """The word that names this operation in plans and task keys."""
        return "node"

    @property
    def hint(self) -> str:
        """What a plan's reader is told of this operation; empty: nothing."""
        return ""

    def infer(self) -> None:
        """Sets shape, dtype, chunks and dims from the inputs and parameters."""
        raise NotImplementedError

    def pull(self, region: Region) -> Sequence[Region | None]:
        """For each input, the region of it that `region` of the output needs; None: nothing."""
        raise NotImplementedError

    def apply(self, pieces: Sequence[Any], out: np.ndarray | None) -> Any:
        """The values of a region, from the pieces that `pull` asked for; in `out` where it is given."""
        raise NotImplementedError

    @property
    def sent(self) -> tuple[Any, ...]:
        """The parameters as a worker needs them."""
        return self.params

    @property
    def is_leaf(self) -> bool:
        """Whether values come from elsewhere than `pull` and `apply`: stored, computed before, or by block."""
        return not self.inputs

    @property
    def is_view(self) -> bool:
        """Whether `apply` returns a view of its only piece and computes nothing."""
        return False

    @property
    def hands_on(self) -> bool:
        """Whether `apply` returns its only piece as it is."""
        return False

    @property
    def different(self) -> int:
        """How many elements its values are taken from: fewer than it has, where some are repeated."""
        return math.prod(self.shape)

    @property
    def place(self) -> Place | None:
        """The user's line that made it, where it is known."""
        return place_of(self.origin)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all values."""
        count = self.dtype.itemsize
        for n in self.shape:
            count *= n
        return count


N = TypeVar("N", bound=Node)

# Chunk sizes along an axis may be a million integers: their text is not made.
LONG = 100

# The origin of what came from another process.
ELSEWHERE = Place("", 0, "", "")

_interned: weakref.WeakValueDictionary[str, Node] = weakref.WeakValueDictionary()
_nonces = itertools.count()
# What has no content to hash is known by a number given on first sight, for as long as it lives.
_seen: dict[int, tuple[Any, str]] = {}


def make(kind: type[N], inputs: tuple[Node, ...], params: tuple[Any, ...], origin: Origin | None = None) -> N:
    """The node of that kind, inputs and parameters: the same object each time it is asked for."""
    digest = hashlib.blake2b(kind.__qualname__.encode(), digest_size=16)
    for node in inputs:
        digest.update(node.token.encode())
    digest.update(token_of(params).encode())
    token = digest.hexdigest()
    known = _interned.get(token)
    if known is not None:
        return known  # type: ignore[return-value]
    node = kind()
    node.inputs, node.params, node.token = inputs, params, token
    node.origin = origin or caller()
    node.infer()
    _interned[token] = node
    return node


def token_of(value: Any) -> str:
    """A string that is equal for equal parameters, of the same type, within this process.

    >>> token_of((1, "a")) == token_of((1, "a")), token_of(1) == token_of(1.0)
    (True, False)
    """
    if _are_many_integers(value):
        return f"ints:{hashlib.blake2b(np.array(value, np.int64).tobytes(), digest_size=16).hexdigest()}"
    if isinstance(value, tuple):
        return f"{type(value).__name__}({','.join(map(token_of, value))})"
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes, slice, np.dtype)):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, np.generic):
        return f"{value.dtype.str}:{value.tobytes().hex()}"
    if isinstance(value, np.ufunc):
        return f"ufunc:{value.__name__}:{_nonce(value)}"
    return value.token if isinstance(value, ArrayHandle) else _nonce(value)


def _nonce(value: Any) -> str:
    """A number for an object that has no content to hash, or that can change; its own while it lives."""
    known = _seen.get(id(value))
    if known is not None and known[0]() is value:
        return known[1]
    key, name = id(value), f"{getattr(value, '__qualname__', type(value).__name__)}#{next(_nonces)}"

    def forget(_: object) -> None:
        _seen.pop(key, None)

    try:
        _seen[key] = (weakref.ref(value, forget), name)
    except TypeError:
        # Functions that cannot be watched (ufuncs, builtins) are kept; what else cannot (a list, a
        # dict) is another one each time it is seen.
        if callable(value):
            _seen[key] = (lambda: value, name)
    return name


def walk(roots: Iterable[Node], inputs: Callable[[Node], Sequence[Node]] | None = None) -> list[Node]:
    """All nodes below the roots, inputs before what uses them, each once.

    `inputs` may cut the walk short: it gives the inputs that are to be followed.
    """
    follow = inputs or (lambda node: node.inputs)
    order: list[Node] = []
    done: set[Node] = set()
    stack: list[tuple[Node, Iterator[Node]]] = [(root, iter(follow(root))) for root in roots][::-1]
    while stack:
        node, rest = stack[-1]
        if node in done:
            stack.pop()
            continue
        for child in rest:
            if child not in done:
                stack.append((child, iter(follow(child))))
                break
        else:
            stack.pop()
            done.add(node)
            order.append(node)
    return order


def substitute(roots: Sequence[Node], others: Mapping[Node, Node]) -> list[Node]:
    """The roots with some nodes below them, or themselves, exchanged for others of the same shape."""
    made: dict[Node, Node] = dict(others)
    for node in walk(roots, lambda node: () if node in others else node.inputs):
        if node not in made:
            inputs = tuple(made[source] for source in node.inputs)
            changed = inputs != node.inputs
            made[node] = make(type(node), inputs, node.params, node.origin) if changed else node
    return [made[root] for root in roots]


Flat = list[tuple[type[Node], tuple[int, ...], tuple[Any, ...], Place | None]]
"""Nodes as (kind, positions of the inputs, parameters, the user's line where failures name it), inputs first:
pickles at any depth."""


def flatten(roots: Sequence[Node], for_workers: bool = False) -> tuple[Flat, list[int]]:
    """The graph below the roots as a flat list, and where in it the roots are."""
    order = walk(roots)
    position = {node: i for i, node in enumerate(order)}
    flat = [
        (
            type(node),
            tuple(position[i] for i in node.inputs),
            pack(node.sent if for_workers else node.params),
            node.place if node.calls_user else None,
        )
        for node in order
    ]
    return flat, [position[root] for root in roots]


def unflatten(flat: Flat, roots: Sequence[int]) -> list[Node]:
    """The nodes that `flatten` laid flat."""
    nodes: list[Node] = []
    for kind, inputs, params, place in flat:
        nodes.append(make(kind, tuple(nodes[i] for i in inputs), unpack(params), place or ELSEWHERE))
    return [nodes[i] for i in roots]


class Runs(NamedTuple):
    """Many integers in few bytes: each value that follows another one, and how often it stands there."""

    dtype: str
    values: bytes
    counts: bytes


def pack(value: Any) -> Any:
    """A parameter as it travels: the chunk sizes of a long axis in few bytes, all else as it is.

    >>> sizes = (64,) * 1_000_000 + (32,)
    >>> len(pack((sizes, "x"))[0].values) < 50, unpack(pack((sizes, "x"))) == (sizes, "x")
    (True, True)
    """
    if _are_many_integers(value):
        integers = np.array(value, np.int64)
        starts = np.flatnonzero(np.diff(integers, prepend=integers[0] - 1))
        values, counts = integers[starts], np.diff(starts, append=len(integers))
        dtype = np.min_scalar_type(max(int(values.max()), int(counts.max()), -int(values.min())))
        if values.min() < 0:
            dtype = np.dtype(np.int64)
        small = [zlib.compress(each.astype(dtype).tobytes(), 1) for each in (values, counts)]
        return Runs(dtype.str, *small)
    return tuple(map(pack, value)) if type(value) is tuple else value


def unpack(value: Any) -> Any:
    """The parameter that `pack` made smaller."""
    if isinstance(value, Runs):
        values, counts = (
            np.frombuffer(zlib.decompress(each), value.dtype) for each in (value.values, value.counts)
        )
        return tuple(np.repeat(values, counts.astype(np.int64)).tolist())
    return tuple(map(unpack, value)) if type(value) is tuple else value


def _are_many_integers(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) > LONG and all(type(item) is int for item in value)
