"""The eleven lazy workloads as NumPy spells them, for the libraries whose arrays have NumPy's face."""

from __future__ import annotations


class NumpyFace:
    """Who has it says how expressions are computed, and how one is written to a Zarr of given chunks."""

    def compute(self, *values):
        raise NotImplementedError

    def save(self, value, path, chunks):
        raise NotImplementedError

    def total(self, u):
        return self.compute(u.sum())[0]

    def mean0(self, u):
        return self.compute(u.mean(axis=0))[0]

    def quad(self, u, v):
        return self.compute(((u * u + v * v) ** 0.5).mean())[0]

    def stats(self, u):
        return self.compute(u.mean(), u.std(), u.min(), u.max())

    def map_write(self, u, path, chunks):
        self.save(u * 2 + 1, path, chunks)

    def anom_write(self, u, path, chunks):
        self.save(u - u.mean(axis=0), path, chunks)

    def rechunk(self, u, path, chunks):
        self.save(u.rechunk(chunks), path, chunks)

    def line(self, u, at):
        return self.compute(u[:, at[0], at[1]])[0]

    def stride(self, u, steps):
        return self.compute(u[tuple(slice(None, None, step) for step in steps)].mean())[0]

    def diff(self, u):
        return self.compute((u[1:] - u[:-1]).max())[0]

    def masked(self, u):
        return self.compute(u[u > 2].mean())[0]
