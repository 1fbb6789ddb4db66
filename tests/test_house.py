"""Holds the house rules of the code: who may import whom, and what stands in one place only."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import streamlit

ROOT = Path(__file__).resolve().parent.parent
FLOORS = (
    {"tune", "predict", "figures"},
    {"train", "api", "export", "explain", "neighbours"},
    {"evaluate", "pen"},
    {"command"},
    {"classifier", "vary", "labelled"},
    {"verdicts", "pictures", "studies", "measure", "recipes"},
    {"checkpoints", "preprocess", "data", "augment", "strokes", "forms", "reviews"},
    {"paper", "openapi"},
    {"architectures", "ink", "surroundings"},
    {"words"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
SMALLEST_ROOM = 20  # lines
KEPT = ("session_state", "query_params")
CHANGES = {"clear", "from_dict", "pop", "popitem", "setdefault", "update"}
SEEN = {"dataframe", "image", "plotly_chart", "table"}  # what streamlit shows to eyes, and takes words for


def read_house() -> dict[str, str]:
    """Every source file of the app by its path from the root."""
    files = [*ROOT.glob("*.py"), *ROOT.glob("pages/**/*.py"), *ROOT.glob("mnist_core/**/*.py")]
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}


@cache
def nodes(source: str) -> list[ast.AST]:
    return [*ast.walk(ast.parse(source))]


def imports(path: str, source: str) -> Iterator[str]:
    """Every module or name that a file imports, written out in full."""
    package = path.split("/")[:-1]
    for node in nodes(source):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def uses_streamlit_cache(source: str) -> bool:
    names = (n.attr if isinstance(n, ast.Attribute) else getattr(n, "name", "") for n in nodes(source))
    return any(name and name.startswith(("cache_data", "cache_resource")) for name in names)


def writes_session(source: str) -> bool:
    """Whether a file changes an entry of st.session_state or of the page's address by itself."""
    named = (n for n in nodes(source) if isinstance(n, ast.Subscript | ast.Attribute))
    changed = (n for n in named if not isinstance(n.ctx, ast.Load) or getattr(n, "attr", "") in CHANGES)
    return any(ast.unparse(n.value).endswith(KEPT) for n in changed)


def holds_normalisation(source: str) -> bool:
    numbers = (n.value for n in nodes(source) if isinstance(n, ast.Constant) and isinstance(n.value, float))
    return any(round(number, 4) in (0.1307, 0.3081) for number in numbers)


def mute_calls(source: str) -> list[str]:
    """What is shown without a word for who cannot see it."""
    calls = (n for n in nodes(source) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute))
    shown = (call for call in calls if call.func.attr in SEEN)
    return [call.func.attr for call in shown if "alt" not in {keyword.arg for keyword in call.keywords}]


def breaches(house: dict[str, str]) -> list[str]:
    """What breaks a rule, in a sentence each."""
    found = []
    for path, source in sorted(house.items()):
        place = path.partition("/")[0]
        room = Path(path).stem
        if place == "mnist_core" and room != "__init__" and room not in FLOOR:
            found.append(f"{path} has no floor in this test")
        if room != "__init__" and len(source.splitlines()) < SMALLEST_ROOM and "/" in path:
            found.append(f"{path} is too small for a room")
        if room == "__init__" and place == "pages" and source.strip():
            found.append(f"{path} only hands names on")
        if uses_streamlit_cache(source) and path != "pages/parts/loaders.py":
            found.append(f"{path} caches, which only pages/parts/loaders.py does")
        if writes_session(source) and path != "pages/parts/state.py":
            found.append(f"{path} writes what is kept for a visitor, which only pages/parts/state.py does")
        if place == "pages":
            found += [f"{path} shows {call} without alt" for call in mute_calls(source)]
        for name in imports(path, source):
            top, *below = name.split(".")
            if place == "mnist_core":
                if top in ("streamlit", "plotly", "altair", "pages", "streamlit_app", "streamlit_drawable_canvas"):
                    found.append(f"{path} knows {top}")
                if top == "mnist_core" and room != "__init__":
                    if not below or below[0] not in FLOOR:
                        found.append(f"{path} imports the whole package")
                    elif FLOOR[below[0]] <= FLOOR.get(room, -1):
                        found.append(f"{path} imports {below[0]}, which is not below it")
            if place == "pages" and (top == "streamlit_app" or (top == "pages" and below[:1] != ["parts"])):
                found.append(f"{path} imports the page or frame {name}")
            if top == "streamlit_drawable_canvas" and path != "pages/parts/canvas.py":
                found.append(f"{path} calls the canvas, which only pages/parts/canvas.py does")
            if place == "pages" and room.endswith("charts") and top == "streamlit":
                found.append(f"{path} knows streamlit")
    holders = [path for path, source in house.items() if holds_normalisation(source)]
    if len(holders) > 1:
        found.append(f"the constants of normalisation stand in {' and '.join(sorted(holders))}")
    return found


