"""The documents are true: code in them runs and prints what they say, what they name exists."""

from __future__ import annotations

import contextlib
import io
import linecache
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import house_map, source

DOCUMENTS = [
    source.ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/jobs.md",
        "docs/support.md",
        "docs/operations.md",
    )
]
EXAMPLES = sorted((source.ROOT / "examples").glob("*.py"))
# A python block, and the text block that shows what it prints, if one follows at once.
BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n*```text\n(?P<output>.*?)```)?", re.DOTALL)
# What differs from run to run: durations, rates, the peak that was measured, what is free, what compression leaves.
VOLATILE = re.compile(
    r"\d[\d.,]*(?= ?(?:ms|s|min|MB/s|GB/s|kB/s)\b)|(?<=peak )[\d.]+ (?:MB|kB|B)\b|[\d.]+ .B(?= are free)"
    r"|[\d.]+(?= MB stored)|━+╸?━*"
)


def blocks(path: Path) -> list[re.Match[str]]:
    return list(BLOCK.finditer(path.read_text()))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_code_prints_what_the_document_says(path):
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(path):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            # As if it were saved and run, so that plans show its lines.
            Path("demo.py").write_text(block["code"])
            linecache.checkcache("demo.py")
            exec(compile(block["code"], "demo.py", "exec"), namespace)
        if block["output"] is not None:
            assert settled(printed.getvalue()) == settled(block["output"])


def settled(text: str) -> list[str]:
    """Lines without what differs from run to run, and without trailing blanks."""
    return [VOLATILE.sub("#", line).rstrip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    assert [link for link in links if not (source.ROOT / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_make_verbs_exist(path):
    verbs = set(re.findall(r"`make ([a-z]+)`|^make ([a-z]+)", path.read_text(), re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", (source.ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {verb for pair in verbs for verb in pair if verb} <= targets


def test_the_map_is_true():
    """CONTRIBUTING.md shows each module with its first line; tests/house_map.py writes that."""
    assert house_map.house_map() in (source.ROOT / "CONTRIBUTING.md").read_text()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_demo_passes_its_own_checks():
    """The command that the README shows first, at a tenth of its size."""
    command = [sys.executable, "-m", "lazyzarr.cli", "demo", "--size", "60MB"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(
        r"all \d+ checks passed in \d+ s; peak of the whole demo [\d.]+ MB of 200\.0 MB",
        done.stdout.splitlines()[-1],
    )
    said = {word: done.stdout.count(f"The peak of a {word} is") for word in ("run", "plan")}
    assert said == {"run": 1, "plan": 1}
