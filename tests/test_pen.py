"""Holds the pen of our own: it follows from its seed, knows all its forms, and a model trained on MNIST reads it."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from mnist_core import DigitClassifier, pen
from mnist_core.classifier import infer
from mnist_core.forms import DIGIT_FORMS, OTHER_FORMS, Form, read
from mnist_core.pen import INK_KINDS, SIGNS, STROKE_KINDS, sheet, written_digit, written_digits, written_other
from mnist_core.pen import written_others as others
from mnist_core.preprocess import to_tensor

KINDS = [*SIGNS, *STROKE_KINDS, *INK_KINDS]
# As American schools teach them, and so as MNIST shows them.
PLAIN = ("0 oval", "1 plain", "2 plain", "3 round", "4 open", "5 with a hat", "6 plain", "7 plain", "8 in one crossing")
PLAIN += ("2 looped", "4 closed", "9 plain", "9 with a straight back")


@pytest.fixture(scope="module")
def some_digits():
    return written_digits(600, seed=3)


@pytest.fixture(scope="module")
def some_others():
    return others(200, seed=3)


def box_of(image: np.ndarray) -> tuple[int, int]:
    (rows, columns), *_ = ndimage.find_objects((image > 0).astype(int))
    return rows.stop - rows.start, columns.stop - columns.start


def test_the_same_seed_writes_the_same_and_another_seed_does_not():
    for write in (written_digits, others):
        first, again, other = write(12, seed=5), write(12, seed=5), write(12, seed=6)
        np.testing.assert_array_equal(first[0], again[0])
        assert first[-1] == again[-1]
        assert (first[0] != other[0]).any(axis=(1, 2)).all()


def test_a_sample_does_not_depend_on_how_many_are_written(some_digits, some_others):
    images, labels, forms = written_digits(9, seed=3)
    np.testing.assert_array_equal(images, some_digits[0][:9])
    np.testing.assert_array_equal(labels, some_digits[1][:9])
    assert forms == some_digits[2][:9]
    images, kinds = others(9, seed=3)
    np.testing.assert_array_equal(images, some_others[0][:9])
    assert kinds == some_others[1][:9]


def test_every_form_has_a_name_of_its_own_and_can_be_written():
    names = [form.name for form in DIGIT_FORMS + OTHER_FORMS]
    assert len(set(names)) == len(names)
    assert {form.label for form in DIGIT_FORMS} == {*range(10)}
    for number, form in enumerate(DIGIT_FORMS):
        assert written_digit(form, np.random.default_rng([1, number])).any()
    for number, kind in enumerate(KINDS):
        assert written_other(kind, np.random.default_rng([1, number])).any()


def test_a_form_whose_two_texts_do_not_agree_is_told():
    with pytest.raises(ValueError, match=r"The two texts of the form 7 odd differ in their points\."):
        Form("7 odd", 1, "0,0 50,0! 20,100", "0,0 50,0!").between(0.5)


def test_a_form_is_read_as_strokes_of_points():
    first, second = read("4,-2 0,62! 78,56 / 56,0 42,100")
    np.testing.assert_array_equal(first.points, [(4, -2), (0, 62), (78, 56)])
    assert first.sharp.tolist() == [False, True, False]
    assert len(second.points) == 2


def test_labels_follow_the_forms_and_all_digits_are_equally_frequent(some_digits):
    _, labels, forms = some_digits
    assert [int(form[0]) for form in forms] == labels.tolist()
    assert np.bincount(labels, minlength=10).min() > 30
    assert {*forms} <= {form.name for form in DIGIT_FORMS}


def test_rare_forms_are_seen_often():
    for digit in range(10):
        weights = [form.weight for form in DIGIT_FORMS if form.label == digit]
        assert min(weights) / sum(weights) >= 1 / 60


def test_digits_are_images_as_the_pipeline_makes_them(some_digits):
    images, labels, _ = some_digits
    assert (images.dtype, images.shape, labels.dtype) == (np.uint8, (600, 28, 28), np.int64)
    assert (images.max(axis=(1, 2)) == 255).all()
    for image in images:
        assert max(box_of(image)) in (19, 20)  # what a border pixel holds may round to nothing
        assert all(14 <= place + 0.5 < 15 for place in ndimage.center_of_mass(image))


def test_what_is_no_digit_is_never_blank_and_is_of_many_kinds(some_others):
    images, kinds = some_others
    assert (images.dtype, images.shape) == (np.uint8, (200, 28, 28))
    assert (images.max(axis=(1, 2)) == 255).all()
    assert {*kinds} <= {*KINDS}
    assert len({*kinds}) > 50


def test_half_a_digit_is_never_so_narrow_that_it_might_be_a_1():
    halves = np.stack([written_other("half a digit", np.random.default_rng([4, number])) for number in range(60)])
    assert min(min(box_of(image)) for image in halves) >= 7
    assert len(np.unique(halves, axis=0)) == 60


def test_a_model_trained_on_mnist_reads_the_forms_that_mnist_shows(some_digits):
    images, labels, forms = some_digits
    plain = np.isin(forms, PLAIN)
    model = DigitClassifier.load("batchnorm_cnn").model
    right = infer(model, to_tensor(images[plain])).argmax(1) == labels[plain]
    assert plain.sum() > 150
    assert right.mean() > 0.95


def test_a_canvas_half_as_large_gives_the_same_image(monkeypatch):
    def image(side: int, finer: int, number: int) -> np.ndarray:
        rng = np.random.default_rng([2, number])
        strokes = pen.write(DIGIT_FORMS[number], rng)
        width = side * 18 / 280
        canvas = pen.render(pen.place(strokes, 0.7 * side, (side / 2, side / 2)), width, side, finer)
        return pen.to_image(canvas) / 255.0

    apart = np.array([np.abs(image(140, 2, n) - image(280, 4, n)).mean() for n in range(0, len(DIGIT_FORMS), 4)])
    # Where its centre of mass lies just between two pixels, an image may come out one pixel aside, and then 0.06 apart.
    assert np.median(apart) < 0.01
    assert (apart < 0.02).mean() > 0.8


def test_the_sheet_has_a_row_for_every_form_and_kind(tmp_path, monkeypatch):
    assert len(np.unique(np.asarray(sheet(samples=1, panels=2)))) > 100
    monkeypatch.setattr(pen, "sheet", lambda: sheet(samples=1, panels=4))
    monkeypatch.setattr(sys, "argv", ["pen", "--sheet", str(tmp_path / "sheet.png")])
    assert pen.main() == 0
    assert (tmp_path / "sheet.png").stat().st_size > 10_000


def test_a_sheet_that_is_no_png_is_told_before_anything_is_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pen, "sheet", lambda: pytest.fail("it was drawn"))
    monkeypatch.setattr(sys, "argv", ["pen", "--sheet", str(tmp_path / "sheet.txt")])
    with pytest.raises(SystemExit) as end:
        pen.main()
    assert end.value.code == 2
    assert "is not a place for a PNG file" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["nowhere/sheet.png", f"{'x' * 300}.png"], ids=["no folder", "too long"])
def test_a_place_that_takes_no_sheet_is_told_before_anything_is_drawn(tmp_path, monkeypatch, capsys, place):
    monkeypatch.setattr(pen, "sheet", lambda: pytest.fail("it was drawn"))
    monkeypatch.setattr(sys, "argv", ["pen", "--sheet", str(tmp_path / place)])
    assert pen.main() == 1
    assert "cannot be written: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [(KeyboardInterrupt(), 130, ""), (OSError(28, "No space left on device"), 1, "cannot be written: No space left")],
    ids=["Ctrl-C", "full disk"],
)
def test_a_sheet_that_is_not_finished_ends_without_a_traceback(tmp_path, monkeypatch, capsys, error, status, told):
    def stop(*_, **__):
        raise error

    monkeypatch.setattr(pen, "sheet", lambda: SimpleNamespace(save=stop))
    monkeypatch.setattr(sys, "argv", ["pen", "--sheet", str(tmp_path / "sheet.png")])
    assert pen.main() == status
    assert told in capsys.readouterr().err
