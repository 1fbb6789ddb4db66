"""The figures that are shipped are those of MNIST, and they are computed as numpy and scikit-learn would."""

import errno
import signal
from dataclasses import fields

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestCentroid

from mnist_core import figures as room
from mnist_core.checkpoints import list_checkpoints
from mnist_core.data import Labelled, load_embedded_digits, load_mnist, mnist_is_here
from mnist_core.figures import (
    FIGURES,
    QUANTILES,
    Figures,
    average_images,
    closest_pairs,
    ends,
    load_averages,
    load_figures,
    main,
    portray,
    save_figures,
    spread_images,
)
from mnist_core.measure import MEASURES, histogram, measure

needs_mnist = pytest.mark.skipif(not mnist_is_here(), reason="MNIST is not on this disk")


@pytest.fixture(scope="module")
def scans() -> Labelled:
    return load_embedded_digits()


def test_an_average_is_the_mean_of_one_digits_images():
    images = np.zeros((20, 28, 28), dtype=np.uint8)
    images[3], images[13] = 255, 51
    averages = average_images(Labelled(images, np.arange(20) % 10))
    assert averages.shape == (10, 28, 28)
    assert np.allclose(averages[3], (1 + 0.2) / 2)
    assert not averages[[0, 1, 2, 4, 5, 6, 7, 8, 9]].any()
    assert np.allclose(spread_images(Labelled(images, np.arange(20) % 10))[3], 0.4)


def test_a_digit_that_is_not_there_has_no_ink():
    few = Labelled(np.full((2, 28, 28), 255, dtype=np.uint8), np.array([4, 4]))
    assert not average_images(few)[5].any()
    assert not spread_images(few).any()


def test_images_stand_along_the_two_directions_in_which_those_to_train_on_differ_most(scans):
    train, test = Labelled(*(part[:900] for part in scans)), Labelled(*(part[900:] for part in scans))
    figures = portray(train, test, np.eye(900), "nothing")
    pixels = scans.images.reshape(len(scans.images), -1) / 255
    away = pixels - pixels[:900].mean(axis=0)
    _, lengths, directions = np.linalg.svd(away[:900], full_matrices=False)
    np.testing.assert_allclose(figures.explained, (lengths**2 / (lengths**2).sum())[:2], rtol=1e-4)
    np.testing.assert_allclose(np.abs(figures.places), np.abs(away @ directions[:2].T), atol=1e-3)


def test_the_ends_are_nearest_to_and_farthest_from_scikit_learns_centroids():
    rng = np.random.default_rng(4)
    labels = np.arange(300) % 10
    features = rng.normal(size=(300, 6)) + labels[:, None]
    middles = NearestCentroid().fit(features, labels).centroids_
    distances = np.linalg.norm(features - middles[labels], axis=1)
    near, near_by, far, far_by = ends(features, labels, 5)
    for digit in range(10):
        own = np.flatnonzero(labels == digit)
        ranked = own[distances[own].argsort()]
        assert list(near[digit]) == list(ranked[:5])
        assert list(far[digit]) == list(ranked[::-1][:5])
    np.testing.assert_allclose(near_by, distances[near])
    np.testing.assert_allclose(far_by, distances[far])


def test_the_closest_pairs_are_those_of_least_difference_and_a_copy_is_counted(scans):
    train, test = Labelled(*(part[:900] for part in scans)), Labelled(*(part[900:1300].copy() for part in scans))
    test.images[7] = train.images[33]
    pairs, distances, same = closest_pairs(test, train, 3)
    rows = [half.images.reshape(len(half.images), -1).astype(float) for half in (train, test)]
    expected = np.array([np.linalg.norm(rows[0] - row, axis=1).min() for row in rows[1]]) / 28
    assert same == (expected == 0).sum() >= 1
    np.testing.assert_allclose(distances, expected[pairs[:, 0]], rtol=1e-4, atol=1e-4)
    for digit in range(10):
        own = distances[test.labels[pairs[:, 0]] == digit]
        np.testing.assert_allclose(own, np.sort(expected[test.labels == digit])[:3], rtol=1e-4, atol=1e-4)


