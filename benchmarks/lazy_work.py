"""The eleven lazy workloads: what a peer is asked, and what its answer is compared by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import roofline

STEPS = (10, 4, 4)
ROUNDING = 1e-4  # of values near 1, whose means may be float32's own


class LazyWork:
    """A workload yields what is timed, then what is compared: numbers, or whether what was written is right.

    A peer's `Lazy` opens what is stored and does the work; `field` and `opened` are the worker's.
    """

    def total(self, **place):
        u = self.opened("u", **place)
        got = yield lambda: self.lazy.total(u)
        yield [float(got)]

    def mean0(self, **place):
        u = self.opened("u", **place)
        got = yield lambda: self.lazy.mean0(u)
        yield [float(got.mean(dtype="f8")), float(got.min()), float(got.max()), *map(float, got[::100, 7])]

    def quad(self, **place):
        u, v = (self.opened(name, **place) for name in "uv")
        got = yield lambda: self.lazy.quad(u, v)
        yield [float(got)]

    def stats(self, **place):
        u = self.opened("u", **place)
        got = yield lambda: self.lazy.stats(u)
        yield list(map(float, got))

    def map_write(self, **place):
        u = self.opened("u", **place)
        yield lambda: self.lazy.map_write(u, place["out"], tuple(place["chunks"]))
        field = self.field("u", place["shape"])
        yield self.holds(place["out"], place["chunks"], lambda where: field[where] * 2 + 1)

    def anom_write(self, **place):
        u = self.opened("u", **place)
        yield lambda: self.lazy.anom_write(u, place["out"], tuple(place["chunks"]))
        field = self.field("u", place["shape"])
        mean = self.once(f"mean {place['shape']}", lambda: field.mean(axis=0, dtype="f8"))
        yield self.holds(
            place["out"], place["chunks"], lambda where: field[where] - mean[where[1:]], ROUNDING
        )

    def rechunk(self, **place):
        u, shape = self.opened("u", **place), place["shape"]
        tall = (shape[0], *(max(1, n // 16) for n in shape[1:]))
        yield lambda: self.lazy.rechunk(u, place["out"], tall)
        yield self.holds(place["out"], tall, lambda where: self.field("u", shape)[where])

    def line(self, **place):
        u, at = self.opened("u", **place), _at(place["shape"])
        got = yield lambda: self.lazy.line(u, at)
        yield bool(np.array_equal(got, self.field("u", place["shape"])[:, at[0], at[1]]))

    def stride(self, **place):
        u = self.opened("u", **place)
        got = yield lambda: self.lazy.stride(u, STEPS)
        yield [float(got)]

    def diff(self, **place):
        u = self.opened("u", **place)
        got = yield lambda: self.lazy.diff(u)
        yield [float(got)]

    def masked(self, **place):
        u = self.opened("u", **place)
        got = yield lambda: self.lazy.masked(u)
        yield [float(got)]

    def holds(self, path: str, chunks: list[int], expected: Callable, within: float = 0) -> bool:
        """Whether what a peer wrote has these chunks and, chunk by chunk, the values expected."""
        if hasattr(self.lazy, "stored_values"):
            values = self.lazy.stored_values(path)
            everything = tuple(slice(0, n) for n in values.shape)
            return bool(np.allclose(values, expected(everything), rtol=0, atol=within))
        files = roofline.Files.open(path + getattr(self.lazy, "below", ""))
        kept = roofline.Buffers(files.chunks)

        def one(index: roofline.Index) -> bool:
            got = files.read(index, kept.raw, kept.a)
            return np.allclose(got, expected(files.where(index)), rtol=0, atol=within)

        try:
            return files.chunks == tuple(chunks) and all(roofline.each(one, files.indices(), threads=2))
        finally:
            files.close()


def _at(shape: list[int]) -> tuple[int, int]:
    """The line [:, 100, 200] of 512 x 512, and the like of smaller ones."""
    return 100 * shape[1] // 512, 200 * shape[2] // 512
