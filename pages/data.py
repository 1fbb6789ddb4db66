"""Data: what the models learned from, in pictures and figures, and how the visitor's own hand differs from it."""

import numpy as np
import pandas as pd
import streamlit as st

from mnist_core.data import Labelled
from mnist_core.figures import QUANTILES, Figures, average_images, spread_images
from mnist_core.measure import MEASURES, histogram, measure
from mnist_core.pictures import png
from mnist_core.words import counted, whole_number, with_article
from pages.parts import loaders, state
from pages.parts.charts import STILL
from pages.parts.data_charts import balance_chart, hills_chart
from pages.parts.datasets import show_fetch
from pages.parts.gallery import show_gallery
from pages.parts.hand import show_hand
from pages.parts.holdings import (
    DRAWINGS,
    FIRST_DRAWING,
    SCANS,
    SETS,
    TEST,
    TRAINING,
    Holding,
    holding,
    holding_of,
    own_images,
)
from pages.parts.lasso import fenced, fill, show_lasso
from pages.parts.memory import remember
from pages.parts.one_sample import show_sample
from pages.parts.pictures import data_address
from pages.parts.selection import DIGITS, misread, show_misread
from pages.parts.tables import show_csv

TYPICAL = "Typical and odd"
PARTS = ["Samples", "Balance", "Averages", "Shape", TYPICAL, "Twins", "Map", "Your hand"]
ENDS = ["Most typical", "Least typical"]
HALVES = [TEST, TRAINING]
BESIDE = ["nothing", TEST, SCANS, DRAWINGS]
WALL = 40
NAMES = {words: name for name, (words, _, _) in MEASURES.items()}
NO_DRAWING = (
    "You have judged no drawing in this visit yet. Draw a digit, say whether the answer was right, and come back."
)


def choose_set(figures: Figures) -> Holding:
    name = st.segmented_control(
        "Images", SETS, default=TRAINING, required=True, key="of", bind="query-params", label_visibility="collapsed"
    )
    return holding(name, figures)


def choose_digit(usual: str, digits: list[str]) -> str:
    return st.segmented_control("Digit", digits, default=usual, required=True, key="digit", bind="query-params")


