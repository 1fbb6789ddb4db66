"""Why an answer is what it is: what each stage of the pipeline is worth, and what goes on inside a network."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mnist_core.architectures import SIDE
from mnist_core.classifier import DigitClassifier, Prediction
from mnist_core.ink import Ink
from mnist_core.preprocess import NAIVE, STAGES, Pipeline, Trace, to_tensor

COVER = 5  # pixels a side of the paper that is laid on an image

# Stages -------------------------------------------------------------------------------------------------------


def answers_on_the_way(classifier: DigitClassifier, ink: Ink, pipeline: Pipeline, trace: Trace) -> list[Prediction]:
    """What the model says if the pipeline ends after each step of its trace; the last answer is the real one."""
    names = [step.stage.name for step in trace.steps]
    return judge_each_once(classifier, [pipeline.until(name).run(ink, before=trace) for name in names])


def judge_each_once(classifier: DigitClassifier, traces: Sequence[Trace]) -> list[Prediction]:
    """As the classifier judges them; many a stage changes nothing, and the network is not asked twice."""
    keys = [(trace.blank, trace.tensor.numpy().tobytes()) for trace in traces]
    unlike = dict(zip(keys, traces, strict=True))
    predictions = dict(zip(unlike, classifier.judge(list(unlike.values())), strict=True))
    return [predictions[key] for key in keys]


@dataclass(frozen=True)
class Finding:
    """The answer that a poorer pipeline gives to the same ink."""

    left_out: str  # the name of the stage, or "naive" for the whole canvas shrunk
    prediction: Prediction
    flips: bool  # another digit, or none at all
    worth: float  # how much of the full pipeline's confidence in its digit is missing


@dataclass(frozen=True)
class Diagnosis:
    full: Prediction
    findings: tuple[Finding, ...]

    @property
    def flips(self) -> list[Finding]:
        """The stages without which the answer is another, the surest wrong answer first."""
        flips = [finding for finding in self.findings if finding.flips and finding.left_out != "naive"]
        return sorted(flips, key=lambda finding: -finding.prediction.confidence)

    @property
    def by_worth(self) -> list[Finding]:
        stages = [finding for finding in self.findings if finding.left_out != "naive"]
        return sorted(stages, key=lambda finding: -finding.worth)


def diagnose(classifier: DigitClassifier, ink: Ink, before: Trace | None = None) -> Diagnosis:
    """The ink through the full pipeline, through the naive resize, and with each stage removed in turn."""
    pipeline = classifier.pipeline
    trace = pipeline.run(ink, before=before)
    removed = [stage.name for stage in STAGES if stage.name != "grey" and stage.name not in pipeline.off]
    poorer = {"naive": NAIVE} | {name: pipeline.without(name) for name in removed}
    full, *others = judge_each_once(classifier, [trace, *(p.run(ink, before=trace) for p in poorer.values())])
    if full.digit is None:
        return Diagnosis(full, ())
    return Diagnosis(
        full,
        tuple(
            Finding(name, other, other.digit != full.digit, full.confidence - float(other.probabilities[full.digit]))
            for name, other in zip(poorer, others, strict=True)
        ),
    )


# Inside a network ---------------------------------------------------------------------------------------------


@contextmanager
def recorded(model: nn.Module, kind: type[nn.Module]) -> Iterator[dict[str, Tensor]]:
    """What every layer of one kind puts out while the block runs, by the layer's name."""
    outputs: dict[str, Tensor] = {}

    def record(name: str):
        def hook(layer: nn.Module, inputs: tuple, output: Tensor) -> None:
            outputs[name] = output.detach().clone()

        return hook

    hooks = [
        layer.register_forward_hook(record(name)) for name, layer in model.named_modules() if isinstance(layer, kind)
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


@torch.inference_mode()
def feature_maps(model: nn.Module, tensor: Tensor) -> list[np.ndarray]:
    """The maps (channels x height x width) of each convolution for one tensor; none for a network that has none."""
    # Others may be asking the same model at this moment: hooks on it would hear their images too.
    alone = copy.deepcopy(model).eval()
    with recorded(alone, nn.Conv2d) as outputs:
        alone(tensor.unsqueeze(0).to(next(alone.parameters()).device))
    return [maps[0].float().cpu().numpy() for maps in outputs.values()]


# What an answer rests on --------------------------------------------------------------------------------------


def occlusion_map(classifier: DigitClassifier, image: np.ndarray, digit: int) -> np.ndarray:
    """How much of the digit's probability is lost where a square of empty paper covers the image, 28 x 28.

    Above 0 the ink, or its absence, speaks for the digit; below 0 it speaks against it. Each pixel has the mean of
    all squares that cover it.
    """
    starts = range(1 - COVER, SIDE, 2)
    corners = [(top, left) for top in starts for left in starts]
    covered = np.repeat(np.asarray(image, dtype=np.float32)[None], len(corners) + 1, axis=0)
    for picture, (top, left) in zip(covered, corners, strict=False):
        picture[max(0, top) : top + COVER, max(0, left) : left + COVER] = 0
    # Where a square covers nothing but paper the answer cannot change, and most do.
    changed = np.flatnonzero((covered != covered[-1]).any(axis=(1, 2)))
    probabilities = classifier.probabilities(to_tensor(covered[[*changed, -1]]))[:, digit]
    lost = np.zeros(len(corners))
    lost[changed] = probabilities[-1] - probabilities[:-1]
    total, times = np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE))
    for loss, (top, left) in zip(lost, corners, strict=True):
        place = slice(max(0, top), top + COVER), slice(max(0, left), left + COVER)
        total[place] += loss
        times[place] += 1
    return total / times


def saliency_map(classifier: DigitClassifier, image: np.ndarray, digit: int) -> np.ndarray:
    """How the digit's score changes with the ink of each pixel, 28 x 28: above 0 more ink would raise it."""
    model = classifier.model
    ink = torch.tensor(image, dtype=torch.float32, device=next(model.parameters()).device, requires_grad=True)
    with torch.enable_grad():
        # Only the image's own gradient is asked for: the weights, which others share, get none.
        (slope,) = torch.autograd.grad(model(to_tensor(ink[None]))[0, digit], ink)
    return slope.cpu().numpy()
