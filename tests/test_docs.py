"""What the README says is so: its commands exist, its code runs, its tree is the tree, its figures are the cards'."""

import argparse
import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from mnist_core.checkpoints import CHECKPOINTS, PREFERRED, list_checkpoints
from tests.inks import SEVEN

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
LINES = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]
SPANS = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", README, flags=re.DOTALL))]
STARTED = [line for line in LINES + SPANS if re.search(r"(python|torchrun).* -m \w+\.\w+", line)]
COMMANDS = sorted({line.partition(" -m ")[2] for line in STARTED})


def test_the_two_setup_lines_stand_as_one_line_each():
    start = [line for line in LINES if line.startswith("python3 -m venv") and "streamlit run streamlit_app.py" in line]
    tests = [line for line in LINES if line.startswith("python3 -m venv") and line.endswith("-m pytest")]
    assert len(start) == len(tests) == 1
    for file in re.findall(r"-r (\S+)", start[0] + tests[0]):
        assert (ROOT / file).is_file()


def test_every_requirement_is_pinned_exactly():
    for file in ("tests/requirements.txt", *(path.name for path in ROOT.glob("requirements*.txt"))):
        lines = [line for line in (ROOT / file).read_text().splitlines() if line and not line.startswith("#")]
        assert lines
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), file


class Parsed(Exception):
    """A command has taken its options and would now begin."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_exists_and_takes_its_options(command, monkeypatch):
    def only(parse: Callable) -> Callable:
        def parse_only(parser: argparse.ArgumentParser, arguments: list[str] | None = None, *rest) -> None:
            parse(parser, arguments, *rest)
            raise Parsed

        return parse_only

    name, *options = shlex.split(command)
    module = importlib.import_module(name)
    for way in ("parse_args", "parse_intermixed_args"):
        monkeypatch.setattr(argparse.ArgumentParser, way, only(getattr(argparse.ArgumentParser, way)))
    monkeypatch.setattr(sys, "argv", [name, *options])
    with pytest.raises(Parsed):
        module.main()


def test_the_python_of_the_readme_runs(tmp_path):
    Image.fromarray(SEVEN).save(tmp_path / "seven.png")
    code = next(text for kind, text in BLOCKS if kind == "python")  # those of the exports: test_export.py
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    first, *stages = done.stdout.splitlines()
    assert first.startswith("7 ")
    assert [line.split()[0] for line in stages][:2] == ["grey", "polarity"]


def test_the_tree_of_the_readme_is_the_tree():
    (tree,) = [text for kind, text in BLOCKS if kind == "" and "streamlit_app.py" in text]
    folder = ""
    for line in tree.splitlines():
        name = line.split()[0]
        path = folder + name if line.startswith(" ") else name
        folder = folder if line.startswith(" ") else name
        assert (ROOT / path).exists(), path
    named = set(re.findall(r"^    (\w+\.py)", tree, flags=re.MULTILINE))
    rooms = {path.name for path in (ROOT / "mnist_core").glob("*.py")} - {"__init__.py"}
    assert rooms == named


def test_every_picture_and_file_of_the_readme_is_there():
    for path in re.findall(r"!\[[^\]]*\]\((?!http)([^)]+)\)", README):
        assert (ROOT / path).is_file(), path


def test_the_table_of_models_is_that_of_the_cards():
    rows = dict(re.findall(r"^\| (\w+) \| (\d+\.\d+% \| .*?% to .*?% \| [\d,]+) \|", README, flags=re.MULTILINE))
    cards, _ = list_checkpoints()
    told = {
        card.name: f"{card.test.accuracy:.2%} | {card.test.low:.2%} to {card.test.high:.2%} | {card.parameters:,}"
        for card in cards
        if card.name in PREFERRED  # others are whoever's clone this is
    }
    assert rows == told


def figures(name: str) -> list[list[str]]:
    """The first table of what a benchmark kept for the models page."""
    return json.loads((CHECKPOINTS / "figures" / f"{name}.json").read_text())["tables"][0]["rows"]


def test_the_table_of_what_the_house_is_worth_is_the_measured_one():
    (table,) = re.findall(r"^\| \| aimed at \| measured \|\n\|[ :|-]+\|\n((?:\|.*\n)+)", README, flags=re.MULTILINE)
    told = [tuple(cell.strip() for cell in row.split("|")[2:4]) for row in table.splitlines()]
    kept = {name: (aim, re.split(r" \(|, ", measured)[0]) for name, aim, measured in figures("quality") if aim}
    empty = [f"not called a digit: {what}" for what in ("blank", "noise", "full black")]  # one row, of the worst
    for name in sorted(empty, key=lambda name: float(kept[name][1].rstrip("%")))[1:]:
        del kept[name]
    assert told == list(kept.values())


def test_the_table_of_what_each_ingredient_is_worth_is_the_measured_one():
    for name, *measured, _ in figures("ablations"):
        assert f"| {name} | {' | '.join(measured)} |" in README
