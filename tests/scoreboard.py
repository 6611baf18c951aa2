"""Prints the style scoreboard: the ten longest files and functions, and the counts that should be zero."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests import source

FILE_AIM, FUNCTION_AIM = 300, 40


def table(title: str, rows: list[tuple[int, str]]) -> None:
    print(f"\n{title}")
    for lines, name in rows[:10]:
        print(f"  {lines:5d}  {name}")


def main() -> None:
    modules = source.modules()
    files = sorted(((len(m.text.splitlines()), name) for name, m in modules.items()), reverse=True)
    functions = sorted(
        (
            (source.code_lines(function), f"{name}:{function.lineno} {function.name}")
            for name, module in modules.items()
            for function in source.functions(module)
        ),
        reverse=True,
    )
    table("longest files (lines)", files)
    table("longest functions (lines without the docstring)", functions)
    lengths = [lines for lines, _ in functions] or [0]
    cycle = source.cycle({name: source.imports(module) for name, module in modules.items()})
    print(f"\n{len(files)} files, {sum(n for n, _ in files)} lines; {len(functions)} functions, ", end="")
    print(f"median {lengths[len(lengths) // 2]} lines")
    print(f"files over {FILE_AIM} lines: {sum(n > FILE_AIM for n, _ in files)}")
    print(f"functions over {FUNCTION_AIM} lines: {sum(n > FUNCTION_AIM for n in lengths)}")
    print(f"import cycles: {int(bool(cycle))}")


if __name__ == "__main__":
    main()
