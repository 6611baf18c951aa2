"""The exceptions and warnings of lazyzarr: one tree, each class with the facts as fields.

    LazyzarrError
    ├── BaseZarrError (ValueError)            what a hierarchy, its metadata or a selection has wrong
    │   ├── NodeNotFoundError (FileNotFoundError, KeyError)
    │   │   ├── ArrayNotFoundError
    │   │   └── GroupNotFoundError
    │   ├── ContainsNodeError (FileExistsError)
    │   │   ├── ContainsArrayError
    │   │   │   └── UnfinishedWriteError
    │   │   ├── ContainsGroupError
    │   │   └── ContainsArrayAndGroupError
    │   ├── MetadataValidationError
    │   │   ├── UnknownDataTypeError
    │   │   ├── UnknownCodecError
    │   │   └── NodeTypeValidationError
    │   ├── PickleCodecDisabledError
    │   ├── InvalidKeyError
    │   ├── BoundsCheckError (IndexError)
    │   ├── SelectionError (IndexError)
    │   ├── ShapeMismatchError
    │   └── DataTypeMismatchError (TypeError)
    ├── StoreError (OSError)                  a store failed: never "not found"
    │   ├── ReadOnlyStoreError (PermissionError)
    │   └── StoreReachError                   a worker cannot see that store
    ├── ChunkError
    │   ├── ChunkDecodeError                  stored bytes that are not the chunk
    │   ├── ChunkEncodeError
    │   ├── ChunkMemoryError (MemoryError)    a chunk that memory does not hold
    │   └── ChunkNotFoundError (KeyError)
    ├── ArrayReplacedError                    the array was replaced or deleted under an open handle
    ├── SourceChangedError                    a lazy source has another shape, dtype or codecs than at planning
    ├── LockUnavailableError
    └── PlanError                             a plan that breaks a law; nothing was written
        ├── MemoryBudgetError (MemoryError)
        ├── WriteConflictError
        └── TargetIsSourceError

    ZarrUserWarning (UserWarning)
    └── DamagedNodeWarning                    a member of a group that cannot be read, and was left out
    UnsignedWrapWarning (RuntimeWarning)      a difference of unsigned integers, which can wrap around below 0
    ZarrDeprecationWarning, ZarrFutureWarning, UnstableSpecificationWarning, ZarrRuntimeWarning: zarr-python's names

zarr-python's other names stand for those above: ArrayIndexError is BoundsCheckError, NegativeStepError and
VindexInvalidSelectionError are SelectionError, DataTypeValidationError is UnknownDataTypeError.

Catch `LazyzarrError` for everything, or the built-in named in brackets:

>>> try:
...     raise ArrayNotFoundError("no array at file://typo.zarr")
... except FileNotFoundError as error:
...     print(error)
no array at file://typo.zarr
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ArrayIndexError",
    "ArrayNotFoundError",
    "ArrayReplacedError",
    "BaseZarrError",
    "BoundsCheckError",
    "ChunkDecodeError",
    "ChunkEncodeError",
    "ChunkError",
    "ChunkMemoryError",
    "ChunkNotFoundError",
    "ContainsArrayAndGroupError",
    "ContainsArrayError",
    "ContainsGroupError",
    "ContainsNodeError",
    "DamagedNodeWarning",
    "DataTypeMismatchError",
    "DataTypeValidationError",
    "GroupNotFoundError",
    "InvalidKeyError",
    "LazyzarrError",
    "LockUnavailableError",
    "MemoryBudgetError",
    "MetadataValidationError",
    "NegativeStepError",
    "NodeNotFoundError",
    "NodeTypeValidationError",
    "PickleCodecDisabledError",
    "PlanError",
    "ReadOnlyStoreError",
    "SelectionError",
    "ShapeMismatchError",
    "SourceChangedError",
    "StoreError",
    "StoreReachError",
    "TargetIsSourceError",
    "UnfinishedWriteError",
    "UnknownCodecError",
    "UnknownDataTypeError",
    "UnsignedWrapWarning",
    "UnstableSpecificationWarning",
    "VindexInvalidSelectionError",
    "WriteConflictError",
    "ZarrDeprecationWarning",
    "ZarrFutureWarning",
    "ZarrRuntimeWarning",
    "ZarrUserWarning",
]


class LazyzarrError(Exception):
    """Every error that lazyzarr raises of its own."""


class BaseZarrError(LazyzarrError, ValueError):
    """Something is wrong with a hierarchy, its metadata or a selection."""


class NodeNotFoundError(BaseZarrError, FileNotFoundError, KeyError):
    """No array or group where one was asked for: of a path, or of a key of a group."""

    # OSError formats two arguments as "[Errno n] text", KeyError one as its repr; ours carry one text.
    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ArrayNotFoundError(NodeNotFoundError):
    """No array where one was asked for."""


class GroupNotFoundError(NodeNotFoundError):
    """No group where one was asked for."""


class ContainsNodeError(BaseZarrError, FileExistsError):
    """The place already holds a node, and the mode given does not replace it."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ContainsArrayError(ContainsNodeError):
    """The place already holds an array."""


class UnfinishedWriteError(ContainsArrayError):
    """The place holds an unfinished write."""


