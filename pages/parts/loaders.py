"""What is loaded once for all visitors. The only st.cache_* calls of the house."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
import torch

from mnist_core import CheckpointError, DataUnavailable, DigitClassifier
from mnist_core.architectures import SIDE, multiply_adds
from mnist_core.checkpoints import CHECKPOINTS, Card, list_checkpoints, load_answers, load_checkpoint
from mnist_core.classifier import infer, use_one_thread
from mnist_core.data import Labelled, Progress, load_embedded_digits, load_mnist, mnist_is_here
from mnist_core.evaluate import evaluate
from mnist_core.figures import Figures, average_images, load_averages, load_figures, spread_images
from mnist_core.labelled import read_scans
from mnist_core.measure import measure
from mnist_core.neighbours import Landscape, load_landscape
from mnist_core.pen import written_digits, written_others
from mnist_core.preprocess import to_tensor
from mnist_core.studies import STUDIES, Study, list_studies
from pages.parts import state
from pages.parts.charts import confusion_chart
from pages.parts.error_charts import map_chart, outlined
from pages.parts.pictures import wall

REPLACED = "{} was replaced a moment ago. Ask once more."
SAMPLES = {"mnist": "MNIST's test images", "scan": "scikit-learn's scans"}  # and what a link calls them


def shelf() -> tuple[list[Card], list[str]]:
    """The usable checkpoints, and a sentence for each that is not. Read again when a file changes."""
    # Not what a training writes beside them after each epoch, which may be gone again before it is looked at.
    cards = sorted(CHECKPOINTS.glob("*.json"))
    files = (file for card in cards for file in (card, card.with_suffix(".safetensors")))
    return _read_shelf(tuple((file.name, file.stat().st_mtime_ns) for file in files if file.is_file()))


@st.cache_resource(max_entries=1, show_spinner=False)
def _read_shelf(stamps: tuple) -> tuple[list[Card], list[str]]:
    cards, errors = list_checkpoints(CHECKPOINTS)
    return cards, [str(error) for error in errors]


def classifier(card: Card) -> DigitClassifier | None:
    """The model of a card, shared by all visitors; None, with a sentence on the page, where it cannot be had."""
    try:
        return load_classifier(card)
    except CheckpointError as error:
        st.error(f"{error} Choose another model in the sidebar.", icon=":material/broken_image:")
        return None


def load_classifier(card: Card) -> DigitClassifier:
    """The same model for who is no page; raises CheckpointError where it cannot be had."""
    return _load_classifier(card.name, card.sha256)


@st.cache_resource(max_entries=16, show_spinner=False)
def _load_classifier(name: str, sha256: str) -> DigitClassifier:
    use_one_thread()
    loaded = DigitClassifier.load(name, CHECKPOINTS)
    if loaded.card.sha256 != sha256:  # and must not stay behind under the other's key
        raise CheckpointError(REPLACED.format(name))
    # PyTorch prepares itself at the first question, for a tenth of a second, which no visitor's stroke should wait.
    loaded.probabilities(to_tensor(np.zeros((1, SIDE, SIDE), dtype=np.float32)))
    _keep_from_the_collector()
    return loaded


@st.cache_resource(show_spinner=False)
def settle(page: str) -> None:
    """To be called when a page has been shown: what it needed is here by then."""
    _keep_from_the_collector()


def _keep_from_the_collector() -> None:
    """Streamlit collects garbage after every run, among all that torch and plotly ever made: for a quarter of a second,
    in which nobody is sent anything. What is here by now stays, and needs no looking at."""
    gc.collect()
    gc.freeze()


def chosen_card() -> Card:
    """The card of the model in the sidebar."""
    state.need_frame()
    card = next((card for card in shelf()[0] if card.name == st.session_state[state.MODEL]), None)
    if not card:  # it is being replaced, and was there when the frame looked a moment ago
        st.rerun()
    return card


def evaluation(card: Card) -> pd.DataFrame | None:
    """How a checkpoint answered the test set, from its answers file; None, with a sentence, where that is broken."""
    try:
        return _evaluate(card.name, card.sha256, card)
    except CheckpointError as error:
        st.error(str(error), icon=":material/broken_image:")
        return None


@st.cache_data(max_entries=16, show_spinner=False)
def _evaluate(name: str, sha256: str, _card: Card) -> pd.DataFrame:
    return evaluate(*_load_answers(name, sha256, _card))


def test_answers(card: Card) -> tuple[np.ndarray, np.ndarray]:
    """Labels and logits of a checkpoint on the test set; raises CheckpointError where they are missing or broken."""
    return _load_answers(card.name, card.sha256, card)


@st.cache_resource(max_entries=16, show_spinner=False)
def _load_answers(name: str, sha256: str, _card: Card) -> tuple[np.ndarray, np.ndarray]:
    return load_answers(_card, CHECKPOINTS)


@contextmanager
def progress_bar(words: str) -> Iterator[Callable[[float], None]]:
    """A bar that goes when its work is done, and what tells it how far the work is."""
    bar, shown = None, -1

    def report(share: float) -> None:
        nonlocal bar, shown
        # A bar that moves a thousand times would take longer than what it reports.
        if share < 1 and (fiftieth := int(share * 50)) != shown:
            shown, bar = fiftieth, (bar or st).progress(share, words)

    try:
        yield report
    finally:
        if bar:
            bar.empty()


def scans() -> Labelled:
    """The digits inside scikit-learn, through the pipeline; a second or two for the first visitor who asks."""
    kept = _keep()
    if "scans" not in kept:
        with progress_bar("Reading the scans …") as report:
            kept["scans"] = read_scans(report)
    return kept["scans"]


def scan_logits(card: Card) -> np.ndarray:
    """What a checkpoint answers to the digits inside scikit-learn."""
    kept = _keep()
    if (card.name, card.sha256) not in kept:
        kept[card.name, card.sha256] = ask(card, scans().images)
    return kept[card.name, card.sha256]


@st.cache_resource(max_entries=1, show_spinner=False)
def _keep() -> dict:
    # Streamlit would show a progress bar of a cached function again at every later call.
    return {}


def ask(card: Card, images: np.ndarray) -> np.ndarray:
    """The logits for images."""
    model, logits = _load_classifier(card.name, card.sha256).model, []
    with progress_bar(f"Asking {card.name} …") as report:
        for part in to_tensor(images).split(100):
            logits.append(infer(model, part))
            report(min(1.0, 100 * len(logits) / len(images)))
    return np.concatenate(logits)


def mnist_test_images() -> np.ndarray | None:
    return images.images if (images := _mnist("test")) else None


def training_images() -> np.ndarray | None:
    return images.images if (images := _mnist("train")) else None


def _mnist(split: Literal["train", "test"]) -> Labelled | None:
    """None where MNIST is not here, and with a sentence on the page where it is broken."""
    if not mnist_is_here():
        return None
    try:
        return _load_mnist(split)
    except DataUnavailable as error:
        st.error(str(error), icon=":material/broken_image:")
        return None


@st.cache_resource(max_entries=2, show_spinner="Reading MNIST …")
def _load_mnist(split: Literal["train", "test"]) -> Labelled:
    return load_mnist(split)


def fetch_mnist(progress: Progress) -> None:
    load_mnist("test", progress)


def landscape(card: Card) -> Landscape:
    """The map and the neighbours of a checkpoint; raises CheckpointError where they are not there."""
    return _load_landscape(card.name, card.sha256, card)


@st.cache_resource(max_entries=16, show_spinner=False)
def _load_landscape(name: str, sha256: str, _card: Card) -> Landscape:
    return load_landscape(_card, CHECKPOINTS)


def samples() -> tuple[str, Labelled]:
    """Labelled images to choose from by number, and which of SAMPLES they are."""
    if images := _mnist("test"):
        return "mnist", images
    return "scan", _load_embedded()


@st.cache_resource(max_entries=1, show_spinner=False)
def _load_embedded() -> Labelled:
    return load_embedded_digits()


@st.cache_resource(max_entries=64, show_spinner=False)
def matrix_figure(matrix: np.ndarray, of: str, diagonal: bool) -> go.Figure:
    """The confusion matrix to click on, which plotly takes longer to build than all its numbers to count."""
    return confusion_chart(matrix, of, diagonal, pressable=True, written="labelled")


def map_figure(card: Card, by: str) -> go.Figure:
    """The map of the test images; raises CheckpointError where it is not there."""
    return _draw_map(card.name, card.sha256, by, landscape(card).places, evaluation(card))


@st.cache_resource(max_entries=4, show_spinner=False)
def _draw_map(name: str, sha256: str, by: str, _places: np.ndarray, _evaluation: pd.DataFrame) -> go.Figure:
    return map_chart(_places, _evaluation, by)


def outlined_figure(chart: go.Figure, lines: Sequence[np.ndarray]) -> go.Figure:
    """A map from here with lines on it, which plotly checks point by point when it copies it."""
    return _outline(id(chart), lines, chart)[1]


@st.cache_resource(max_entries=4, show_spinner=False)
def _outline(number: int, lines: Sequence[np.ndarray], _chart: go.Figure) -> tuple[go.Figure, go.Figure]:
    # The map stays beside its copy, so that no other can come to its number.
    return _chart, outlined(_chart, lines)


@st.cache_resource(max_entries=1, show_spinner=False)
def written_walls() -> tuple[bytes, bytes]:
    """What our own pen writes as PNGs: sixty digits, and sixty things that are none."""
    return wall(written_digits(60, 2026)[0]), wall(written_others(60, 2026)[0])


@st.cache_resource(max_entries=1, show_spinner=False)
def averages() -> np.ndarray:
    """MNIST's average image of each digit."""
    return load_averages()