def test_figures_come_back_from_disk(scans, tmp_path):
    train, test = Labelled(*(part[:900] for part in scans)), Labelled(*(part[900:] for part in scans))
    figures = portray(train, test, train.images.reshape(900, -1)[:, ::9].astype(float), "pixels")
    save_figures(figures, tmp_path / "f.npz")
    found = load_figures(tmp_path / "f.npz")
    for entry in fields(Figures):
        one, other = getattr(figures, entry.name), getattr(found, entry.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(other, one, rtol=2e-3, atol=2e-2)
        else:
            assert one == other
    assert figures.histograms.sum(axis=(0, 3))[0].sum() == 900 * len(MEASURES)


def test_the_command_tells_which_models_there_are_where_it_is_given_another(save_untrained, tmp_path, capsys):
    save_untrained("small")
    with pytest.raises(SystemExit) as end:
        main(["--model", "nix", "--checkpoints", str(tmp_path)])
    assert end.value.code == 2
    assert "There is no model called 'nix'; there are small." in capsys.readouterr().err


@pytest.fixture
def quick_command(save_untrained, scans, tmp_path, monkeypatch) -> list[str]:
    """Arguments of a command whose MNIST is the scans and whose files are not the shipped ones."""
    save_untrained("small")
    halves = {"train": Labelled(*(part[:900] for part in scans)), "test": Labelled(*(part[900:] for part in scans))}
    monkeypatch.setattr(room, "load_mnist", halves.get)
    monkeypatch.setattr(room, "AVERAGES", tmp_path / "averages.npz")
    monkeypatch.setattr(room, "FIGURES", tmp_path / "figures.npz")
    monkeypatch.setattr(save_figures, "__defaults__", (tmp_path / "figures.npz",))
    return ["--model", "small", "--checkpoints", str(tmp_path)]


def test_the_command_writes_both_files_in_the_space_of_its_model(quick_command, tmp_path, capsys):
    assert main(quick_command) == 0
    assert load_figures(tmp_path / "figures.npz").network == "small"
    assert load_averages(tmp_path / "averages.npz").shape == (10, 28, 28)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_full_disk_and_ctrl_c_end_the_command_without_a_traceback(quick_command, monkeypatch, capsys):
    def stop(error: BaseException):
        def stopped(*_, **__):
            raise error

        return stopped

    monkeypatch.setattr(np, "savez_compressed", stop(OSError(errno.ENOSPC, "No space left on device")))
    assert main(quick_command) == 1
    assert capsys.readouterr().err == "The figures cannot be written: No space left on device.\n"
    monkeypatch.setattr(room, "portray", stop(KeyboardInterrupt()))
    assert main(quick_command) == 128 + signal.SIGINT
    assert capsys.readouterr() == ("", "")


def test_the_shipped_averages_are_ten_images():
    averages = load_averages()
    assert averages.shape == (10, 28, 28)
    assert averages.dtype == np.float32
    assert averages.min() >= 0
    assert averages.max() <= 1


def test_the_shipped_figures_are_whole_and_small():
    figures = load_figures()
    assert FIGURES.stat().st_size < 600_000
    assert figures.training == 60_000
    assert figures.places.shape == (70_000, 2)
    assert figures.network in [card.name for card in list_checkpoints()[0]]
    assert (figures.histograms.sum(axis=3) == np.stack([np.bincount(h) for h in halves(figures)])).all()
    for digit in range(10):
        assert (figures.labels[figures.typical[digit]] == digit).all()
        assert (figures.labels[figures.odd[digit]] == digit).all()
        assert figures.typical_distances[digit].max() < figures.odd_distances[digit].min()


def halves(figures: Figures) -> tuple[np.ndarray, np.ndarray]:
    return figures.labels[: figures.training], figures.labels[figures.training :]


@needs_mnist
def test_the_shipped_figures_are_those_of_the_images():
    train, test = load_mnist("train"), load_mnist("test")
    figures = load_figures()
    assert np.abs(load_averages() - average_images(train)).max() < 0.0006
    assert (figures.labels == np.concatenate([train.labels, test.labels])).all()
    assert np.abs(figures.spreads - spread_images(train)).max() < 0.0006
    pixels = [half.images.reshape(-1, 784) / np.float32(255) for half in (train, test)]
    axes = PCA(2, svd_solver="covariance_eigh").fit(pixels[0])
    np.testing.assert_allclose(figures.places, np.concatenate([axes.transform(half) for half in pixels]), atol=0.01)
    learned, unseen = (measure(half.images[half.labels == 7]) for half in (train, test))
    for place, name in enumerate(MEASURES):
        np.testing.assert_array_equal(figures.histograms[place, 1, 7], histogram(unseen[name].to_numpy(), name))
        np.testing.assert_allclose(figures.quantiles[place, 7], learned[name].quantile(QUANTILES), rtol=1e-3)
    for (number, twin), distance in zip(figures.twins, figures.twin_distances, strict=True):
        difference = test.images[number].astype(float) - train.images[twin]
        assert distance == pytest.approx(np.sqrt((difference**2).mean()), rel=1e-3)