class ContainsGroupError(ContainsNodeError):
    """The place already holds a group."""


class ContainsArrayAndGroupError(ContainsNodeError):
    """The place holds an array and a group at once."""


class MetadataValidationError(BaseZarrError):
    """A metadata document is damaged, or not what the specification allows."""


class UnknownDataTypeError(MetadataValidationError):
    """The metadata names a data type that is not known here."""


class UnknownCodecError(MetadataValidationError):
    """The metadata names a codec that is not known here."""


class NodeTypeValidationError(MetadataValidationError):
    """The node is of another kind than the one asked for."""


class PickleCodecDisabledError(BaseZarrError):
    """Unpickling runs code: refused unless the call asks for it."""


class InvalidKeyError(BaseZarrError):
    """A key or path that could leave the store, or that the specification forbids."""


class BoundsCheckError(BaseZarrError, IndexError):
    """An index beyond the end of an axis."""


class SelectionError(BaseZarrError, IndexError):
    """A selection that this way of indexing does not take."""


class ShapeMismatchError(BaseZarrError):
    """Shapes that do not fit each other."""


class DataTypeMismatchError(BaseZarrError, TypeError):
    """Values that an array's data type cannot hold without loss."""


class StoreError(LazyzarrError, OSError):
    """A store failed to do what was asked; `key` is where, `__cause__` is why.

    Parameters
    ----------
    message : str
        What and where.
    key : str, optional
        The key within the store.
    """

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key

    def __reduce__(self) -> tuple[type, tuple[str, str | None]]:
        return type(self), (str(self), self.key)

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ReadOnlyStoreError(StoreError, PermissionError):
    """A write to what was opened read-only."""


class StoreReachError(StoreError):
    """A store that lives in one process (or on one host) and is needed in another."""


class ChunkError(LazyzarrError):
    """One chunk failed.

    Parameters
    ----------
    message : str
        What and where, with the URL, the key and the index range.
    key : str, optional
        The chunk's key within the store.
    codec : str, optional
        The codec at fault, by its name in the metadata.
    """

    def __init__(self, message: str, key: str | None = None, codec: str | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.codec = codec

    def __reduce__(self) -> tuple[type, tuple[str, str | None, str | None]]:
        return type(self), (str(self.args[0]), self.key, self.codec)


class ChunkDecodeError(ChunkError, ValueError):
    """Stored bytes that do not decode to the chunk: damaged, or the metadata is wrong."""


class ChunkEncodeError(ChunkError, ValueError):
    """A chunk that its codecs cannot encode."""


class ChunkMemoryError(ChunkError, MemoryError):
    """A chunk that memory does not hold, decoded: it is too large for this machine, or its metadata is wrong."""


class ChunkNotFoundError(ChunkError, KeyError):
    """A chunk that is not stored, where missing chunks are not to be read as fill."""

    # KeyError shows its argument's repr; a sentence should read as one.
    __str__ = Exception.__str__


class ArrayReplacedError(LazyzarrError):
    """The array was replaced or deleted while a handle on it was open."""


class SourceChangedError(LazyzarrError):
    """A lazy source has another shape, dtype or codecs than when the expression was made."""


class LockUnavailableError(LazyzarrError):
    """The filesystem gives no lock, so a partial write could lose another one's."""


class PlanError(LazyzarrError, ValueError):
    """A plan that breaks a law; it was refused before anything ran."""


class MemoryBudgetError(PlanError, MemoryError):
    """A step that cannot be done within `memory=`.

    Parameters
    ----------
    message : str
        What needs how much, which step that is, and what fits.
    needed, allowed : int
        Bytes.
    cures : tuple of (str, str)
        Changes after which it fits, each of them planned, and what each comes to.
    """

    def __init__(
        self, message: str, needed: int = 0, allowed: int = 0, cures: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(message)
        self.needed, self.allowed, self.cures = needed, allowed, cures

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), (str(self.args[0]), self.needed, self.allowed, self.cures)


class TemporarySpaceError(PlanError, OSError):
    """Temporary arrays that the disk has no room for."""


class WriteConflictError(PlanError):
    """Two writers for one chunk or shard."""


class TargetIsSourceError(PlanError):
    """The target of a write is among what the expression reads."""


class ZarrUserWarning(UserWarning):
    """Something that its reader should know and that is not wrong by itself."""


class DamagedNodeWarning(ZarrUserWarning):
    """A member of a group has metadata that cannot be read: it was left out where members are listed."""


class UnsignedWrapWarning(RuntimeWarning):
    """A difference of unsigned integers is unsigned, too: below 0 it wraps around to large numbers, as in NumPy."""


class ZarrDeprecationWarning(DeprecationWarning):
    """Something that will be spelled in another way."""


class ZarrFutureWarning(FutureWarning):
    """Something that will mean something else."""


class UnstableSpecificationWarning(ZarrFutureWarning):
    """Something that no specification settles yet."""


class ZarrRuntimeWarning(RuntimeWarning):
    """Something that looks wrong and was gone on with."""


# zarr-python's names for errors that have another one above, so that programs that catch them go on doing so.
ArrayIndexError = BoundsCheckError
DataTypeValidationError = UnknownDataTypeError
NegativeStepError = SelectionError
VindexInvalidSelectionError = SelectionError