@st.cache_resource(max_entries=2, show_spinner=False)
def averages_and_spreads(name: str, _labelled: Labelled) -> tuple[np.ndarray, np.ndarray]:
    """Of each digit among images that no visitor brought: a seventh of a second for ten thousand."""
    return average_images(_labelled), spread_images(_labelled)


@st.cache_resource(max_entries=1, show_spinner=False)
def figures() -> Figures:
    """What the data page shows of MNIST."""
    return load_figures()


@st.cache_resource(max_entries=1, show_spinner=False)
def scan_measures(_scans: Labelled) -> pd.DataFrame:
    """How much ink the digits inside scikit-learn have, how thick, slanted and large they are."""
    return measure(_scans.images)


@st.cache_resource(max_entries=2, show_spinner=False)
def cloud_figure(places: np.ndarray, labels: np.ndarray) -> go.Figure:
    """A point an image, coloured by its label, to draw a line around some."""
    chart = map_chart(places, pd.DataFrame({"label": labels, "digit": labels}), "label")
    return chart.update_traces(hovertemplate="image %{customdata[0]}: labelled %{customdata[1]}<extra></extra>")


def studies() -> tuple[list[Study], list[str]]:
    """What searches found, and a sentence for each file that holds no study. Read again when a file changes."""
    return _read_studies(tuple((path.name, path.stat().st_mtime_ns) for path in sorted(STUDIES.glob("*.json"))))


@st.cache_resource(max_entries=1, show_spinner=False)
def _read_studies(stamps: tuple) -> tuple[list[Study], list[str]]:
    return list_studies(STUDIES)


@st.cache_data(max_entries=16, show_spinner=False)
def cost(name: str, sha256: str) -> tuple[int, int]:
    """Bytes on disk, and multiply-adds for one image."""
    # A model of its own: on the shared one, what other visitors ask meanwhile would be counted too.
    model, card = load_checkpoint(name, CHECKPOINTS)
    if card.sha256 != sha256:
        raise CheckpointError(REPLACED.format(name))
    return (CHECKPOINTS / f"{name}.safetensors").stat().st_size, multiply_adds(model, torch.zeros(1, 1, SIDE, SIDE))
