"""What several test files share: MNIST where it is at hand, and a checkpoint that needs no training."""

import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from streamlit.runtime.pages_manager import PagesManager

from mnist_core.architectures import build, parameter_count
from mnist_core.checkpoints import Card, save_checkpoint
from mnist_core.data import Labelled, load_mnist, mnist_is_here
from mnist_core.evaluate import accuracy, evaluate, score

# The same examples on every machine and in every run, and no limit of time for one that is busy.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")

# What a shell starts in the background is deaf to Ctrl-C, and so would be the commands that tests start and stop.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def every_run_inside_the_frame(monkeypatch):
    """A run of AppTest begins as a new server does: each but the first would take `pages` for the old kind of app."""
    begin = PagesManager.__init__

    def begin_in_frame(self, *arguments, **options):
        begin(self, *arguments, **options)
        PagesManager.uses_pages_directory = False

    monkeypatch.setattr(PagesManager, "__init__", begin_in_frame)


@pytest.fixture(autouse=True)
def the_same_weights_and_noise_in_every_run():
    torch.manual_seed(7)


@pytest.fixture(scope="session")
def mnist_test() -> Labelled:
    """MNIST's own test images; a test that asks for them is skipped where they would have to be fetched."""
    if not mnist_is_here():
        pytest.skip("MNIST is not on this disk; MNIST_DATA_DIR may name its folder")
    return load_mnist("test")


@pytest.fixture
def no_mnist(monkeypatch, tmp_path):
    monkeypatch.setenv("MNIST_DATA_DIR", str(tmp_path))


@pytest.fixture
def save_untrained(tmp_path):
    """A function that saves a checkpoint of an untrained network with made-up answers to 50 images."""

    def save(
        name: str = "small", architecture: str = "mlp", folder: Path = tmp_path, data: str = "made up", **arguments
    ) -> Card:
        torch.manual_seed(7)
        model = build(architecture, **arguments)
        rng = np.random.default_rng(7)
        labels, logits = rng.integers(0, 10, 50), rng.normal(size=(50, 10))
        card = Card(
            name=name,
            architecture=architecture,
            arguments=arguments,
            parameters=parameter_count(model),
            sha256="",
            recipe={"seed": 7},
            data=data,
            history=[{"epoch": 1, "train_loss": 2.3, "train_accuracy": 0.1, "validation_accuracy": 0.1}],
            validation=score(4, 40),
            test=accuracy(evaluate(labels, logits)),
        )
        return save_checkpoint(card, model, labels, logits, folder)

    return save