def test_the_house_keeps_its_rules():
    house = read_house()
    assert "mnist_core/classifier.py" in house
    assert breaches(house) == []


LONG = "\n" * SMALLEST_ROOM


@pytest.mark.parametrize(
    ("path", "source", "told"),
    [
        ("mnist_core/data.py", "import streamlit as st", "knows streamlit"),
        ("mnist_core/evaluate.py", "from plotly import graph_objects", "knows plotly"),
        ("mnist_core/predict.py", "from pages.parts.charts import bars", "knows pages"),
        ("mnist_core/architectures.py", "from mnist_core.data import load_mnist", "imports data, which is not below"),
        ("mnist_core/checkpoints.py", "import mnist_core.preprocess", "imports preprocess, which is not below"),
        (
            "mnist_core/checkpoints.py",
            "def late():\n    from .classifier import infer",
            "imports classifier, which is not",
        ),
        ("mnist_core/train.py", "from mnist_core import DigitClassifier", "imports the whole package"),
        ("mnist_core/wings.py", "", "has no floor"),
        ("pages/draw.py", "import pages.errors", "imports the page"),
        ("pages/parts/state.py", "from pages.draw import show", "imports the page"),
        ("pages/parts/gallery.py", "import streamlit_app", "imports the page or frame"),
        ("pages/draw.py", "import streamlit as st\n@st.cache_data\ndef f(): ...", "caches"),
        ("streamlit_app.py", "from streamlit import cache_resource", "caches"),
        ("pages/draw.py", "from streamlit_drawable_canvas import st_canvas", "calls the canvas"),
        ("pages/parts/charts.py", "import streamlit", "knows streamlit"),
        ("pages/parts/error_charts.py", "import streamlit", "knows streamlit"),
        ("pages/draw.py", "st.session_state['pen'] = 3", "writes what is kept"),
        ("pages/draw.py", "st.query_params['pen'] = '3'", "writes what is kept"),
        ("pages/draw.py", "del st.session_state['pen']", "writes what is kept"),
        ("pages/draw.py", "st.session_state.pen = 3", "writes what is kept"),
        ("pages/draw.py", "st.query_params.update(pen='3')", "writes what is kept"),
        ("pages/parts/doubts.py", "import streamlit as st\nst.dataframe(table, hide_index=True)", "without alt"),
        ("pages/data.py", "chart.plotly_chart(figure, key='map')", "without alt"),
        ("pages/draw.py", "MEAN = 0.1307", "constants of normalisation"),
    ],
)
def test_a_broken_rule_is_told(path, source, told):
    house = {"mnist_core/preprocess.py": f"MEAN = 0.1307{LONG}", path: source + LONG}
    assert [sentence for sentence in breaches(house) if told in sentence]


@pytest.mark.parametrize("call", sorted(SEEN))
def test_streamlit_takes_words_for_all_that_must_have_them(call):
    assert "alt" in inspect.signature(getattr(streamlit, call)).parameters


@pytest.mark.parametrize("source", ["from pages.parts.charts import bars\n", ""])
def test_a_file_of_a_few_lines_is_no_room(source):
    assert breaches({"pages/parts/tiny.py": source}) == ["pages/parts/tiny.py is too small for a room"]


def test_a_first_prediction_imports_neither_torchvision_nor_sklearn_nor_pandas(save_untrained, tmp_path):
    save_untrained("small")
    script = (
        "import pathlib, sys, numpy\n"
        "from mnist_core import DigitClassifier\n"
        "ink = numpy.full((60, 60), 255, dtype=numpy.uint8); ink[10:50, 27:33] = 0\n"
        f"prediction = DigitClassifier.load(folder=pathlib.Path({str(tmp_path)!r})).predict(ink)\n"
        "assert prediction.verdict != 'blank'\n"
        "print(sorted({'torchvision', 'sklearn', 'pandas', 'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.stderr) == ("['torch']\n", "")
