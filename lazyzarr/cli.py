"""The command line: `lazyzarr demo`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import lazyzarr as lz

from . import demo

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of one command: 0 where all went well, 1 where a check failed; 2 for wrong usage.

    >>> main(["demo", "--size", "8MB", "--memory", "200MB"])  # doctest: +SKIP
    0
    """
    options = _parser().parse_args(arguments)
    return demo.run(options.folder, options.size, options.memory)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lazyzarr", description="Open any Zarr, write NumPy, get an answer or a new Zarr."
    )
    parser.add_argument("--version", action="version", version=f"lazyzarr {lz.__version__}")
    commands = parser.add_subparsers(title="commands", required=True)
    show = commands.add_parser("demo", help="see the main job run and check itself, in under a minute")
    show.add_argument("folder", nargs="?", help="where to leave the arrays; a temporary folder if not given")
    show.add_argument("--size", default="400MB", help="of the array to make (default: %(default)s)")
    show.add_argument("--memory", default="200MB", help="that the jobs may use (default: %(default)s)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
