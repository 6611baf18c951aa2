"""The only place where several keys change, and in which order.

A reader sees the state before a change or the state after it, and so does whoever comes after a kill:

- **Create** (nodes.py): what is there already refuses it; the groups above are made first, then the node's
  metadata, where none is. With data, it is built aside (staging.py) and takes its place in one step.
- **Replace** (staging.py): the new array is built beside the old one, which is read until they trade places.
- **Attributes** (nodes.py): read again, changed and written under the lock, so that none is lost.
- **Grow and shrink** (shapes.py): data, then metadata; metadata, then data.
- **Delete** (nodes.py): the node leaves its place in one step, and is removed where nobody looks.

Whatever changes, the consolidated metadata of the groups above is made true right after (consolidation.py).
"""

from .consolidation import consolidate_group, refresh_whole
from .hierarchies import create_hierarchy, move_node
from .nodes import (
    NewArrays,
    add_arrays,
    create_array,
    create_filled_group,
    create_group,
    delete_node,
    edit_attributes,
)
from .opened import Opened
from .runs import begin_run, end_run, new_run, repair
from .shapes import append, resize
from .staging import StagedArray, stage_array

__all__ = [
    "NewArrays",
    "Opened",
    "StagedArray",
    "add_arrays",
    "append",
    "begin_run",
    "consolidate_group",
    "create_array",
    "create_filled_group",
    "create_group",
    "create_hierarchy",
    "delete_node",
    "edit_attributes",
    "end_run",
    "move_node",
    "new_run",
    "refresh_whole",
    "repair",
    "resize",
    "stage_array",
]