def show_samples(figures: Figures) -> None:
    chosen = choose_set(figures)
    digit = choose_digit(DIGITS[0], DIGITS)
    seed = state.wall()
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Shuffle", icon=":material/shuffle:", key="shuffle", on_click=state.reshuffle)
        # A link cannot show another person what is kept for this visit only.
        same = "" if chosen.name == DRAWINGS else " The link shows another person the same one."
        st.caption(f"Wall {seed}.{same}", width="content")
    rng = np.random.default_rng(seed)
    wanted = range(10) if digit == DIGITS[0] else [int(digit)]
    numbers: list[int] = []
    for each in wanted:
        rows = np.flatnonzero(chosen.labels == each)
        numbers += sorted(rng.choice(rows, min(len(rows), WALL // len(wanted)), replace=False).tolist())
    if not numbers:
        st.markdown(f"None of these images is {with_article(int(digit))}." if len(chosen.labels) else NO_DRAWING)
        return
    show_wall(chosen, [chosen.first + number for number in numbers], "wall")


def show_wall(chosen: Holding, numbers: list[int], key: str, captions: list[str] | None = None) -> None:
    if chosen.images is None:
        show_fetch()
    captions = captions or [None] * len(numbers)
    pictures = [chosen.picture(number, caption) for number, caption in zip(numbers, captions, strict=True)]
    show_gallery(pictures, lambda number: state.open_image(number, numbers), key)


def show_balance(figures: Figures) -> None:
    sets = {
        TRAINING.lower(): figures.labels[: figures.training],
        TEST.lower(): figures.labels[figures.training :],
        SCANS.lower(): loaders.scans().labels,
    }
    if len(own := own_images().labels):
        sets[DRAWINGS.lower()] = own
    counts = {name: np.bincount(labels, minlength=10) for name, labels in sets.items()}
    st.plotly_chart(
        balance_chart({name: count / count.sum() for name, count in counts.items()}, counts),
        key="balance",
        config=STILL,
        alt="How large a share each digit has in each set of images; the table below has the counts.",
    )
    training = counts[TRAINING.lower()]
    st.markdown(
        f"Most frequent is the **{training.argmax()}** ({training.max():,} training images), least frequent the "
        f"**{training.argmin()}** ({training.min():,}). A model that always answered {training.argmax()} would be "
        f"right in {counts[TEST.lower()][training.argmax()] / counts[TEST.lower()].sum():.1%} of the test images."
    )
    table = pd.DataFrame({"digit": range(10), **counts})
    st.dataframe(
        table.rename(columns=str.capitalize), hide_index=True, height=388, alt="The number of images of each digit."
    )
    show_csv(table, "class balance")


def show_averages(figures: Figures) -> None:
    chosen = choose_set(figures)
    if chosen.name == TRAINING:
        averages, spreads = loaders.averages(), figures.spreads
    elif chosen.images is None:
        st.markdown("The average of the test images is computed from the images, which are not on this server yet.")
        show_fetch()
        return
    elif not len(chosen.labels):
        st.markdown(NO_DRAWING)
        return
    else:
        labelled = Labelled(chosen.images, chosen.labels)
        if chosen.name == DRAWINGS:
            averages, spreads = average_images(labelled), spread_images(labelled)
        else:
            averages, spreads = loaders.averages_and_spreads(chosen.name, labelled)
    present = [digit for digit in range(10) if (chosen.labels == digit).any()]
    for words, rows, why in (
        ("Average", averages, "All images of a digit laid on top of each other."),
        (
            "Spread",
            spreads,
            "Where images of the same digit differ: bright pixels have ink in some and none in others.",
        ),
    ):
        st.markdown(f"**{words}.** {why}")
        with st.grid(min_column_width=100, gap="small"):
            for digit in present:
                picture = data_address(png(rows[digit] / max(1e-9, rows[digit].max()), 6))
                st.image(picture, width=100, alt=f"{words} of the {digit}s.", caption=str(digit))

    def pixels() -> pd.DataFrame:
        digits, rows, columns = np.indices(averages.shape).reshape(3, -1)
        places = {"digit": digits, "row": rows, "column": columns}
        table = pd.DataFrame(places | {"average": averages.ravel(), "spread": spreads.ravel()})
        return table[table["digit"].isin(present)].round(4)

    show_csv(pixels, "averages and spreads")


def show_shape(figures: Figures) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.selectbox("Measure", list(NAMES), key="measure", bind="query-params", width=190)
        beside = st.selectbox("Beside the training images", BESIDE, key="beside", bind="query-params", width=220)
    name = NAMES[words]
    _, unit, limits = MEASURES[name]
    place = list(MEASURES).index(name)
    counts, other, points = figures.histograms[place, 0], None, []
    table = pd.DataFrame(figures.quantiles[place], columns=[f"{share:.0%}" for share in QUANTILES]).round(2)
    table.insert(0, "digit", range(10))
    if beside == TEST:
        other = figures.histograms[place, 1]
    elif beside == SCANS:
        scans = loaders.scans()
        values = loaders.scan_measures(scans)[name].to_numpy()
        other = np.stack([histogram(values[scans.labels == digit], name) for digit in range(10)])
        table["scans 50%"] = [np.nanmedian(values[scans.labels == digit]).round(2) for digit in range(10)]
    elif beside == DRAWINGS:
        drawn = own_images()
        if not len(drawn.labels):
            st.markdown(NO_DRAWING)
        else:
            values = measure(drawn.images)[name]
            points = [(int(d), float(v)) for d, v in zip(drawn.labels, values, strict=True) if np.isfinite(v)]
    chart, numbers = st.columns([3, 2], gap="medium")
    with chart:
        st.plotly_chart(
            hills_chart(counts, limits, f"{words.lower()}, {unit}", other, points),
            key="hills",
            config=STILL,
            alt=f"How {words.lower()} is distributed among the training images of each digit; the table has its "
            "quantiles.",
        )
        if other is not None:
            st.caption(f"Filled: training images. Dotted: {beside.lower()}.")
        elif points:
            st.caption("Filled: training images. Diamonds: your drawings.")
    with numbers:
        st.caption(f"{MEANING[name]} Half of a digit's images lie between the columns 25% and 75%.")
        st.dataframe(table.rename(columns={"digit": "Digit"}), hide_index=True, height=388, alt=f"Quantiles: {words}.")
        show_csv(table, words.lower())


MEANING = {
    "ink": "The sum of all pixels, where white is 1.",
    "thickness": "Twice the ink, divided by the length of its outline: what a stroke of even thickness measures. Below "
    "about 1.5 pixels the grid cannot show how thin a stroke is.",
    "slant": "How far from the upright, above 0 where the top leans to the right.",
    "width": "From the first to the last column with ink of more than half strength.",
    "height": "From the first to the last row with ink of more than half strength. MNIST brings the longer side to 20.",
}


def show_typical(figures: Figures) -> None:
    end = st.segmented_control(
        "Which", ENDS, default=ENDS[0], required=True, key="ends", bind="query-params", label_visibility="collapsed"
    )
    digit = int(choose_digit("0", DIGITS[1:]))
    first = end == ENDS[0]
    numbers = (figures.typical if first else figures.odd)[digit]
    distances = (figures.typical_distances if first else figures.odd_distances)[digit]
    st.caption(
        f"Training images nearest to the middle of all {digit}s, or farthest from it, in the space in which "
        f"{figures.network} tells digits apart. The number below an image is that distance."
    )
    captions = [f"{distance:.1f}" for distance in distances]
    show_wall(holding(TRAINING, figures), numbers.tolist(), "typical", captions)
    table = pd.DataFrame(
        [
            {"digit": d, "end": words, "rank": rank + 1, "image": int(number), "distance": round(float(distance), 3)}
            for words, rows, far in (
                ("typical", figures.typical, figures.typical_distances),
                ("odd", figures.odd, figures.odd_distances),
            )
            for d in range(10)
            for rank, (number, distance) in enumerate(zip(rows[d], far[d], strict=True))
        ]
    )
    show_csv(table, "typical and odd images")


def show_twins(figures: Figures) -> None:
    train, test = holding(TRAINING, figures), holding(TEST, figures)
    same = "No test image is" if not figures.same else f"{figures.same} test images are"
    st.markdown(
        f"{same} a training image, pixel by pixel. These come nearest: of each digit the ten test images that "
        "have the most similar training image. 1s are alike without being copies: they have little ink to differ in."
    )
    rows = []
    for (number, twin), distance in zip(figures.twins, figures.twin_distances, strict=True):
        rows.append(
            {
                "test image": int(number),
                "test label": int(test.labels[number]),
                "training image": int(twin),
                "training label": int(train.labels[twin]),
                "difference": round(float(distance), 2),
            }
        )
    table = pd.DataFrame(rows)
    shown = table.rename(columns=str.capitalize)
    if test.images is None or train.images is None:
        show_fetch()
    else:
        shown.insert(0, "Test", [data_address(png(test.images[n] / 255, 2)) for n in table["test image"]])
        shown.insert(1, "Training", [data_address(png(train.images[n] / 255, 2)) for n in table["training image"]])
    picture = st.column_config.ImageColumn(width=70)
    st.dataframe(
        shown,
        hide_index=True,
        row_height=48,
        height=480,
        column_config={
            "Test": picture,
            "Training": picture,
            "Difference": st.column_config.NumberColumn(
                format="%.1f", help="Root mean square over all pixels, in grey levels of 255."
            ),
        },
        alt="Pairs of a test image and the training image nearest to it.",
    )
    show_csv(table, "twins")


def show_map(figures: Figures) -> None:
    half = st.segmented_control(
        "Half", HALVES, default=TEST, required=True, key="half", bind="query-params", label_visibility="collapsed"
    )
    chosen = holding(half, figures)
    places = figures.places[chosen.first : chosen.first + len(chosen.labels)]
    chart, wall = st.columns(2, gap="medium")
    with chart:
        spread = fill(places)
        show_lasso(loaders.cloud_figure(spread, chosen.labels), half, spread, f"A map of the {half.lower()}.")
        st.caption(
            "Two numbers an image: its place along the two directions in which the training images differ most "
            f"(principal components; together {figures.explained.sum():.0%} of all variance). Draw a line around some "
            "points: the wall shows all images inside it, of digits hidden in the legend too."
        )
        table = pd.DataFrame({"image": np.arange(len(places)), "label": chosen.labels})
        show_csv(table.assign(first=places[:, 0], second=places[:, 1]), "map")
    with wall:
        fence = fenced(half, spread)
        if fence is None:
            st.markdown("Nothing is caught yet.")
            return
        caught = sorted(fence)
        labels = np.bincount(chosen.labels[caught], minlength=10)
        most = ", ".join(f"{labels[digit]:,} × {digit}" for digit in labels.argsort()[::-1][:3] if labels[digit])
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{counted(len(caught), 'image')}**" + (f" ({most})" if most else ""), width="content")
            st.button("Let go", icon=":material/close:", key="let go", on_click=state.take_fence_down)
        if not caught:
            return
        shown = [caught[place] for place in np.linspace(0, len(caught) - 1, min(len(caught), WALL)).astype(int)]
        if len(shown) < len(caught):
            st.caption(f"{len(shown)} of them, evenly picked.")
        show_wall(chosen, [chosen.first + number for number in shown], "caught")
        show_csv(table.iloc[caught], "caught images")


state.need_frame()
st.title("Data", anchor=False)
st.markdown("What did the models learn from? Look at MNIST itself, and at how your own hand differs from it.")
options = {"part": PARTS, "of": SETS, "digit": DIGITS, "measure": NAMES, "beside": BESIDE, "ends": ENDS}
# What the visit chose itself may still stand in the address when another part begins.
if st.query_params.get("part") == TYPICAL and "digit" not in st.session_state:
    options["digit"] = DIGITS[1:]
show_misread(misread(st.query_params.to_dict(), options | {"half": HALVES, state.MAP: HALVES}))
figures = loaders.figures()
part = st.segmented_control(
    "Look at", PARTS, default=PARTS[0], required=True, key="part", bind="query-params", label_visibility="collapsed"
)
shows = (show_samples, show_balance, show_averages, show_shape, show_typical, show_twins, show_map, show_hand)
shows[PARTS.index(part)](figures)
unknown = False
if text := state.opened():
    number = whole_number(text)
    if number is not None and (found := holding_of(number, figures)):
        show_sample(found, number, figures)
    elif number is None or number < FIRST_DRAWING or state.tab_was_heard():
        st.toast("There is no such image here.", icon=":material/link_off:")
        state.close_image()
    else:  # of drawings the tab may have to tell yet
        unknown = True
remember(asked=unknown)
