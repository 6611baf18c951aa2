"""Arrays and groups copied into a group, the chunks of arrays as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

from ..errors import BaseZarrError, ContainsArrayError, ContainsNodeError
from . import commit
from .array import Array
from .consolidated import without_consolidated
from .copy_log import IF_EXISTS, CopyCount, CopyLog, checked_choice
from .group import Group
from .keys import join_path
from .making import is_stored_elsewhere, kept_words, make_array
from .open import open as open_node
from .open import open_group
from .options import DEFAULT
from .resolve import StoreLike, is_remote
from .stored import copy_chunks
from .stores.protocol import Store

__all__ = ["copy", "copy_all"]

IfExists = Literal["raise", "replace", "skip", "skip_initialized"]


def copy(
    source: Any,
    dest: Group | StoreLike,
    name: str | None = None,
    shallow: bool = False,
    without_attrs: bool = False,
    log: Any = None,
    if_exists: IfExists = "raise",
    dry_run: bool = False,
    *,
    storage_options: Mapping[str, Any] | None = None,
    **create_kws: Any,
) -> CopyCount:
    """The numbers of nodes copied and skipped, and of bytes, after an array or group was copied into a group.

    Parameters
    ----------
    source : Array, Group, path or Store
        What is copied. Other arrays (h5py's) and groups with a `name` and attributes are copied, too.
    dest : Group, path or Store
        The group that gets it; made if a path leads to nothing.
    name : str, optional
        The copy's name; by default that of the source.
    shallow : bool
        Of a group copy only the arrays right in it.
    without_attrs : bool
        Leave out the user's attributes.
    log : callable, path or text stream
        Where each node is said, and at the end the numbers.
    if_exists : "raise", "replace", "skip" or "skip_initialized"
        What is done where an array is there already; "skip_initialized" replaces it if it lacks chunks.
        Groups are joined.
    dry_run : bool
        Only say what would be done.
    storage_options : mapping, optional
        Of remote stores that are given by URL.
    **create_kws
        What `create_array` takes: the copied arrays are re-encoded so. Without any, and in the same version
        of the format, chunks are copied as they are stored, not decoded.

    Each array appears complete. Raises ContainsArrayError, ContainsGroupError, ReadOnlyStoreError, StoreError,
    BaseZarrError for a group that is copied into itself.

    >>> root = lz.open_group("a.zarr")
    >>> _ = root.create_array("foo/bar", data=np.arange(100), chunks=10)
    >>> lz.copy(root["foo"], lz.group("b.zarr"), log=print)
    copy /foo
    copy /foo/bar (100,) int64
    all done: 2 copied, 0 skipped, 800 bytes copied
    CopyCount(n_copied=2, n_skipped=0, n_bytes_copied=800)
    """
    found, into = _source(source, storage_options), _dest(dest, storage_options)
    if name is None:
        name = str(getattr(found, "name", "") or "").rpartition("/")[2]
    if not name:
        raise BaseZarrError('the source has no name, as the root of a store has none; give name="..."')
    wants = _Wants(shallow, without_attrs, checked_choice(if_exists, CHOICES), dry_run, create_kws)
    _check_apart(found, into, join_path(into.path, name))
    with CopyLog(log, dry_run) as said:
        _copy(found, _Place(into, into.store, name), wants, said, root=True)
    return said.count


def copy_all(
    source: Any,
    dest: Group | StoreLike,
    shallow: bool = False,
    without_attrs: bool = False,
    log: Any = None,
    if_exists: IfExists = "raise",
    dry_run: bool = False,
    *,
    storage_options: Mapping[str, Any] | None = None,
    **create_kws: Any,
) -> CopyCount:
    """The same as `copy` gives, after all that is in a group was copied into another one, and its attributes.

    Raises as `copy`.

    >>> root = lz.open_group("a.zarr")
    >>> _ = root.create_array("foo", data=np.arange(100), chunks=10)
    >>> lz.copy_all("a.zarr", "b.zarr")
    CopyCount(n_copied=1, n_skipped=0, n_bytes_copied=800)
    """
    found, into = _source(source, storage_options), _dest(dest, storage_options)
    if hasattr(found, "shape"):
        raise BaseZarrError(f"{found!r} is an array; copy_all copies what is in a group, copy an array")
    wants = _Wants(shallow, without_attrs, checked_choice(if_exists, CHOICES), dry_run, create_kws)
    _check_apart(found, into, into.path)
    with CopyLog(log, dry_run) as said:
        if not without_attrs and not dry_run and found.attrs:
            into.attrs.update(found.attrs)
        for name in list(found):
            _copy(found[name], _Place(into, into.store, name), wants, said, root=False)
    return said.count


CHOICES = (*IF_EXISTS, "skip_initialized")


@dataclass(frozen=True, slots=True)
class _Wants:
    """How it is to be copied."""

    shallow: bool
    without_attrs: bool
    if_exists: str
    dry_run: bool
    options: Mapping[str, Any]


class _Place(NamedTuple):
    """Where a copy goes: a group (None: one that a dry run does not make) and a name in it."""

    group: Group | None
    store: Store
    name: str

    def there(self) -> Any:
        """What is there, or None."""
        return None if self.group is None else self.group.get(self.name)


def _source(source: Any, options: Mapping[str, Any] | None) -> Any:
    if hasattr(type(source), "__lazyzarr_store__"):
        raise BaseZarrError(
            "copy(source, dest) is zarr's, for what is stored; a lazy array needs no copy, and "
            'x.to_zarr("new.zarr") stores it'
        )
    if isinstance(source, Array | Group) or hasattr(source, "attrs"):
        return source
    return open_node(source, "r", storage_options=options if is_remote(source) else None)


def _dest(dest: Any, options: Mapping[str, Any] | None) -> Group:
    if isinstance(dest, Group):
        return dest
    return open_group(dest, "a", storage_options=options if is_remote(dest) else None)


def _check_apart(source: Any, dest: Group, path: str) -> None:
    """Raise if a group is to be copied to a place in itself."""
    if isinstance(source, Group) and source.store == dest.store:
        inside = f"{path}/".startswith(f"{source.path}/") if source.path else True
        if inside:
            raise BaseZarrError(
                f"{source.store_path} cannot be copied into itself, to {dest.store.url(path)}; copy it to a "
                "place outside"
            )


def _copy(source: Any, place: _Place, wants: _Wants, said: CopyLog, root: bool) -> None:
    if hasattr(source, "shape"):
        _copy_array(source, place, wants, said)
    elif root or not wants.shallow:
        _copy_group(source, place, wants, said)


def _copy_array(source: Any, place: _Place, wants: _Wants, said: CopyLog) -> None:
    there = place.there()
    if there is not None and wants.if_exists == "raise":
        raise ContainsNodeError(
            f"{there.store_path} exists already, so {source.name} was not copied; "
            'if_exists="replace" replaces it, "skip" leaves it'
        )
    if there is not None and (wants.if_exists == "skip" or _is_initialized(there, wants)):
        said.skipped(source.name)
        return
    said.copied(f"{source.name} {source.shape} {source.dtype}", source.size * source.dtype.itemsize)
    if not wants.dry_run and place.group is not None:
        _store_copy(source, place.group, place.name, wants)


def _is_initialized(there: Any, wants: _Wants) -> bool:
    if wants.if_exists != "skip_initialized" or not isinstance(there, Array):
        return False
    return there.nchunks_initialized == there.nchunks


def _store_copy(source: Any, group: Group, name: str, wants: _Wants) -> None:
    path = join_path(group.path, name)
    overwrite = wants.if_exists != "raise"
    stored = isinstance(source, Array) and not source.is_view
    if stored and not wants.options and source.zarr_format == group.zarr_format:
        metadata = source.metadata.with_attributes({}) if wants.without_attrs else source.metadata
        write = partial(copy_chunks, source.store, source.path, source.metadata)
        commit.create_array(group.store, path, metadata, overwrite=overwrite, write_data=write)
        return
    words: dict[str, Any] = {"zarr_format": group.zarr_format, "overwrite": overwrite}
    kept = {"chunks": source.chunks} if is_stored_elsewhere(source) else {}
    kept |= kept_words(source)
    if kept.get("zarr_format", group.zarr_format) != group.zarr_format:
        kept = {word: kept[word] for word in ("chunks", "dimension_names")}
    if not wants.without_attrs:
        words["attributes"] = dict(source.attrs)
    fill_value = getattr(source, "fill_value", getattr(source, "fillvalue", DEFAULT))
    options = {**kept, **words, **wants.options}
    fill_value = options.pop("fill_value", fill_value)
    make_array(group.store, path, "copy", options, data=source, fill_value=fill_value)


def _copy_group(source: Any, place: _Place, wants: _Wants, said: CopyLog) -> None:
    there = place.there()
    if hasattr(there, "shape"):
        if wants.if_exists == "raise":
            raise ContainsArrayError(
                f"{there.store_path} is an array, and {source.name} is a group, which was not copied; "
                'if_exists="replace" replaces it, "skip" leaves it'
            )
        if wants.if_exists == "skip":
            said.skipped(source.name)
            return
        there = None
    said.copied(source.name, 0)
    group = there
    if not wants.dry_run and place.group is not None:
        group = _joined(source, place.group, place.name, there, wants)
    for name in list(source):
        _copy(source[name], _Place(group, place.store, name), wants, said, root=False)


def _joined(source: Any, dest: Group, name: str, there: Group | None, wants: _Wants) -> Group:
    """The group at the destination, with the source's attributes."""
    path = join_path(dest.path, name)
    attributes = {} if wants.without_attrs else dict(source.attrs)
    if there is not None:
        if attributes:
            there.attrs.update(attributes)
        return there
    if isinstance(source, Group) and source.zarr_format == dest.zarr_format:
        metadata = without_consolidated(source.metadata).with_attributes(attributes)
        commit.create_group(dest.store, path, metadata, overwrite=wants.if_exists != "raise")
        return Group(dest.store, path, metadata)
    return dest.create_group(name, attributes=attributes, overwrite=wants.if_exists != "raise")
