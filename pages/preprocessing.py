"""Every step between the pen and the 28 x 28 numbers that a network sees, live, with a switch on each."""

import numpy as np
import pandas as pd
import streamlit as st

from mnist_core import DigitClassifier, InkError, Prediction
from mnist_core.classifier import infer
from mnist_core.explain import Diagnosis, Finding, answers_on_the_way, diagnose, feature_maps
from mnist_core.pictures import png
from mnist_core.preprocess import STAGES, Pipeline, Trace
from mnist_core.vary import DIALS, Dial, steady_range, vary
from mnist_core.verdicts import judge, softmax
from mnist_core.words import percent, with_article
from pages.parts import loaders, state
from pages.parts.charts import STILL, average_chart, difference_chart, numbers_chart, sweep_chart
from pages.parts.desk import choose_ink, read_link, show_examples, show_sign, write_link
from pages.parts.memory import remember
from pages.parts.pictures import data_address, npy, zipped
from pages.parts.strip import (
    colour_scale,
    empty_svg,
    maps_picture,
    to_card,
    to_png,
    to_svg,
    whole_strip,
)
from pages.parts.switches import Choice, Range, choose_parameters, choose_stage, differs, misread, restore

DOING = {
    "polarity": "bright ink",
    "background": "a clean background",
    "crop": "cropping",
    "scale": "scaling",
    "stretch": "stretching",
    "centre": "centring",
    "normalise": "normalising",
}
NO_DIGIT = -1  # among the digits along a dial
TABS = ["Numbers", "Stress bench", "Look inside", "Take it away"]


# The strip ----------------------------------------------------------------------------------------------------


def choose_pipeline() -> tuple[Pipeline, list]:
    """The cards with their switches and what they say of themselves: the pipeline, and a place in each for a stroke."""
    off, parameters, places = [], {}, []
    with st.grid(4, min_column_width=160, border=True) as grid:
        for number, stage in enumerate(STAGES, 1):
            with grid.cell().container(key=f"card {stage.name}"):
                if not choose_stage(stage, number):
                    off.append(stage.name)
                # No popover: widgets in a closed one do not hear that they were put back, and say their old values.
                with st.expander("Settings", type="compact", key=f"settings {stage.name}"):
                    if stage.parameters:
                        parameters[stage.name] = choose_parameters(stage)
                    else:
                        st.caption("None: this step always does the same.")
                places.append(st.container())
                st.caption(f"{stage.what} *{stage.why}*")
    return Pipeline(off, **parameters), places


def card_words(number: int, trace: Trace | None, answers: list[Prediction], changed: bool) -> str:
    """All of a card that a stroke changes, as one text: the browser lays out a single element faster than several."""
    stage = STAGES[number]
    badge = " :gray-badge[changed]" if changed else ""
    if trace is None or number >= len(trace.steps):
        empty = f"![{stage.name}: nothing yet.]({data_address(empty_svg().encode(), 'svg+xml')})"
        return "\n\n".join([empty, f":gray[–]{badge}", small("Nothing came this far.")])
    values, answer = np.asarray(trace.steps[number].output), answers[number]
    drawn = to_svg(to_card(trace, number)).encode()
    picture = f"![The picture after the stage {stage.name}.]({data_address(drawn, 'svg+xml')})"
    said = ":gray[–]" if answer.digit is None else f":blue[**{answer.digit}**] {percent(answer.confidence)}"
    shape = " x ".join(str(side) for side in values.shape)
    words = [picture, said + badge, small(f"{shape}, {values.dtype}, {values.min():.2f} to {values.max():.2f}")]
    if number == len(STAGES) - 1:
        limit = float(trace.tensor.abs().max())
        alt = f"The colours of the tensor, from {-limit:.2f} over 0 to {limit:.2f}."
        words.append(f"![{alt}]({data_address(to_png(colour_scale(limit)))})")
        words.append(small(f"teal {-limit:.2f}, pale 0.00, ochre {limit:.2f}"))
    return "\n\n".join(words)


def small(words: str) -> str:
    return f":small[:gray[{words}]]"


# The doctor ---------------------------------------------------------------------------------------------------


