"""Ink that tests and benchmarks ask about: a plain seven, one and three, and what the canvas gives of them."""

from mnist_core.strokes import place, render

SEVEN_STROKES = [[(0, 0), (60, 0), (20, 90)]]
ONE_STROKES = [[(0, 0), (2, 90)]]
THREE_STROKES = [[(0, 2), (4, 0), (8, 3), (4, 7), (8, 11), (4, 15), (0, 13)]]
SEVEN = render(place(SEVEN_STROKES, 170, (140, 140)), 16)
ONE = render(place(ONE_STROKES, 170, (140, 140)), 16)
