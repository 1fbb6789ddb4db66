"""What explains an answer is true to the classifier that gave it, and leaves no trace in its network."""

import threading

import numpy as np
import pytest
import torch
from torch import nn

from mnist_core import DigitClassifier
from mnist_core.architectures import ARCHITECTURES, build
from mnist_core.explain import (
    answers_on_the_way,
    diagnose,
    feature_maps,
    judge_each_once,
    occlusion_map,
    recorded,
    saliency_map,
)
from mnist_core.preprocess import NAIVE, STAGE_NAMES, Pipeline, to_tensor
from mnist_core.strokes import place, render
from tests.inks import SEVEN_STROKES

SEVEN = render(place(SEVEN_STROKES, 120, (200, 90)), 16)


@pytest.fixture
def classifier(save_untrained, tmp_path) -> DigitClassifier:
    save_untrained("small", "simple_cnn", filters=4)
    return DigitClassifier.load("small", tmp_path)


def hooks(model: nn.Module) -> int:
    return sum(len(layer._forward_hooks) + len(layer._forward_pre_hooks) for layer in model.modules())


def test_the_last_answer_on_the_way_is_the_classifiers_own(classifier):
    trace = classifier.pipeline.run(SEVEN)
    answers = answers_on_the_way(classifier, SEVEN, classifier.pipeline, trace)
    assert len(answers) == len(STAGE_NAMES)
    assert np.allclose(answers[-1].probabilities, classifier.predict(SEVEN).probabilities)


def test_an_answer_on_the_way_is_that_of_a_pipeline_without_what_follows(classifier):
    trace = classifier.pipeline.run(SEVEN)
    answers = answers_on_the_way(classifier, SEVEN, classifier.pipeline, trace)
    for number, name in enumerate(STAGE_NAMES[:-1]):
        shorter = Pipeline(off=STAGE_NAMES[number + 1 : -1]).run(SEVEN)
        assert np.array_equal(answers[number].image, shorter.image), name
        assert np.allclose(answers[number].probabilities, classifier.judge([shorter])[0].probabilities), name


def test_up_to_polarity_the_way_is_the_naive_one(classifier):
    trace = classifier.pipeline.run(SEVEN)
    answer = answers_on_the_way(classifier, SEVEN, classifier.pipeline, trace)[STAGE_NAMES.index("polarity")]
    assert np.array_equal(answer.image, NAIVE.run(SEVEN).image)


def test_the_network_is_asked_once_for_equal_tensors_and_everybody_is_answered(classifier):
    blank = classifier.pipeline.run(np.zeros((50, 50), np.uint8))
    written = classifier.pipeline.run(SEVEN)
    asked = []
    hook = classifier.model.register_forward_pre_hook(lambda model, inputs: asked.append(len(inputs[0])))
    answers = judge_each_once(classifier, [written, blank, written, written])
    hook.remove()
    assert asked == [1]
    assert [answer.verdict for answer in answers] == ["digit", "blank", "digit", "digit"]


def test_the_doctor_runs_the_full_the_naive_and_every_poorer_pipeline(classifier):
    diagnosis = diagnose(classifier, SEVEN)
    assert [finding.left_out for finding in diagnosis.findings] == ["naive", *STAGE_NAMES[1:]]
    full = classifier.predict(SEVEN)
    for finding in diagnosis.findings:
        pipeline = NAIVE if finding.left_out == "naive" else Pipeline(off=[finding.left_out])
        other = classifier.judge([pipeline.run(SEVEN)])[0]
        assert np.allclose(finding.prediction.probabilities, other.probabilities)
        assert finding.flips == (other.digit != full.digit)
        assert finding.worth == pytest.approx(full.confidence - other.probabilities[full.digit], abs=1e-6)


def test_flips_are_named_the_surest_first_and_the_naive_resize_is_no_stage(classifier):
    diagnosis = diagnose(classifier, SEVEN)
    flipping = {finding.left_out for finding in diagnosis.findings if finding.flips}
    assert {finding.left_out for finding in diagnosis.flips} == flipping - {"naive"}
    assert len(diagnosis.flips) > 1
    assert {finding.left_out for finding in diagnosis.by_worth} == {*STAGE_NAMES[1:]}
    surest = [finding.prediction.confidence for finding in diagnosis.flips]
    assert surest == sorted(surest, reverse=True)
    worth = [finding.worth for finding in diagnosis.by_worth]
    assert worth == sorted(worth, reverse=True)