def in_words(finding: Finding, digit: int) -> str:
    without, other = f"Without **{DOING[finding.left_out]}**", finding.prediction
    if other.digit is None:
        return f"{without} there is no digit to be seen."
    return f"{without} this {digit} becomes {with_article(other.digit)}, {percent(other.confidence)}."


def show_remedy(diagnosis: Diagnosis, here: Prediction) -> None:
    """What the answer hangs on, in a sentence."""
    if diagnosis.full.digit is None:
        made = "With the usual settings this is no digit; the settings below make one of it."
        st.markdown(here.reason if here.digit is None else made)
        return
    if diagnosis.flips:
        st.markdown("  \n".join(in_words(finding, diagnosis.full.digit) for finding in diagnosis.flips))
        return
    worth = [f"{DOING[f.left_out]} {100 * f.worth:.1f}" for f in diagnosis.by_worth if f.worth >= 0.0005]
    st.markdown(
        "No single stage decides here. "
        + (f"In points of confidence they are worth: {', '.join(worth)}." if worth else "Each could be spared.")
    )


def show_doctor(diagnosis: Diagnosis) -> None:
    full = diagnosis.full
    rows = [("The full pipeline", full, 0.0)]
    for finding in diagnosis.findings:
        naive = finding.left_out == "naive"
        way = "Naive: the whole picture shrunk" if naive else f"Without {DOING[finding.left_out]}"
        rows.append((way, finding.prediction, finding.worth))
    st.dataframe(
        pd.DataFrame(
            {
                "Sees": [data_address(png(answer.image, 2)) for _, answer, _ in rows],
                "Way": [way for way, _, _ in rows],
                "Reads": ["–" if answer.digit is None else str(answer.digit) for _, answer, _ in rows],
                "Confidence": ["–" if answer.digit is None else percent(answer.confidence) for _, answer, _ in rows],
                f"Lost for {full.digit}": [f"{round(100 * worth, 1) + 0.0:.1f} points" for _, _, worth in rows],
            }
        ),
        hide_index=True,
        row_height=44,
        height="content",
        column_config={"Sees": st.column_config.ImageColumn(width=50)},
        alt="The answer of the full pipeline, of the naive resize and of the pipeline without each stage.",
    )


# Numbers, stress, inside, away --------------------------------------------------------------------------------


def show_numbers(trace: Trace, digit: int) -> None:
    average = loaders.averages()[digit]
    grid, beside = st.columns([2, 1])
    with grid:
        st.caption("The image as the network gets it. Point at a pixel for its place and its numbers.")
        st.plotly_chart(
            numbers_chart(trace.image, trace.tensor[0].numpy()),
            key="numbers",
            config=STILL,
            alt="The 28 by 28 grey values of the image.",
        )
    with beside:
        st.caption(f"The average {digit} of MNIST's 60,000 training images.")
        st.plotly_chart(
            average_chart(average, digit), key="average", config=STILL, alt=f"The average {digit} of MNIST."
        )
        st.caption("The difference: ochre where yours has more ink, teal where the average has.")
        st.plotly_chart(
            difference_chart(trace.image - average),
            key="difference",
            config=STILL,
            alt=f"The image less the average {digit}.",
        )


def choose_dial(dial: Dial) -> float:
    return st.slider(
        dial.name.capitalize(),
        float(dial.low),
        float(dial.high),
        float(dial.usual),
        float(dial.step),
        format=f"%g{dial.unit}",
        help=dial.what,
        key=f"bench.{dial.name}",
        bind="query-params",
    )


