"""The public face: ink in, a prediction out."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Self

import numpy as np
import torch
from PIL import Image
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from mnist_core.architectures import DIGITS, SIDE
from mnist_core.checkpoints import CHECKPOINTS, Card, Limits, load_checkpoint, preferred_checkpoint
from mnist_core.ink import Ink, InkError, as_array
from mnist_core.preprocess import Pipeline, Step, Trace
from mnist_core.verdicts import Verdict, judge, softmax
from mnist_core.words import with_article


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of some ink. There is no digit where the ink is blank (confidence 0) or no digit."""

    verdict: Verdict
    probabilities: np.ndarray = field(repr=False)  # of the ten digits; all 0 where the ink is blank
    image: np.ndarray = field(repr=False)  # 28 x 28, what the network saw before normalising
    reason: str = ""  # why there is no digit or no sure one, in a sentence
    candidates: tuple[int, ...] = ()  # the digits that it may be, the likeliest first
    preprocess_milliseconds: float = field(default=0.0, repr=False)
    network_milliseconds: float = field(default=0.0, repr=False)

    @classmethod
    def of_nothing(cls) -> Self:
        """What there is to say before there is any ink."""
        return cls("blank", np.zeros(DIGITS), np.zeros((SIDE, SIDE), dtype=np.float32), "Nothing is drawn.")

    @property
    def in_words(self) -> str:
        """The verdict for a person: "7, sure", "4 or 9", "No digit that I know", or why there is no ink."""
        if self.verdict == "blank":
            return self.reason
        if self.verdict == "not a digit":
            return "No digit that I know"
        if self.verdict == "unsure":
            return " or ".join(map(str, self.candidates)) if len(self.candidates) > 1 else f"{self.digit}, perhaps"
        if self.confidence >= 0.9:
            return f"{self.digit}, sure"
        (first, _), (second, share) = self.top(2)
        return f"{first} or {second}" if share >= 0.1 else f"{first}, perhaps"

    @property
    def digit(self) -> int | None:
        return None if self.verdict in ("blank", "not a digit") else int(self.probabilities.argmax())

    @property
    def confidence(self) -> float:
        return float(self.probabilities.max())

    def top(self, count: int = 3) -> list[tuple[int, float]]:
        """The likeliest digits with their probabilities; empty where the ink is blank."""
        if self.verdict == "blank":
            return []
        order = np.argsort(-self.probabilities, kind="stable")[: max(0, count)]
        return [(int(digit), float(self.probabilities[digit])) for digit in order]

    def as_json(self, model: str, top: int = 3) -> dict:
        """For another program; the probabilities are of the digits 0 to 9 in their order."""
        return {
            "digit": self.digit,
            "confidence": self.confidence,
            "probabilities": self.probabilities.tolist(),
            "top": [{"digit": digit, "probability": probability} for digit, probability in self.top(top)],
            "verdict": self.verdict,
            "in_words": self.in_words,
            "reason": self.reason,
            "model": model,
            "milliseconds": round(self.preprocess_milliseconds + self.network_milliseconds, 3),
        }


class DigitClassifier:
    """A model and the pipeline that feeds it."""

    def __init__(self, model: nn.Module, card: Card, pipeline: Pipeline | None = None):
        # On a CPU convolutions over one image take a quarter less in this order.
        self.model = model.eval().to(memory_format=torch.channels_last)
        self.card = card
        self.pipeline = pipeline or Pipeline()

    @classmethod
    def load(cls, name: str | None = None, folder: Path = CHECKPOINTS) -> Self:
        """The checkpoint of that name, or else the preferred one of those that are there."""
        return cls(*load_checkpoint(preferred_checkpoint(folder) if name is None else name, folder))

    def predict(self, ink: Ink) -> Prediction:
        """Ink is a path, bytes of a file, a PIL image or an array, also as a tensor or nested lists: grey, RGB or RGBA,
        any size, either polarity.
        """
        return self.judge([self.pipeline.run(ink)])[0]

    def predict_batch(self, inks: Iterable[Ink], batch_size: int = 256) -> list[Prediction]:
        """An array holds its pictures along the first axis, or MNIST's 784 numbers of each in a row."""
        shape = getattr(inks, "shape", None)
        if shape is not None and len(shape) == 2 and shape[1] == SIDE * SIDE:
            inks = as_array(inks).reshape(-1, SIDE, SIDE)
            shape = None
        is_picture = shape is not None and (len(shape) < 3 or len(shape) == 3 and shape[-1] <= 4)
        if isinstance(inks, str | bytes | bytearray | PathLike | Image.Image) or hasattr(inks, "read") or is_picture:
            raise InkError("predict_batch takes several inks, such as a list of them. Give a single one to predict.")
        predictions: list[Prediction] = []
        traces: list[Trace] = []
        for ink in inks:
            traces.append(self.pipeline.run(ink).without_the_way())
            if len(traces) == batch_size:
                predictions += self.judge(traces)
                traces.clear()
        return predictions + self.judge(traces)

    def stages(self, ink: Ink) -> tuple[Step, ...]:
        """The named steps from ink to tensor; where nothing is drawn they end at the stage that found out."""
        return self.pipeline.run(ink).steps

    def judge(self, traces: list[Trace]) -> list[Prediction]:
        """Predictions for ink that has been through a pipeline."""
        written = [trace for trace in traces if not trace.blank]
        started = time.perf_counter()
        logits = infer(self.model, torch.stack([t.tensor for t in written])) if written else np.zeros((0, DIGITS))
        each = 1000 * (time.perf_counter() - started) / max(1, len(written))
        answers = iter(conclude(logits, self.card.limits))
        return [
            Prediction("blank", np.zeros(DIGITS), trace.image, trace.blank, preprocess_milliseconds=trace.milliseconds)
            if trace.blank
            else replace(
                next(answers),
                image=trace.image,
                preprocess_milliseconds=trace.milliseconds,
                network_milliseconds=each,
            )
            for trace in traces
        ]

    def probabilities(self, tensors: Tensor) -> np.ndarray:
        return softmax(infer(self.model, tensors))


def conclude(logits: np.ndarray, limits: Limits | None) -> list[Prediction]:
    """What a model of these limits means by its logits, without the images that they are of."""
    unseen = np.zeros((SIDE, SIDE), dtype=np.float32)
    return [
        Prediction(verdict, shares, unseen, _reason(verdict, candidates, shares), candidates)
        for (verdict, candidates), shares in zip(judge(logits, limits), softmax(logits), strict=True)
    ]


def _reason(verdict: Verdict, candidates: tuple[int, ...], probabilities: np.ndarray) -> str:
    first, second = map(with_article, np.argsort(-probabilities, kind="stable")[:2])
    if verdict == "digit":
        return ""
    if verdict == "not a digit":
        return f"It is unlike all ten digits; {first} comes nearest."
    if len(candidates) > 1:
        return f"It looks much like {first} and like {second}."
    return f"It comes nearest to {first}, but few people write one like this."


def use_one_thread() -> None:
    """For servers: one image is too little to share, and threads would wait for each other and for other visitors'."""
    torch.set_num_threads(1)
    threadpool_limits(1, "blas")  # for the whole process: NumPy knows no other way


@torch.inference_mode()
def infer(model: nn.Module, tensors: Tensor, batch_size: int = 500) -> np.ndarray:
    """The logits for N x 1 x 28 x 28 tensors, on the model's own device; the model is no longer in training."""
    device = next(model.parameters()).device
    model.eval()
    return torch.cat([model(part.to(device)).float().cpu() for part in tensors.split(batch_size)]).numpy()
