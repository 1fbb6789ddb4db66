"""Ink that tests of many rooms, and benchmarks, ask about: a plain seven and a plain one, as the canvas gives them."""

from mnist_core.strokes import place, render

SEVEN_STROKES = [[(0, 0), (60, 0), (20, 90)]]
ONE_STROKES = [[(0, 0), (2, 90)]]
SEVEN = render(place(SEVEN_STROKES, 170, (140, 140)), 16)
ONE = render(place(ONE_STROKES, 170, (140, 140)), 16)