@st.fragment
def show_bench(classifier: DigitClassifier, trace: Trace) -> None:
    """A slider of this bench reruns this and nothing else of the page."""
    state.know_words()
    st.caption("The image after the pipeline, spoilt on purpose. Where does the answer tip over?")
    dials, curve = st.columns([2, 3])
    with dials.container():
        with st.grid(2, min_column_width=140):
            values = {dial.name: choose_dial(dial) for dial in DIALS.values()}
        st.button("Back to the drawing", icon=":material/restart_alt:", on_click=restore_dials)
    with curve:
        along = st.selectbox(
            "Curve along", list(DIALS), format_func=str.capitalize, key="bench.along", bind="query-params"
        )
        dial = DIALS[along]
        here = int(np.abs(dial.positions - values[along]).argmin())
        values[along] = float(dial.positions[here])  # a link may have set it between two
        logits = infer(classifier.model, trace.to_tensor(vary(trace.image, values, along)))
        probabilities = softmax(logits)
        none = [verdict == "not a digit" for verdict, _ in judge(logits, classifier.card.limits)]
        digits = np.where(none, NO_DIGIT, logits.argmax(axis=1))
        first, last = (dial.positions[place] for place in steady_range(digits, here))
        shown, says = st.columns([1, 3], vertical_alignment="center")
        shown.image(png(vary(trace.image, values)[0].numpy(), 4), width=112, alt="The image as the sliders make it.")
        with says:
            read = f"Read as :blue[**{digits[here]}**], {percent(float(probabilities[here].max()))}."
            st.markdown("No digit that I know." if none[here] else read)
            stays = "so" if none[here] else with_article(digits[here])
            st.caption(f"It stays {stays} from {first:g}{dial.unit} to {last:g}{dial.unit}.")
        st.plotly_chart(
            sweep_chart(dial.positions, probabilities, values[along], dial.unit),
            key="sweep",
            config=STILL,
            alt=f"The probabilities of the ten digits along {along}.",
        )


def restore_dials() -> None:
    state.begin_anew({f"bench.{dial.name}": float(dial.usual) for dial in DIALS.values()})


def show_inside(classifier: DigitClassifier, trace: Trace) -> None:
    maps = feature_maps(classifier.model, trace.tensor)
    if not maps:
        st.markdown(
            f"{classifier.card.name} has no convolutions: each of its first neurons looks at all 784 pixels at once, "
            "so there are no maps to look at. Choose another model in the sidebar."
        )
    for number, layer in enumerate(maps, 1):
        st.markdown(f"**Convolution {number}**: {len(layer)} maps of {layer.shape[1]} x {layer.shape[2]}")
        st.image(to_png(maps_picture(layer)), width="stretch", alt=f"The {len(layer)} maps of convolution {number}.")
    if maps:
        st.caption("Each map shows where one filter found its pattern: ochre where it did, teal where its opposite is.")


def code(pipeline: Pipeline, model: str) -> str:
    """The lines of Python that do what the page does now."""
    return f'''from mnist_core import DigitClassifier
from mnist_core.preprocess import Pipeline

classifier = DigitClassifier.load("{model}")
classifier.pipeline = {pipeline!r}
prediction = classifier.predict("ink.png")
print(prediction.digit, f"{{prediction.confidence:.4f}}")
'''


def on_strip(answer: Prediction) -> str:
    if answer.digit is None:
        return "nothing" if answer.verdict == "blank" else "no digit"
    return f"{answer.digit}, {percent(answer.confidence)}"


def show_downloads(
    ink: bytes, linked: bool, trace: Trace, answers: list[Prediction], pipeline: Pipeline, model: str
) -> None:
    words = [on_strip(answer) for answer in answers]
    with st.container(horizontal=True, gap="xsmall"):
        st.download_button(
            "The strip as PNG",
            lambda: whole_strip(trace, words),
            "strip.png",
            "image/png",
            icon=":material/image:",
            on_click="ignore",
        )
        st.download_button(
            "Every stage as .npy, in a ZIP",
            lambda: zipped([(f"{n}_{step.stage.name}.npy", npy(step.output)) for n, step in enumerate(trace.steps, 1)]),
            "stages.zip",
            "application/zip",
            icon=":material/folder_zip:",
            on_click="ignore",
        )
        st.download_button(
            "The ink", ink, "ink.png", "application/octet-stream", icon=":material/edit:", on_click="ignore"
        )
    holds = "and the ink, for somebody else to see the same" if linked else "but not this ink, which goes as a file"
    st.caption(
        f"The address of this page holds the settings {holds}. "
        "In Python, from the folder of this project with the ink beside it:"
    )
    st.code(code(pipeline, model), language="python", wrap_lines=True)


# The page -----------------------------------------------------------------------------------------------------


