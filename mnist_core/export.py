"""The export command: a model as one file for another program, loaded back and compared before it is written.

    python -m mnist_core.export batchnorm_cnn --format onnx

An export maps tensors to logits, any number of images at once (ExecuTorch: up to 8). The pipeline before it and the
verdict after it stay here.
"""

import argparse
import copy
import importlib.util
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from mnist_core.architectures import SIDE, build
from mnist_core.checkpoints import CHECKPOINTS, Card, write_atomically
from mnist_core.classifier import DigitClassifier, infer
from mnist_core.command import CommandError, add_checkpoints, finish, load_classifier, writing
from mnist_core.data import load_embedded_digits, load_mnist, mnist_is_here
from mnist_core.preprocess import to_tensor

COMPARED = 1_000
POCKETFUL = 8  # images at once on a phone: memory for so many is set aside
Run = Callable[[Tensor], np.ndarray]


def _example() -> tuple[Tensor]:
    return (torch.zeros(2, 1, SIDE, SIDE),)  # of one image PyTorch would conclude that there is always one


def _trace(model: nn.Module, most: int | None = None) -> torch.export.ExportedProgram:
    return torch.export.export(model, _example(), dynamic_shapes=({0: torch.export.Dim("batch", max=most)},))


def to_onnx(model: nn.Module, card: Card) -> bytes:
    batch = {0: torch.export.Dim("batch")}
    names = {"input_names": ["tensor"], "output_names": ["logits"]}
    program = torch.onnx.export(model, _example(), dynamic_shapes=(batch,), dynamo=True, verbose=False, **names)
    return program.model_proto.SerializeToString()


def run_onnx(content: bytes) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda tensors: session.run(None, {"tensor": tensors.numpy()})[0]


def to_torch_export(model: nn.Module, card: Card) -> bytes:
    file = io.BytesIO()
    torch.export.save(_trace(model), file)
    return file.getvalue()


def run_torch_export(content: bytes) -> Run:
    module = torch.export.load(io.BytesIO(content)).module()
    return lambda tensors: module(tensors).detach().numpy()


def to_safetensors(model: nn.Module, card: Card) -> bytes:
    """The weights and, in the same file, what to build for them."""
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    return save_tensors(tensors, {"architecture": card.architecture, "arguments": json.dumps(card.arguments)})


def run_safetensors(content: bytes) -> Run:
    size = int.from_bytes(content[:8], "little")
    about = json.loads(content[8 : 8 + size])["__metadata__"]
    model = build(about["architecture"], **json.loads(about["arguments"]))
    model.load_state_dict(load_tensors(content))
    return lambda tensors: infer(model, tensors, len(tensors))


def to_executorch(model: nn.Module, card: Card) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    edge = to_edge_transform_and_lower(_trace(model, POCKETFUL), partitioner=[XnnpackPartitioner()])
    return bytes(edge.to_executorch().buffer)


def run_executorch(content: bytes) -> Run:
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(content)
    forward = program.load_method("forward")
    # The output lies in the program's own memory, where the next one is written over it.
    return lambda tensors: torch.cat([forward.execute([part])[0].clone() for part in tensors.split(POCKETFUL)]).numpy()


class Format(NamedTuple):
    suffix: str
    save: Callable[[nn.Module, Card], bytes]
    load: Callable[[bytes], Run]
    packages: tuple[str, ...] = ()  # beside requirements.txt
    install: str = ""


FORMATS = {
    "onnx": Format(
        ".onnx", to_onnx, run_onnx, ("onnx", "onnxscript", "onnxruntime"), "pip install -r requirements-export.txt"
    ),
    "torch-export": Format(".pt2", to_torch_export, run_torch_export),
    "safetensors": Format(".safetensors", to_safetensors, run_safetensors),
    "executorch": Format(".pte", to_executorch, run_executorch, ("executorch",), "pip install executorch==1.5.1"),
}


def ensure_packages(form: Format) -> None:
    if missing := [package for package in form.packages if not importlib.util.find_spec(package)]:
        raise CommandError(
            f"This format needs what is not installed here: {', '.join(missing)}. Install it: {form.install}"
        )


def ensure_place(out: Path, checkpoints: Path) -> None:
    if not out.parent.is_dir() or (out.exists() and not out.is_file()):
        raise CommandError(f"{out} is not a place for a file. Name another with --out.")
    shelves = (checkpoints.resolve(), CHECKPOINTS.resolve())
    if out.suffix in (".safetensors", ".json", ".npz") and out.resolve().parent in shelves:
        raise CommandError(f"{out} would take the place of a part of a checkpoint. Name another file with --out.")


def images_to_compare() -> tuple[str, Tensor]:
    if mnist_is_here():
        return f"the first {COMPARED:,} of MNIST's test images", to_tensor(load_mnist("test").images[:COMPARED])
    return f"the first {COMPARED:,} digits inside scikit-learn", to_tensor(load_embedded_digits().images[:COMPARED])


def compare(model: nn.Module, run: Run, tensors: Tensor) -> float:
    """The largest difference of a logit; raises where an answer is another one."""
    parts = tensors.split([len(tensors) - 1, 1])
    expected = np.concatenate([infer(model, part, len(part)) for part in parts])
    found = np.concatenate([run(part) for part in parts])
    if differ := int((expected.argmax(axis=1) != found.argmax(axis=1)).sum()):
        raise CommandError(f"The export answers {differ:,} of {len(tensors):,} images differently: it is not written.")
    return float(np.abs(expected - found).max())


def export(classifier: DigitClassifier, form: Format, out: Path) -> int:
    model = copy.deepcopy(classifier.model).to(memory_format=torch.contiguous_format)  # the order that files expect
    content = form.save(model, classifier.card)
    what, tensors = images_to_compare()
    difference = compare(model, form.load(content), tensors)
    with writing(out):
        write_atomically(out, content)
    print(f"{out}: {len(content) / 1e6:.1f} MB")
    print(f"Loaded back and compared on {what}: same answers, largest difference of a logit {difference:.1e}.")
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mnist_core.export",
        description="Write a model as one file that other programs run, after loading it back and comparing it.",
    )
    parser.add_argument("name", metavar="NAME", help="the model")
    parser.add_argument("--format", required=True, choices=list(FORMATS), help="which kind of file")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where it goes (default: NAME with a suffix, here)")
    add_checkpoints(parser)
    options = parser.parse_args(arguments)
    form = FORMATS[options.format]
    out = options.out or Path(f"{options.name}{form.suffix}")

    def command() -> int:
        classifier = load_classifier(parser, options.name, options.checkpoints)
        ensure_packages(form)
        ensure_place(out, options.checkpoints)
        return export(classifier, form, out)

    return finish(command)


if __name__ == "__main__":
    sys.exit(main())
