"""What the local store says of a file: which one it is, which value it holds, and why a call on it failed."""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable

__all__ = ["identity_of", "reason", "version_of"]

_CURES = {
    errno.EISDIR: "a folder stands where a file should: another separator of chunk keys, or damage",
    errno.ENOTDIR: "a file stands where a folder should: another separator of chunk keys, or damage",
    errno.ENOSPC: "what was stored before is unchanged; free some space and write again",
    errno.EDQUOT: "what was stored before is unchanged; free some space and write again",
    errno.EMFILE: "raise the limit with `ulimit -n`, or keep fewer arrays open",
    errno.EACCES: "check who may read and write there",
    errno.EPERM: "check who may read and write there",
    errno.EROFS: 'the filesystem is mounted read-only; open with mode="r"',
}


def identity_of(info: os.stat_result) -> Hashable:
    """Which file or folder it is: equal for one and the same, whatever its name."""
    return info.st_dev, info.st_ino


def version_of(info: os.stat_result) -> Hashable:
    """Which value a file holds: each value stored makes a new file."""
    return info.st_ino, info.st_mtime_ns, info.st_size


def reason(error: OSError) -> str:
    """Why a call failed, in words, and what may cure it."""
    name = errno.errorcode.get(error.errno or 0, "")
    cure = _CURES.get(error.errno or 0)
    return f"{error.strerror or error}{f' ({name})' if name else ''}{f'; {cure}' if cure else ''}"