@st.fragment
def show_walk(classifier: DigitClassifier, pipeline: Pipeline, changed: list[bool], says, cards: list, below) -> None:
    """All that follows the ink, in its places around the page. A stroke reruns this and no switch."""
    ink = choose_ink()
    linked = write_link()
    trace, answers, readable = None, [], True
    try:
        if ink is not None:
            trace = state.trace(ink, pipeline)
            full = classifier.pipeline.run(ink, before=trace)
            # Where the usual way finds nothing drawn, no other way may claim a digit.
            answers = classifier.judge([full]) * len(trace.steps)
            if not full.blank:
                answers = answers_on_the_way(classifier, ink, pipeline, trace)
    except InkError as error:
        readable = False
        says.error(str(error), icon=":material/broken_image:")
    # The browser draws the page anew at every pause between two messages: first all is made, then all is sent.
    words = [card_words(number, trace, answers, mark) for number, mark in enumerate(changed)]
    with says:
        if readable:
            show_verdict(answers[-1] if answers else Prediction.of_nothing(), any(changed))
        remedy = st.container()
    for card, text in zip(cards, words, strict=True):
        card.markdown(text)
    with below:
        if answers and answers[-1].verdict != "blank":
            show_further(classifier, ink, linked, trace, answers, pipeline, remedy)
        elif readable:
            there_is = "more than this" if ink else "ink"
            st.caption(f"The doctor and the numbers follow as soon as there is {there_is}.")
    remember()


def show_further(
    classifier: DigitClassifier,
    ink: bytes,
    linked: bool,
    trace: Trace,
    answers: list[Prediction],
    pipeline: Pipeline,
    remedy,
) -> None:
    diagnosis = diagnose(classifier, ink, trace)
    with remedy:
        show_remedy(diagnosis, answers[-1])
    if diagnosis.findings:
        st.subheader("The doctor", anchor=False)
        show_doctor(diagnosis)
    numbers, bench, inside, away = st.tabs(TABS, on_change="rerun", key="tab", bind="query-params")
    if numbers.open:
        with numbers:
            (nearest, _), *_ = answers[-1].top()
            show_numbers(trace, nearest)
    if bench.open:
        with bench:
            show_bench(classifier, trace.without_the_way())
    if inside.open:
        with inside:
            show_inside(classifier, trace)
    if away.open:
        with away:
            show_downloads(ink, linked, trace, answers, pipeline, classifier.card.name)


def show_verdict(prediction: Prediction, changed: bool) -> None:
    show_sign(prediction)
    st.caption("With the settings changed below." if changed else "With the usual settings.")


state.need_frame()
st.title("Preprocessing", anchor=False)
st.markdown("What happens between your pen and the numbers that a network sees. Every step has a switch.")
others: dict[str, Range | Choice] = {
    f"bench.{dial.name}": Range(dial.name, dial.low, dial.high, dial.step, dial.what) for dial in DIALS.values()
}
others |= {
    "bench.along": Choice("Curve along", tuple(map(str.capitalize, DIALS)), ""),
    "tab": Choice("Tab", tuple(TABS), ""),
}
if nonsense := state.told_of_link("settings", misread(st.query_params.to_dict(), others)):
    st.warning(
        f"The link asks for settings that do not exist ({', '.join(nonsense)}); the usual or nearest ones stand there.",
        icon=":material/link_off:",
    )
read_link()
if classifier := loaders.classifier(loaders.chosen_card()):
    with st.container(horizontal=True, gap="medium"):
        paper = st.container(width=312)
        with st.container():
            says = st.container()
            st.caption("Or start from an example:")
            show_examples()
    st.subheader("Step by step", anchor=False)
    head = st.container(horizontal=True, vertical_alignment="center")
    pipeline, cards = choose_pipeline()
    changed = [differs(pipeline, stage) for stage in STAGES]
    with head:
        st.caption(
            "Under each picture stands what the model would say if the pipeline ended there: what follows is left out, "
            "only fitted to 28 x 28 and put into the network's numbers."
        )
        st.button("Usual settings", icon=":material/restart_alt:", on_click=restore, disabled=not any(changed))
    below = st.container()
    with paper:
        show_walk(classifier, pipeline, changed, says, cards, below)
