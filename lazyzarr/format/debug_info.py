"""What to say about a machine when something goes wrong on it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

__all__ = ["print_debug_info"]

_REQUIRED = ("numpy", "numcodecs", "dask", "donfig")
_OPTIONAL = ("zarr", "fsspec", "obstore", "distributed", "xarray", "ml_dtypes", "rich")


def print_debug_info() -> None:
    """Print the versions of lazyzarr, Python, the system, and of the packages that matter to it."""
    lines = [
        f"platform: {platform.platform()}",
        f"python: {platform.python_version()}",
        f"lazyzarr: {_version('lazyzarr')}",
    ]
    for title, names in (("Required", _REQUIRED), ("Optional", _OPTIONAL)):
        lines += ["", f"{title} packages", *(f"{name}: {_version(name)}" for name in names)]
    print("\n".join(lines))  # noqa: T201  this is what it is for


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
