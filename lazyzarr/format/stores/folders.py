"""Folders: made where they are missing, walked, removed with all they hold, moved in one step.

What fails is an OSError. Paths are relative to the directory descriptor `at`, or absolute where it is None.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from .. import os_calls
from ..keys import is_reserved

__all__ = ["check_missing", "exchange", "make_folders", "remove_tree", "take", "walk"]


def make_folders(at: int | None, folder: str) -> None:
    """Make a folder and those above it where they are missing."""
    missing, tries = [folder], 0
    while missing:
        tries += 1
        try:
            os_calls.calls.mkdir(missing[-1], dir_fd=at)
        except FileExistsError:
            pass
        except FileNotFoundError:
            above = os.path.dirname(missing[-1])
            # Below some folders (/proc) nothing can be made, whatever is there.
            if not above or tries > 4096:
                raise
            check_missing(
                at, above
            )  # below a link that leads nowhere no folder can be made, however often tried
            missing.append(above)
            continue
        missing.pop()


def check_missing(at: int | None, path: str) -> None:
    """Return if a path is missing indeed; raise if a link on the way to it leads nowhere."""
    calls = os_calls.calls
    while path and path != "/":
        try:
            mode = calls.stat(path, dir_fd=at, follow_symlinks=False).st_mode
        except FileNotFoundError:
            path = os.path.dirname(path)
            continue
        if stat.S_ISLNK(mode):
            try:
                calls.stat(path, dir_fd=at)
            except FileNotFoundError as missing:
                raise OSError(errno.ELOOP, "a link that leads nowhere", path) from missing
        return


def remove_tree(folder: str) -> None:
    """Remove a folder and all below it, links themselves and not what they lead to."""
    stack = [folder]
    while stack:
        try:
            found = os_calls.calls.scandir(stack[-1])
        except FileNotFoundError:
            stack.pop()
            continue
        below = [entry.path for entry in found if entry.is_dir(follow_symlinks=False)]
        for entry in found:
            if not entry.is_dir(follow_symlinks=False):
                _unlink(entry.path)
        if below:
            stack += below
            continue
        try:
            os_calls.calls.rmdir(stack.pop())
        except FileNotFoundError:
            continue


def walk(folder: str) -> Iterator[str]:
    """The paths of the files below a folder, relative to it; reserved names are left out.

    Links to folders are followed, each folder once, so that a circle of links comes to an end.
    """
    stack, seen = [""], set()
    while stack:
        here = stack.pop()
        for entry in os_calls.calls.scandir(os.path.join(folder, here)):
            if is_reserved(entry.name):
                continue
            path = os.path.join(here, entry.name)
            if not _is_folder(entry):
                yield path
                continue
            if entry.is_symlink():
                info = entry.stat()
                if (info.st_dev, info.st_ino) in seen:
                    continue
                seen.add((info.st_dev, info.st_ino))
            stack.append(path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one; a link that leads in a circle is none."""
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return False


def _unlink(path: str) -> None:
    try:
        os_calls.calls.unlink(path)
    except FileNotFoundError:
        return


def take(new: str, target: str) -> bool:
    """Rename a folder to a name that is free (or an empty folder's); whether it was."""
    try:
        make_folders(None, os.path.dirname(target))
        os_calls.calls.rename(new, target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    return True


def exchange(new: str, target: str) -> bool:
    """Let two folders trade names; a target that is not there is taken."""
    try:
        os_calls.calls.exchange(new, target)
    except FileNotFoundError:
        return take(new, target)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
            raise NotImplementedError(f"the filesystem of {target} cannot exchange two folders") from error
        raise
    return True
