"""The tables that a benchmark prints, in Markdown, and keeps for the pages to show."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mnist_core.checkpoints import write_atomically


class Tables:
    """Printed row by row as the figures come, and saved together."""

    def __init__(self, command: str = "", **facts: Any):
        self._kept = {"command": command, **facts, "tables": []}

    def head(self, title: str, columns: Iterable[str]) -> None:
        columns = list(columns)
        self._kept["tables"].append({"title": title, "columns": columns, "rows": []})
        print(f"\n{title}\n\n| | {' | '.join(columns)} |\n| --- |{' ---: |' * len(columns)}", flush=True)

    def row(self, name: str, cells: Iterable[str]) -> None:
        cells = list(cells)
        self._kept["tables"][-1]["rows"].append([name, *cells])
        print(f"| {name} | {' | '.join(cells)} |", flush=True)

    def save(self, path: Path) -> None:
        write_atomically(Path(path), json.dumps(self._kept, indent=1).encode())


def show_times(what: str, times: dict[str, list[float]]) -> None:
    """The milliseconds of two pages, and how they compare."""
    print(f"{what:24}  median ms     p95 ms   ({len(next(iter(times.values())))} times each)")
    for name, waited in times.items():
        print(f"  {name:22}  {np.median(waited):9.0f}  {np.percentile(waited, 95):9.0f}")
    first, second = map(np.median, times.values())
    print(f"  ratio of the medians: {second / first:.2f}")


def percent(shares: Iterable[float]) -> Iterator[str]:
    return (f"{share:.2%}" for share in shares)
