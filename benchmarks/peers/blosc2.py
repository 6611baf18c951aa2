"""python-blosc2 on a file of its own with the same chunks and the same codec, with two threads."""

from __future__ import annotations

import os

import blosc2
import roofline

blosc2.set_nthreads(2)
CODEC = {
    "codec": blosc2.Codec.LZ4,
    "clevel": 5,
    "filters": [blosc2.Filter.SHUFFLE],
    "filters_meta": [0],
    "nthreads": 2,
}


class Lazy:
    """The workloads as its users write them: expressions that compute where a number or a file is asked for."""

    def open(self, path):
        own = path + ".b2nd"
        if not os.path.exists(own):
            files = roofline.Files.open(path)
            values = roofline.read(files, threads=2)
            blosc2.asarray(values, chunks=files.chunks, cparams=CODEC, urlpath=own + ".part")
            files.close()
            os.rename(own + ".part", own)
        return blosc2.open(own, mode="r", dparams={"nthreads": 2})

    def stored_values(self, path):
        return blosc2.open(path + "/u.b2nd", mode="r")[...]

    def save(self, value, path, chunks):
        os.mkdir(path)
        value.compute(urlpath=path + "/u.b2nd", chunks=tuple(chunks), cparams=CODEC)

    def total(self, u):
        return u.sum()

    def mean0(self, u):
        return u.mean(axis=0)[...]

    def quad(self, u, v):
        return ((u * u + v * v) ** 0.5).mean()

    def stats(self, u):
        return u.mean(), u.std(), u.min(), u.max()

    def map_write(self, u, path, chunks):
        self.save(u * 2 + 1, path, chunks)

    def anom_write(self, u, path, chunks):
        self.save(u - u.mean(axis=0), path, chunks)

    def rechunk(self, u, path, chunks):
        os.mkdir(path)
        chunks, blocks = blosc2.compute_chunks_blocks(u.shape, chunks=tuple(chunks), dtype=u.dtype)
        u.copy(urlpath=path + "/u.b2nd", chunks=chunks, blocks=blocks, cparams=CODEC)

    def line(self, u, at):
        return u[:, at[0], at[1]]

    def stride(self, u, steps):
        return u[tuple(slice(None, None, step) for step in steps)].mean()

    def diff(self, u):
        return (u[1:] - u[:-1]).max()

    def masked(self, u):
        return u[u > 2].mean()