def test_a_stage_that_is_off_already_is_not_left_out_again(classifier):
    classifier.pipeline = Pipeline(off=["background"])
    left_out = [finding.left_out for finding in diagnose(classifier, SEVEN).findings]
    assert left_out == ["naive", *(name for name in STAGE_NAMES[1:] if name != "background")]


def test_the_doctor_has_nothing_to_say_of_blank_paper(classifier):
    diagnosis = diagnose(classifier, np.full((50, 50), 255, np.uint8))
    assert diagnosis.full.verdict == "blank"
    assert diagnosis.findings == ()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_network_shows_a_map_for_each_filter_of_each_convolution(architecture):
    model = build(architecture).eval()
    convolutions = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    maps = feature_maps(model, torch.randn(1, 28, 28))
    assert [len(layer) for layer in maps] == [layer.out_channels for layer in convolutions]
    assert hooks(model) == 0


def test_the_first_maps_are_the_convolution_itself():
    model, tensor = build("simple_cnn").eval(), torch.randn(1, 28, 28)
    with torch.no_grad():
        expected = model[0](tensor[None])[0].numpy()
    assert np.allclose(feature_maps(model, tensor)[0], expected, atol=1e-6)


def test_no_hook_remains_even_after_an_error():
    model = build("simple_cnn")

    def fail() -> None:
        with recorded(model, nn.Conv2d):
            assert hooks(model) == 1
            model(torch.zeros(1, 3, 28, 28))

    with pytest.raises(RuntimeError):
        fail()
    assert hooks(model) == 0


def test_two_visitors_see_their_own_images():
    model, tensors = build("simple_cnn").eval(), [torch.full((1, 28, 28), float(n)) for n in range(4)]
    expected = [feature_maps(model, tensor)[0] for tensor in tensors]
    seen: dict[int, list] = {number: [] for number in range(4)}

    def look(number: int) -> None:
        for _ in range(10):
            seen[number].append(feature_maps(model, tensors[number])[0])

    threads = [threading.Thread(target=look, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, maps in seen.items():
        assert len(maps) == 10
        assert all(np.allclose(one, expected[number]) for one in maps)


@pytest.mark.parametrize(("row", "column"), [(14, 14), (13, 15)])  # nine squares cover the one, four the other
def test_the_occlusion_map_is_what_covering_by_hand_loses(row, column, classifier):
    image = classifier.pipeline.run(SEVEN).image
    before = classifier.judge([classifier.pipeline.run(SEVEN)])[0].probabilities
    side, losses = 5, []
    for top in range(1 - side, 28, 2):
        for left in range(1 - side, 28, 2):
            if top <= row < top + side and left <= column < left + side:
                covered = image.copy()
                covered[max(0, top) : top + side, max(0, left) : left + side] = 0
                losses.append(before[7] - classifier.probabilities(to_tensor(covered[None]))[0, 7])
    found = occlusion_map(classifier, image, 7)
    assert found.shape == (28, 28)
    assert len(losses) > 3
    assert found[row, column] == pytest.approx(np.mean(losses), abs=1e-6)


def test_where_there_is_no_ink_near_nothing_is_lost_by_covering(classifier):
    image = np.zeros((28, 28), dtype=np.float32)
    image[10:14, 10:14] = 1
    found = occlusion_map(classifier, image, 3)
    assert np.abs(found[20:, 20:]).max() == 0
    assert np.abs(found[10:14, 10:14]).max() > 0


def test_the_saliency_map_is_the_slope_of_the_score(classifier):
    image = classifier.pipeline.run(SEVEN).image
    found = saliency_map(classifier, image, 7)
    step = 3e-3
    strongest = np.unravel_index(np.abs(found).argmax(), found.shape)

    def score(by: float) -> float:
        changed = image.copy()
        changed[strongest] += by
        with torch.inference_mode():
            return float(classifier.model(to_tensor(changed[None]))[0, 7])

    assert found[strongest] == pytest.approx((score(step) - score(-step)) / (2 * step), rel=0.05)


def test_looking_for_reasons_leaves_no_gradient_behind(classifier):
    saliency_map(classifier, classifier.pipeline.run(SEVEN).image, 7)
    assert all(parameter.grad is None for parameter in classifier.model.parameters())
    assert not classifier.model.training
