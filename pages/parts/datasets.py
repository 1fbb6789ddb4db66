"""The labelled images whose answers the errors page explores: MNIST's test set, scanned digits, the visitor's own."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from mnist_core import CheckpointError, DataUnavailable
from mnist_core.checkpoints import Card
from mnist_core.data import mnist_is_here
from mnist_core.evaluate import evaluate
from mnist_core.labelled import MAX_PICTURES, ArchiveError, read_archive
from mnist_core.pictures import png
from mnist_core.verdicts import softmax
from mnist_core.words import as_written, counted
from pages.parts import loaders, state
from pages.parts.pictures import data_address, placeholder

MNIST, SCANS, OWN = "MNIST test", "Scanned digits", "Your own"
WHAT = {
    MNIST: "10,000 test images that no model was trained on.",
    SCANS: "1,797 digits of other writers, scanned at 8 x 8 pixels, from scikit-learn: is a model good beyond MNIST?",
    OWN: "Your labelled pictures, through the same pipeline as a drawing.",
}


@dataclass(frozen=True)
class Answered:
    """Labelled images with a model's answers to them."""

    name: str
    evaluation: pd.DataFrame = field(repr=False)
    logits: np.ndarray = field(repr=False)
    images: np.ndarray | None = field(repr=False)  # uint8; None where only the answers are at hand
    files: list[str] | None = field(default=None, repr=False)

    def picture(self, number: int, enlarged: int = 6) -> bytes:
        if self.images is None:
            return placeholder(f"{self.evaluation['label'].iat[number]}?")
        return png(self.images[number] / 255, enlarged)

    def address(self, number: int) -> str:
        return data_address(self.picture(number))

    def called(self, number: int) -> str:
        return self.files[number] if self.files else f"Image {number}"

    def csv(self, rows: pd.DataFrame) -> str:
        """Rows of the evaluation, with the names of the visitor's files."""
        if self.files:
            rows = rows.assign(file=[self.files[number] for number in rows["index"]])
        return rows.to_csv(index=False)

    def probabilities(self, number: int) -> np.ndarray:
        return softmax(self.logits[number : number + 1])[0]

    def in_words(self, number: int) -> str:
        row = self.evaluation.iloc[number]
        end = "" if self.images is not None else " (the image is not at hand)"
        return f"{self.called(number)}: labelled {row['label']:.0f}, read as {row['digit']:.0f}{end}"


def about(card: Card, data: str) -> str:
    """What the images are, whether the model knows them already, and how it is judged by them."""
    said = [WHAT[data], knows_already(card, data)]
    if card.limits:
        said.append("The likeliest digit counts, also where the model would be unsure or turn an image away.")
    return " ".join(filter(None, said))


def knows_already(card: Card, data: str) -> str:
    if data == SCANS and card.data != "mnist":
        return f"{card.name} learned from most of them, so that they say little about it."
    return ""


def choose_data() -> str:
    return st.segmented_control(
        "Images",
        list(WHAT),
        default=MNIST,
        required=True,
        key="data",
        label_visibility="collapsed",
        bind="query-params",
        on_change=state.look_at_others,
    )


def answered(card: Card, data: str) -> Answered | None:
    """The answers of one model; None, with a sentence on the page, where there are none to explore yet."""
    if data == MNIST:
        if card.data != "mnist":
            st.markdown(
                f"{card.name} learned from other images than MNIST's, and its answers to MNIST's test images were "
                "never kept. Choose other images above, or another model."
            )
            return None
        evaluation = loaders.evaluation(card)
        if evaluation is None:
            return None
        try:  # the evaluation may be kept where the answers no longer are
            logits = loaders.test_answers(card)[1]
        except CheckpointError as error:
            st.error(str(error), icon=":material/broken_image:")
            return None
        return Answered(data, evaluation, logits, loaders.mnist_test_images())
    if loaders.classifier(card) is None:
        return None
    if data == SCANS:
        labelled, logits = loaders.scans(), loaders.scan_logits(card)
        return Answered(data, evaluate(labelled.labels, logits), logits, labelled.images)
    if not (kept := state.archive()) or not kept[1].names:
        return None
    pictures = kept[1]
    logits = state.archive_logits(card, lambda: loaders.ask(card, pictures.images))
    return Answered(data, evaluate(pictures.labels, logits), logits, pictures.images, pictures.names)


def show_fetch() -> None:
    """What to do where MNIST's images are not on the server."""
    if mnist_is_here():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Every number is here; the images are not. They are 12 MB.")
        if st.button("Download MNIST", icon=":material/download:"):
            bar = st.progress(0.0, "Asking for MNIST …")
            try:
                loaders.fetch_mnist(lambda name, share: bar.progress(share, f"{name} …"))
            except DataUnavailable as error:
                bar.empty()
                st.error(str(error), icon=":material/cloud_off:")
            else:
                st.rerun()


# The visitor's own --------------------------------------------------------------------------------------------


def show_archive() -> None:
    """The ZIP to read, or what was made of the one that was brought."""
    kept = state.archive()
    if not kept:
        file = st.file_uploader(
            "A ZIP of folders named 0 to 9, or of pictures and a CSV with the line `file,label` on top",
            ["zip"],
            key="archive",
            max_upload_size=50,
            help=f"At most {MAX_PICTURES:,} pictures of one digit each and 50 MB. What cannot be read is told by name.",
        )
        st.caption("Your pictures stay in this visit.")
        if file:
            _take_in(file)
        return
    name, pictures = kept
    with st.container(horizontal=True, vertical_alignment="center"):
        name = as_written(name)
        usable = f"{counted(len(pictures.names), 'picture')} of {name}"
        words = usable if pictures.names else f"No picture of {name} can be used"
        st.markdown(f"**{words}**" + (f", {len(pictures.skipped):,} left out." if pictures.skipped else "."))
        st.button("Bring another", icon=":material/close:", type="tertiary", on_click=state.keep_archive, args=[None])
    if pictures.skipped:
        with st.expander(f"What was left out, and why ({len(pictures.skipped):,})", icon=":material/rule:"):
            st.dataframe(
                pd.DataFrame([{"File": skipped.name, "Why": skipped.reason} for skipped in pictures.skipped[:1000]]),
                hide_index=True,
                alt="Each file that was left out, and why.",
            )


def _take_in(file: UploadedFile) -> None:
    try:
        with loaders.progress_bar("Through the pipeline …") as report:
            report(0.0)
            pictures = read_archive(file.getvalue(), report)
    except ArchiveError as error:
        st.error(str(error), icon=":material/folder_off:")
        return
    state.look_at_others()
    state.forget_votes(OWN)  # they are kept by number, and other pictures have these numbers now
    state.keep_archive(pictures, file.name)
    # Streamlit would keep the archive, up to 50 MB, until the visit ends.
    if context := get_script_run_ctx():
        context.uploaded_file_mgr.remove_file(context.session_id, file.file_id)
    st.rerun()
