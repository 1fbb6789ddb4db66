"""Handwritten digits, from ink to answer. The public face is `DigitClassifier`."""

from mnist_core.checkpoints import CheckpointError
from mnist_core.classifier import DigitClassifier, Prediction
from mnist_core.data import DataUnavailable
from mnist_core.ink import InkError

__all__ = ["CheckpointError", "DataUnavailable", "DigitClassifier", "InkError", "Prediction"]
