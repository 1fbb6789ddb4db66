"""Maps and neighbours: what is nearest comes first, and a map belongs to its weights and to no others."""

import errno
import signal

import numpy as np
import pytest
import torch
from sklearn.manifold import trustworthiness

from mnist_core import CheckpointError, neighbours
from mnist_core.architectures import ARCHITECTURES, build
from mnist_core.checkpoints import list_checkpoints
from mnist_core.data import Labelled
from mnist_core.neighbours import Landscape, embed, load_landscape, main, nearest, project, save_landscape


def test_the_nearest_come_first_with_their_distances():
    rng = np.random.default_rng(2)
    points, among = rng.normal(size=(70, 12)), rng.normal(size=(90, 12))
    every = np.linalg.norm(points[:, None] - among, axis=2)
    distances, rows = nearest(points, among)
    np.testing.assert_array_equal(rows, every.argsort(axis=1)[:, :8])
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :8])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_last_layer_turns_what_is_embedded_into_the_logits(architecture):
    torch.manual_seed(1)
    model = build(architecture).eval()
    tensors = torch.randn(3, 1, 28, 28)
    features = torch.from_numpy(embed(model, tensors))
    with torch.inference_mode():
        torch.testing.assert_close(model[-1](features), model(tensors), rtol=1e-4, atol=1e-5)
    assert not any(layer.training for layer in model.modules())


def test_the_map_keeps_neighbours_together():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(300, 60)) + 8 * np.eye(60)[rng.integers(0, 5, 300)]
    places = project(points)
    assert places.shape == (300, 2)
    assert np.abs(places).max() == pytest.approx(1)
    assert trustworthiness(points, places, n_neighbors=8) > 0.85


@pytest.fixture
def landscape():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 10, (50, 8))
    return Landscape(rng.uniform(-1, 1, (50, 2)), rng.integers(0, 60_000, (50, 8)), labels)


def test_a_landscape_comes_back_from_disk(save_untrained, landscape, tmp_path):
    card = save_untrained()
    save_landscape(landscape, card, tmp_path)
    found = load_landscape(card, tmp_path)
    np.testing.assert_allclose(found.places, landscape.places, atol=1e-3)
    np.testing.assert_array_equal(found.neighbours, landscape.neighbours)
    np.testing.assert_array_equal(found.labels, landscape.labels)


def test_a_map_of_other_weights_or_none_at_all_is_told(save_untrained, landscape, tmp_path):
    card, other = save_untrained("one"), save_untrained("other", "simple_cnn")
    with pytest.raises(CheckpointError, match="python -m mnist_core.neighbours"):
        load_landscape(card, tmp_path)
    save_landscape(landscape, other, tmp_path)
    (tmp_path / "other.map.npz").rename(tmp_path / "one.map.npz")
    with pytest.raises(CheckpointError, match="belongs to other weights"):
        load_landscape(card, tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4 cut", b"\x93NUMPY"])
def test_a_broken_map_is_told(save_untrained, tmp_path, content):
    card = save_untrained()
    (tmp_path / "small.map.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match="small.map.npz is broken"):
        load_landscape(card, tmp_path)


def test_a_map_that_lacks_an_image_is_told(save_untrained, landscape, tmp_path):
    card = save_untrained()
    save_landscape(Landscape(*(part[:49] for part in vars(landscape).values())), card, tmp_path)
    with pytest.raises(CheckpointError, match=r"^small\.map\.npz does not describe each of the 50 test images\.$"):
        load_landscape(card, tmp_path)


def test_the_command_passes_over_models_of_other_digits_and_tells_of_broken_ones(
    save_untrained, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(neighbours, "load_mnist", lambda half: pytest.fail("there is nothing to compute"))
    save_untrained("small")
    (tmp_path / "broken.json").write_text("{")
    assert main(["--checkpoints", str(tmp_path)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told == ["broken.safetensors is missing.", f"There is no checkpoint of MNIST in {tmp_path}."]


def test_the_command_computes_what_is_lacking_and_nothing_twice(save_untrained, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(5)
    pictures = [Labelled(rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), rng.integers(0, 10, n)) for n in (90, 50)]
    monkeypatch.setattr(neighbours, "load_mnist", lambda split: pictures[split == "test"])
    save_untrained("small")
    card_file = tmp_path / "small.json"
    card_file.write_text(card_file.read_text().replace("made up", "mnist"))
    assert main(["--checkpoints", str(tmp_path)]) == 0
    assert "small.map.npz: 50 images" in capsys.readouterr().out
    (card,), _ = list_checkpoints(tmp_path)
    found = load_landscape(card, tmp_path)
    np.testing.assert_array_equal(found.labels, pictures[0].labels[found.neighbours])
    assert main(["--checkpoints", str(tmp_path)]) == 0
    assert "Every checkpoint has its map" in capsys.readouterr().out
    assert main(["--checkpoints", str(tmp_path / "nowhere")]) == 1
    assert "no checkpoint of MNIST" in capsys.readouterr().err


def test_the_command_refuses_what_was_trained_on_other_digits_and_tells_of_a_full_disk(
    save_untrained, tmp_path, monkeypatch, capsys
):
    save_untrained("small")
    save_untrained("mine")
    card_file = tmp_path / "mine.json"
    card_file.write_text(card_file.read_text().replace("made up", "mnist"))
    monkeypatch.setattr(neighbours, "load_mnist", lambda half: pytest.fail("MNIST is not needed for a refusal"))
    assert main(["small", "mine", "--checkpoints", str(tmp_path)]) == 1
    assert "which small was not trained on" in capsys.readouterr().err
    monkeypatch.setattr(neighbours, "load_mnist", lambda half: None)
    monkeypatch.setattr(neighbours, "explore", lambda *_: None)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(neighbours, "save_landscape", full)
    assert main(["mine", "--checkpoints", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "The map cannot be written: No space left on device.\n"


def test_the_command_tells_which_models_there_are_where_it_is_given_another(save_untrained, tmp_path, capsys):
    save_untrained("small")
    with pytest.raises(SystemExit) as end:
        main(["nix", "--checkpoints", str(tmp_path)])
    assert end.value.code == 2
    assert "There is no model called 'nix'; there are small." in capsys.readouterr().err


def test_a_command_that_is_stopped_ends_quietly(tmp_path, monkeypatch, capsys):
    def stop(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(neighbours, "list_checkpoints", stop)
    assert main(["--checkpoints", str(tmp_path)]) == 128 + signal.SIGINT
    assert capsys.readouterr() == ("", "")
