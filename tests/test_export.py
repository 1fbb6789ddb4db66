"""What is taken away answers as the model does: every export is loaded back, and the README's lines run each."""

import importlib.util
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from mnist_core import export
from mnist_core.architectures import ARCHITECTURES, SIDE, build
from mnist_core.checkpoints import load_checkpoint
from mnist_core.classifier import infer
from mnist_core.export import FORMATS, main

ROOT = Path(__file__).resolve().parent.parent
ALWAYS = [name for name in FORMATS if name != "executorch"]
# ExecuTorch brings thirty packages of its own, which is too much for every run of the tests.
LACKING = not importlib.util.find_spec("executorch")
INSTALLED = [*ALWAYS, pytest.param("executorch", marks=pytest.mark.skipif(LACKING, reason="no ExecuTorch here"))]


@pytest.fixture
def few(monkeypatch):
    """A few images to compare, where the number does not matter."""
    torch.manual_seed(1)
    tensors = torch.randn(20, 1, SIDE, SIDE)
    monkeypatch.setattr(export, "images_to_compare", lambda: ("20 images of noise", tensors))
    return tensors


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("form", ALWAYS)
def test_every_network_is_exported_as_one_file_for_batches_of_any_size(
    save_untrained, tmp_path, few, capsys, form, architecture
):
    save_untrained("small", architecture)
    (folder := tmp_path / "there").mkdir()
    out = folder / f"out{FORMATS[form].suffix}"
    assert main(["small", "--format", form, "--out", str(out), "--checkpoints", str(tmp_path)]) == 0
    assert [path.name for path in folder.iterdir()] == [out.name]
    told = capsys.readouterr()
    assert told.err == ""
    assert "20 images of noise: same answers" in told.out
    assert float(re.search(r"logit (\S+)\.$", told.out.strip())[1]) < 1e-4
    run, (model, _) = FORMATS[form].load(out.read_bytes()), load_checkpoint("small", tmp_path)
    for count in (1, 2, 7):
        np.testing.assert_allclose(run(few[:count]), infer(model, few[:count]), atol=1e-4)


@pytest.mark.parametrize("architecture", ["batchnorm_cnn", "house"])
@pytest.mark.parametrize("form", INSTALLED)
def test_the_lines_of_the_readme_run_each_export(save_untrained, tmp_path, monkeypatch, few, form, architecture):
    arguments = {"folded": True} if architecture == "house" else {}
    save_untrained("batchnorm_cnn", architecture, folder=tmp_path, **arguments)
    (away := tmp_path / "away").mkdir()
    monkeypatch.chdir(away)
    assert main(["batchnorm_cnn", "--format", form, "--checkpoints", str(tmp_path)]) == 0
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Exports")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    (code,) = [block for block in blocks if f'"batchnorm_cnn{FORMATS[form].suffix}"' in block]
    names = {"tensors": few[:5]}
    exec(code, names)
    expected = infer(load_checkpoint("batchnorm_cnn", tmp_path)[0], few[:5])
    np.testing.assert_allclose(torch.as_tensor(names["logits"]).detach().numpy(), expected, atol=1e-4)


def test_an_export_is_compared_on_a_thousand_images(save_untrained, tmp_path, capsys):
    save_untrained("small")
    out = tmp_path / "away.pt2"
    assert main(["small", "--format", "torch-export", "--out", str(out), "--checkpoints", str(tmp_path)]) == 0
    assert re.search(r"the first 1,000 (of MNIST's test images|digits inside scikit-learn)", capsys.readouterr().out)
    assert len(export.images_to_compare()[1]) == 1000


def test_the_difference_that_is_told_is_the_largest_of_all_logits(few):
    model = build("mlp").eval()

    def run(tensors: torch.Tensor) -> np.ndarray:
        logits = infer(model, tensors, len(tensors))
        logits[0, logits[0].argmin()] -= 0.5
        return logits

    assert export.compare(model, run, few) == pytest.approx(0.5, abs=1e-4)


def test_an_export_that_answers_otherwise_is_not_written(save_untrained, tmp_path, few, monkeypatch, capsys):
    save_untrained("small")
    wrong = FORMATS["safetensors"]._replace(load=lambda content: lambda tensors: np.eye(10)[[3] * len(tensors)])
    monkeypatch.setitem(FORMATS, "safetensors", wrong)
    out = tmp_path / "there" / "x.safetensors"
    out.parent.mkdir()
    assert main(["small", "--format", "safetensors", "--out", str(out), "--checkpoints", str(tmp_path)]) == 1
    assert re.search(r"answers \d+ of 20 images differently", capsys.readouterr().err)
    assert list(out.parent.iterdir()) == []


def test_a_missing_package_is_told_with_what_to_do(save_untrained, tmp_path, monkeypatch, capsys):
    save_untrained("small")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    assert main(["small", "--format", "onnx", "--checkpoints", str(tmp_path)]) == 1
    assert capsys.readouterr().err.endswith("onnxscript. Install it: pip install -r requirements-export.txt\n")


def test_an_export_never_takes_the_place_of_a_checkpoint(save_untrained, tmp_path, monkeypatch, few, capsys):
    save_untrained("small")
    before = (tmp_path / "small.safetensors").read_bytes()
    monkeypatch.chdir(tmp_path)
    assert main(["small", "--format", "safetensors", "--checkpoints", "."]) == 1
    assert "--out" in capsys.readouterr().err
    assert (tmp_path / "small.safetensors").read_bytes() == before
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    monkeypatch.setattr("mnist_core.export.CHECKPOINTS", shipped)
    out = shipped / "house.safetensors"
    assert main(["small", "--format", "safetensors", "--checkpoints", ".", "--out", str(out)]) == 1
    assert "part of a checkpoint" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [([], "required"), (["small"], "--format"), (["small", "--format", "jpeg"], "invalid choice"),
     (["nix", "--format", "onnx"], "no model called 'nix'; there are small")],
)  # fmt: skip
def test_wrong_usage_is_told_in_a_sentence(save_untrained, tmp_path, capsys, arguments, told):
    save_untrained("small")
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--checkpoints", str(tmp_path)])
    assert end.value.code == 2
    assert told in capsys.readouterr().err


def test_a_place_that_is_none_is_told(save_untrained, tmp_path, few, capsys):
    save_untrained("small")
    os.mkfifo(tmp_path / "pipe")
    kept = (tmp_path / "small.json").read_bytes()
    for out in (tmp_path, tmp_path / "nowhere" / "x.pt2", tmp_path / "pipe", tmp_path / "small.json"):
        assert main(["small", "--format", "torch-export", "--out", str(out), "--checkpoints", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("--out") == 4
    assert (tmp_path / "pipe").is_fifo()
    assert (tmp_path / "small.json").read_bytes() == kept


def test_the_packages_of_the_tests_are_those_of_the_exports():
    pinned = {line for line in (ROOT / "requirements-export.txt").read_text().splitlines() if "==" in line}
    assert pinned <= {*(ROOT / "tests" / "requirements.txt").read_text().splitlines()}
    assert {line.partition("==")[0] for line in pinned} == {*FORMATS["onnx"].packages}
