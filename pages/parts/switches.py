"""The switches of the pipeline: widgets whose keys are the names in the page's address, such as `scale.box=18`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mnist_core.preprocess import STAGES, Pipeline, Stage
from mnist_core.words import as_code
from pages.parts import state


@dataclass(frozen=True)
class Range:
    """A number between two limits."""

    label: str
    low: float
    high: float
    step: float
    help: str

    def reads(self, text: str) -> bool:
        try:
            number = float(text)
        except ValueError:
            return False
        return self.low <= number <= self.high and (number.is_integer() or not isinstance(self.step, int))

    def choose(self, key: str, usual: float) -> float:
        return st.slider(
            self.label,
            self.low,
            self.high,
            usual,
            self.step,
            format="%.4f" if self.step < 0.01 else None,
            key=key,
            help=self.help,
            bind="query-params",
        )


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    label: str
    options: tuple[str, ...]
    help: str

    def reads(self, text: str) -> bool:
        return text in self.options

    def choose(self, key: str, usual: str) -> str:
        return st.selectbox(
            self.label, self.options, self.options.index(usual), key=key, help=self.help, bind="query-params"
        )


@dataclass(frozen=True)
class Switch:
    """Yes or no."""

    label: str
    help: str

    def reads(self, text: str) -> bool:
        return text.lower() in ("true", "false")

    def choose(self, key: str, usual: bool) -> bool:
        return st.toggle(self.label, usual, key=key, help=self.help, bind="query-params")


ALLOWED = {stage.name: stage.allowed for stage in STAGES}
CONTROLS: dict[str, dict[str, Range | Choice | Switch]] = {
    "grey": {},
    "polarity": {"paper": Choice("Paper", ALLOWED["polarity"]["paper"], "Found out from the picture, or told.")},
    "background": {
        "softness": Range(
            "Softness", 0.1, 1.0, 0.05, "On photographs: the lower, the more of a stroke's pale edge is kept."
        )
    },
    "crop": {
        "threshold": Range("Ink begins at", 0.02, 0.9, 0.02, "The share of the brightest ink that counts as ink."),
        "speck": Range(
            "Speck size",
            0.0,
            0.5,
            0.01,
            "Pieces with a smaller share of the ink do not count, where not all are small.",
        ),
        "margin": Range("Margin", 0, 60, 1, "Empty pixels kept around the ink box."),
    },
    "scale": {
        "box": Range("Box size", 16, 28, 1, "The longer side of the digit, in pixels."),
        "resampling": Choice("Resampling", ALLOWED["scale"]["resampling"], "How many pixels become one, or one many."),
    },
    "stretch": {},
    "centre": {
        "by": Choice("Centre of", ALLOWED["centre"]["by"], "What comes to the middle; none leaves the digit at 4, 4."),
        "whole_pixels": Switch("Whole pixels", "Off, the picture is moved by fractions and softened a little."),
    },
    "normalise": {
        "mean": Range("Mean", 0.0, 1.0, 0.0001, "Taken away from every pixel."),
        "std": Range("Standard deviation", 0.05, 1.0, 0.0001, "What remains is divided by it."),
    },
}


def choose_stage(stage: Stage, number: int) -> bool:
    """The stage's own switch. The first cannot be off: the others need a picture."""
    label = f"**{number} {stage.name.capitalize()}**"
    if stage.name == "grey":
        return st.toggle(label, True, disabled=True, help="Always on: the others need a picture.")
    return st.toggle(label, True, key=stage.name, bind="query-params")


def choose_parameters(stage: Stage) -> dict[str, Any]:
    return {
        name: control.choose(f"{stage.name}.{name}", stage.parameters[name])
        for name, control in CONTROLS[stage.name].items()
    }


def differs(pipeline: Pipeline, stage: Stage) -> bool:
    """Whether a stage is not as the house has it."""
    return stage.name in pipeline.off or dict(pipeline.parameters[stage.name]) != dict(stage.parameters)


def restore() -> None:
    """Every switch and parameter as the house has it."""
    usual: dict[str, Any] = {stage.name: True for stage in STAGES if stage.name != "grey"}
    for stage in STAGES:
        usual |= {f"{stage.name}.{name}": value for name, value in stage.parameters.items()}
    state.begin_anew(usual)


def misread(parameters: Mapping[str, str], others: Mapping[str, Range | Choice]) -> list[str]:
    """The entries of a page's address that mean to be settings, or one of the page's other widgets, and are none."""
    wrong = [f"{key}={text}" for key, text in parameters.items() if key in others and not others[key].reads(text)]
    for key, text in parameters.items():
        stage, _, name = key.partition(".")
        if stage not in CONTROLS:
            continue
        control = CONTROLS[stage].get(name) if name else Switch("", "")
        if control is None or key == "grey" or not control.reads(text):
            wrong.append(f"{key}={text}")
    return [as_code(entry) for entry in wrong]
