"""The hand-written loops of roofline.py and loops.py, on as many threads as the variant says."""

from __future__ import annotations

import os
from functools import partial

import loops
import roofline

THREADS = int(os.environ["VARIANT"] or "1")

open_array = roofline.Files.open
write = partial(roofline.write, threads=THREADS)
read = partial(roofline.read, threads=THREADS)


class Lazy:
    """The workloads; chunks written are those read, but for rechunk."""

    open = staticmethod(roofline.Files.open)

    def total(self, u):
        return loops.total(u, THREADS)

    def mean0(self, u):
        return loops.mean0(u, THREADS)

    def quad(self, u, v):
        return loops.quad(u, v, THREADS)

    def stats(self, u):
        return loops.stats(u, THREADS)

    def map_write(self, u, path, chunks):
        loops.map_write(u, path, THREADS)

    def anom_write(self, u, path, chunks):
        loops.anom_write(u, path, THREADS)

    def rechunk(self, u, path, chunks):
        loops.rechunk(u, path, chunks, THREADS)

    def line(self, u, at):
        return loops.line(u, at, THREADS)

    def stride(self, u, steps):
        return loops.stride(u, steps, THREADS)

    def diff(self, u):
        return loops.diff(u, THREADS)

    def masked(self, u):
        return loops.masked(u, THREADS)
