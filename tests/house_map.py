"""Writes the map of the house into CONTRIBUTING.md: each file in processing order with its first line."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import source

CONTRIBUTING = source.ROOT / "CONTRIBUTING.md"
BLOCK = re.compile(r"(?<=<!-- map -->\n).*?(?=<!-- end of map -->)", re.DOTALL)


def house_map() -> str:
    """A Markdown table: file, purpose."""
    rows = []
    for name in sorted(source.modules(), key=lambda name: (source.place(name) or 0, name)):
        if not name.endswith("__init__") or name == "__init__":
            doc = ast.get_docstring(source.modules()[name].tree) or ""
            rows.append(f"| `{name.replace('.', '/')}.py` | {doc.splitlines()[0] if doc else ''} |")
    return "\n".join(["| file | purpose |", "| --- | --- |", *rows, ""])


if __name__ == "__main__":
    CONTRIBUTING.write_text(BLOCK.sub(lambda _: house_map(), CONTRIBUTING.read_text()))
