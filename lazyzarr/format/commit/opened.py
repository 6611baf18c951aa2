"""Whether the node that is about to be changed is the one that the caller opened."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from ...errors import ArrayReplacedError
from ..lookup import NodeMetadata
from ..metadata import ArrayMetadata
from ..stores.protocol import Store
from ..watch import same_chunks

__all__ = ["Opened"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A node as it was when it was opened."""

    metadata: NodeMetadata
    place: Hashable | None = None
    """Where it was stored (`Store.place`); None where that was not looked up."""

    def check(self, store: Store, path: str, now: NodeMetadata) -> None:
        """Raise ArrayReplacedError where another node has taken its place; asked under the lock.

        Other attributes, and another shape, are the same node's.
        """
        moved = self.place is not None and store.place(path) != self.place
        if moved or not _is_same(self.metadata, now):
            raise ArrayReplacedError(
                f"{store.url(path)} was replaced since it was opened, and nothing was changed; open it again "
                "and repeat this"
            )


def _is_same(old: NodeMetadata, new: NodeMetadata) -> bool:
    if isinstance(old, ArrayMetadata):
        return isinstance(new, ArrayMetadata) and same_chunks(old, new)
    return not isinstance(new, ArrayMetadata)
