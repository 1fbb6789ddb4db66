"""Every shipped checkpoint on MNIST's 10,000 test images, from its weights: the table of the README.

    python -m benchmarks.reference_models

Needs MNIST, which is fetched where it is missing. About a minute on one core.
"""

import argparse

import torch

from mnist_core.architectures import SIDE, multiply_adds
from mnist_core.checkpoints import CHECKPOINTS, list_checkpoints, load_checkpoint
from mnist_core.classifier import infer
from mnist_core.data import load_mnist
from mnist_core.evaluate import accuracy, evaluate
from mnist_core.preprocess import to_tensor


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    images, labels = load_mnist("test")
    tensors = to_tensor(images)
    print("| model | test accuracy | 95% interval | parameters | MB | million multiply-adds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for card in list_checkpoints()[0]:
        model, _ = load_checkpoint(card.name)
        score = accuracy(evaluate(labels, infer(model, tensors)))
        work = multiply_adds(model, torch.zeros(1, 1, SIDE, SIDE)) / 1e6
        size = (CHECKPOINTS / f"{card.name}.safetensors").stat().st_size / 1e6
        print(
            f"| {card.name} | {score.accuracy:.2%} | {score.low:.2%} to {score.high:.2%} "
            f"| {card.parameters:,} | {size:.1f} | {work:.1f} |"
        )


if __name__ == "__main__":
    main()
