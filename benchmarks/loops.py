"""The hand-written loops of the eleven workloads: chunk files in, numbers or chunk files out, nothing twice.

Each is what a careful programmer writes for this one expression. They may be improved, never weakened.
"""

from __future__ import annotations

import itertools
import math
import threading

import numpy as np
from roofline import TILE, Buffers, Files, Index, each


def total(u: Files, threads: int) -> float:
    """u.sum()"""
    kept = Buffers(u.chunks)

    def one(index: Index) -> float:
        return float(np.add.reduce(u.read(index, kept.raw, kept.a), axis=None, dtype="f8"))

    return math.fsum(each(one, u.indices(), threads))


def mean0(u: Files, threads: int) -> np.ndarray:
    """u.mean(axis=0)"""
    kept, lock, out = Buffers(u.chunks), threading.Lock(), np.zeros(u.shape[1:], "f8")

    def one(index: Index) -> None:
        part = u.read(index, kept.raw, kept.a).sum(axis=0, dtype="f8")
        with lock:
            out[u.where(index)[1:]] += part

    each(one, u.indices(), threads)
    return (out / u.shape[0]).astype("f4")


def quad(u: Files, v: Files, threads: int) -> float:
    """((u * u + v * v) ** 0.5).mean()"""
    kept = Buffers(u.chunks)

    def one(index: Index) -> float:
        x = u.read(index, kept.raw, kept.a).reshape(-1)
        y = v.read(index, kept.raw, kept.b).reshape(-1)
        return sum(tile(x[k : k + TILE], y[k : k + TILE]) for k in range(0, x.size, TILE))

    def tile(p: np.ndarray, q: np.ndarray) -> float:
        np.multiply(p, p, out=p)
        np.multiply(q, q, out=q)
        np.add(p, q, out=p)
        return float(np.sqrt(p, out=p).sum(dtype="f8"))

    return math.fsum(each(one, u.indices(), threads)) / math.prod(u.shape)


def stats(u: Files, threads: int) -> tuple[float, float, float, float]:
    """u.mean(), u.std(), u.min(), u.max() in one pass"""
    kept, shift = Buffers(u.chunks), np.float32(2.5)  # near the mean, so that the squares lose little

    def one(index: Index) -> tuple[float, float, float, float]:
        x = u.read(index, kept.raw, kept.a).reshape(-1)
        tiles = [tile(x[k : k + TILE]) for k in range(0, x.size, TILE)]
        return joined(tiles)

    def tile(p: np.ndarray) -> tuple[float, float, float, float]:
        low, high, amount = float(p.min()), float(p.max()), float(p.sum(dtype="f8"))
        away = np.subtract(p, shift, out=kept.tile[: p.size])
        return amount, float(np.dot(away, away)), low, high

    def joined(parts: list) -> tuple[float, float, float, float]:
        amounts, squares, lows, highs = zip(*parts, strict=True)
        return math.fsum(amounts), math.fsum(squares), min(lows), max(highs)

    amount, squares, low, high = joined(each(one, u.indices(), threads))
    size = math.prod(u.shape)
    mean = amount / size
    return mean, math.sqrt(squares / size - (mean - float(shift)) ** 2), low, high


def map_write(u: Files, path: str, threads: int) -> None:
    """u * 2 + 1 written"""
    out, kept = Files(path, u.shape, u.chunks, create=True), Buffers(u.chunks)

    def one(index: Index) -> None:
        a = u.read(index, kept.raw, kept.a)
        a *= 2
        a += 1
        out.write(index, a)

    each(one, u.indices(), threads)
    out.close()


def anom_write(u: Files, path: str, threads: int) -> None:
    """u - u.mean(axis=0) written: the chunks are read twice"""
    mean = mean0(u, threads)
    out, kept = Files(path, u.shape, u.chunks, create=True), Buffers(u.chunks)

    def one(index: Index) -> None:
        a = u.read(index, kept.raw, kept.a)
        a -= mean[u.where(index)[1:]]
        out.write(index, a)

    each(one, u.indices(), threads)
    out.close()


def rechunk(u: Files, path: str, tall: Index, threads: int) -> None:
    """u in chunks that are whole along axis 0: a column of chunks is put together and cut otherwise"""
    out, kept, slabs = Files(path, u.shape, tall, create=True), Buffers(u.chunks), threading.local()
    width = tuple(math.lcm(a, b) for a, b in zip(u.chunks[1:], tall[1:], strict=True))
    inner = [w // c for w, c in zip(width, u.chunks[1:], strict=True)]
    outer = [w // t for w, t in zip(width, tall[1:], strict=True)]

    def one(column: Index) -> None:
        slab = vars(slabs).setdefault("slab", None)
        if slab is None:
            slab = slabs.slab = np.empty((u.shape[0], *width), "f4")
        for k, *at in itertools.product(range(u.grid[0]), *map(range, inner)):
            index = (k, *(c * n + i for c, n, i in zip(column, inner, at, strict=True)))
            slab[u.where((k, *at))] = u.read(index, kept.raw, kept.a)
        for at in itertools.product(*map(range, outer)):
            index = (0, *(c * n + i for c, n, i in zip(column, outer, at, strict=True)))
            out.write(index, np.ascontiguousarray(slab[out.where((0, *at))]))

    each(one, itertools.product(*(range(n // w) for n, w in zip(u.shape[1:], width, strict=True))), threads)
    out.close()


def line(u: Files, at: Index, threads: int) -> np.ndarray:
    """u[:, i, j]"""
    out, kept = np.empty(u.shape[0], "f4"), Buffers(u.chunks)
    chunk, inside = zip(*(divmod(i, c) for i, c in zip(at, u.chunks[1:], strict=True)), strict=True)

    def one(k: int) -> None:
        index = (k, *chunk)
        out[u.where(index)[0]] = u.read(index, kept.raw, kept.a)[:, *inside]

    each(one, range(u.grid[0]), threads)
    return out


def stride(u: Files, steps: Index, threads: int) -> float:
    """u[::a, ::b, ::c].mean(): chunks without a picked element are not read"""
    kept = Buffers(u.chunks)
    count = math.prod(len(range(0, n, step)) for n, step in zip(u.shape, steps, strict=True))

    def picked(index: Index) -> tuple[slice, ...]:
        every = zip(index, u.chunks, steps, strict=True)
        return tuple(slice(-i * c % step, c, step) for i, c, step in every)

    def one(index: Index) -> float:
        part = u.read(index, kept.raw, kept.a)[picked(index)]
        return float(part.sum(dtype="f8"))

    needed = [i for i in u.indices() if all(s.start < s.stop for s in picked(i))]
    return math.fsum(each(one, needed, threads)) / count


def diff(u: Files, threads: int) -> float:
    """(u[1:] - u[:-1]).max(): a column of chunks from top to bottom, the last plane of each kept"""
    kept = Buffers(u.chunks)
    plane = math.prod(u.chunks[1:])
    step = max(1, TILE // plane)

    def one(column: Index) -> float:
        most, last = -math.inf, None
        for k in range(u.grid[0]):
            a = u.read((k, *column), kept.raw, kept.a)
            if last is not None:
                most = max(most, float(np.subtract(a[0], last, out=last).max()))
            most = max(most, inside(a))
            last = a[-1].copy()
        return most

    def inside(a: np.ndarray) -> float:
        most = -math.inf
        for low in range(0, len(a) - 1, step):
            high = min(low + step, len(a) - 1)
            out = kept.tile[: (high - low) * plane].reshape(high - low, *a.shape[1:])
            most = max(most, float(np.subtract(a[low + 1 : high + 1], a[low:high], out=out).max()))
        return most

    return max(each(one, itertools.product(*map(range, u.grid[1:])), threads))


def masked(u: Files, threads: int) -> float:
    """u[u > 2].mean()"""
    kept = Buffers(u.chunks)

    def one(index: Index) -> tuple[float, int]:
        x = u.read(index, kept.raw, kept.a).reshape(-1)
        tiles = [tile(x[k : k + TILE]) for k in range(0, x.size, TILE)]
        return sum(amount for amount, _ in tiles), sum(count for _, count in tiles)

    def tile(p: np.ndarray) -> tuple[float, int]:
        mask = np.greater(p, 2, out=kept.mask[: p.size])
        amount = float(np.multiply(p, mask, out=kept.tile[: p.size]).sum(dtype="f8"))
        return amount, int(np.count_nonzero(mask))

    amounts, counts = zip(*each(one, u.indices(), threads), strict=True)
    return math.fsum(amounts) / sum(counts)
