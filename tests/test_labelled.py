"""A visitor's ZIP: what can be used counts, what cannot is told by name, and no archive can hurt the server."""

import contextlib
import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mnist_core import labelled
from mnist_core.data import load_mnist
from mnist_core.labelled import ArchiveError, load_splits, read_archive, read_folder, read_scans
from mnist_core.pictures import to_png
from mnist_core.preprocess import Pipeline
from tests.inks import ONE, SEVEN


def as_png(pixels: np.ndarray) -> bytes:
    return to_png(Image.fromarray(pixels))


def pack(files: dict[str, bytes | str], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def reasons(pictures) -> dict[str, str]:
    return {skipped.name: skipped.reason for skipped in pictures.skipped}


@pytest.mark.parametrize("name", ["7/a.png", "my digits/train/7/a.png", "7/deep/er/a.png", "3/7/ä ☃ '.png", "7\\a.png"])
def test_the_innermost_folder_named_like_a_digit_is_the_label(name):
    pictures = read_archive(pack({name: as_png(SEVEN)}))
    assert list(pictures.labels) == [7]
    assert pictures.skipped == []


def test_pictures_come_as_the_pipeline_makes_them():
    pictures = read_archive(pack({"7/a.png": as_png(SEVEN), "1/b.png": as_png(ONE)}))
    for image, ink in zip(pictures.images, (SEVEN, ONE), strict=True):
        np.testing.assert_allclose(image / 255, Pipeline().run(ink).image, atol=1e-6)


def test_a_folder_may_say_before_its_digit_what_it_is_and_nothing_else():
    folders = {"7": 7, "digit_7": 7, "Class 1": 1, "label-0": 0, "number9": 9, "digit_3/run 1": 3}
    others = ("run3", "digit_12", "digit_", "7s", "-7", "\u0667")
    pictures = read_archive(pack({f"{folder}/a.png": as_png(SEVEN) for folder in (*folders, *others)}))
    assert dict(zip(pictures.names, pictures.labels, strict=True)) == {f"{k}/a.png": v for k, v in folders.items()}
    assert {*reasons(pictures)} == {f"{folder}/a.png" for folder in others}


def test_a_row_of_a_csv_that_names_no_file_is_no_row():
    pictures = read_archive(pack({"a.png": as_png(SEVEN), "labels.csv": "file,label\na.png,7\n,\n,\n"}))
    assert (pictures.names, pictures.skipped) == (["a.png"], [])


def test_a_csv_in_a_folder_means_the_file_beside_it_and_not_one_of_that_name_outside():
    names = ("x.png", "a/x.png")
    for order in (names, names[::-1]):
        archive = {name: as_png(SEVEN) for name in order}
        pictures = read_archive(pack({**archive, "a/labels.csv": "file,label\nx.png,7\n"}))
        assert pictures.names == ["a/x.png"]
        assert "no row" in reasons(pictures)["x.png"]


def test_a_csv_gives_the_labels_wherever_it_lies():
    files = {"a.png": as_png(SEVEN), "b/c.png": as_png(ONE)}
    for folder in ("", "all/of it/"):
        archive = {f"{folder}{name}": content for name, content in files.items()}
        pictures = read_archive(pack({**archive, f"{folder}labels.csv": "\ufefffile,label\na.png,7\nb/c.png,1\n"}))
        assert dict(zip(pictures.names, pictures.labels, strict=True)) == {f"{folder}a.png": 7, f"{folder}b/c.png": 1}
        assert pictures.skipped == []


@pytest.mark.parametrize(
    "table",
    [
        "File;Label\na.png;7\n",
        " LABEL , file \n7,a.png\n",
        "\ufefffile,label\r\na.png, 7\r\n",
        ",Filename,Class\n0,a.png,7.0\n",
        "image,digit,label,file\nb.png,1,7,a.png\n",
    ],
)
def test_a_csv_is_read_as_spreadsheets_write_it(table):
    pictures = read_archive(pack({"a.png": as_png(SEVEN), "labels.csv": table}))
    assert (list(pictures.labels), pictures.skipped) == ([7], [])


def test_of_several_csvs_the_outermost_is_read_and_the_others_are_told():
    tables = {"a/labels.csv": "file,label\nx.png,1\n", "z.csv": "file,label\na/x.png,7\n"}
    pictures = read_archive(pack({**tables, "a/x.png": as_png(SEVEN)}))
    assert list(pictures.labels) == [7]
    assert reasons(pictures) == {"a/labels.csv": "Only one CSV is read, z.csv."}


def test_wrong_labels_missing_rows_and_missing_files_are_told_by_name():
    rows = "label,file\nnine,a.png\n12,b.png\n,c.png\n7,gone.png\n7,e.png\n7,e.png\n1,f.png\n7,f.png\n"
    pngs = {f"{name}.png": as_png(SEVEN) for name in "abcdef"}
    pictures = read_archive(pack({"labels.csv": rows, **pngs}))
    assert pictures.names == ["e.png"]
    told = reasons(pictures)
    assert told.keys() == {"a.png", "b.png", "c.png", "d.png", "f.png", "gone.png"}
    assert "'nine'" in told["a.png"]
    assert "'1 and 7'" in told["f.png"]
    assert "no row" in told["d.png"]


def test_what_cannot_be_read_is_told_and_the_rest_counts():
    whole = as_png(SEVEN)
    files = {
        "7/whole.png": whole,
        "7/cut.png": whole[: len(whole) // 2],
        "7/text.png": b"no picture",
        "7/blank.png": as_png(np.full((50, 50), 255, dtype=np.uint8)),
        "nowhere/a.png": whole,
        "7/line\nbreak\x1b[31m.png": b"",
        "__MACOSX/7/._whole.png": b"litter",
        "7/.DS_Store": b"litter",
    }
    pictures = read_archive(pack(files))
    assert pictures.names == ["7/whole.png"]
    told = reasons(pictures)
    assert told.keys() == {"7/cut.png", "7/text.png", "7/blank.png", "nowhere/a.png", "7/line\ufffdbreak\ufffd[31m.png"}
    assert all(told.values())
    assert told["7/blank.png"] == "Nothing is drawn."


@pytest.mark.parametrize("table", [{}, {"labels.csv": "file,label\n7/a.png,7\n7/scan,7\n"}])
def test_what_is_hidden_or_has_neither_label_nor_the_name_of_a_picture_is_passed_over(table):
    names = (
        "7/.hid.png",
        ".cache/7/a.png",
        "7/.gitkeep",
        "7/Thumbs.db",
        "7/desktop.ini",
        ".a.png",
        "README.md",
        "code/notes.txt",
        "7/a.png",
        "7/scan",
    )
    pictures = read_archive(pack({name: as_png(SEVEN) for name in names} | table))
    assert (sorted(pictures.names), pictures.skipped) == (["7/a.png", "7/scan"], [])


def test_a_file_that_unpacks_to_gigabytes_is_stopped_at_the_limit():
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("7/bomb.png", "w", force_zip64=True) as file:
            for _ in range(100):
                file.write(bytes(1_000_000))
        archive.writestr("7/whole.png", as_png(SEVEN))
    tracemalloc.start()
    pictures = read_archive(bomb.getvalue())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert pictures.names == ["7/whole.png"]
    assert "10 MB" in reasons(pictures)["7/bomb.png"]
    assert peak < 60_000_000


@pytest.mark.parametrize("packed", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_unpacks_without_a_limit_is_not_unpacked(packed):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", packed) as archive:
        archive.writestr("7/bomb.png", bytes(50_000_000))
    tracemalloc.start()
    pictures = read_archive(bomb.getvalue())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "not read" in reasons(pictures)["7/bomb.png"]
    assert peak < 5_000_000


def test_what_is_refused_for_its_size_uses_up_what_may_be_unpacked(monkeypatch):
    monkeypatch.setattr(labelled, "MAX_PICTURE_BYTES", 100_000)
    monkeypatch.setattr(labelled, "MAX_UNPACKED", 300_000)
    pictures = read_archive(pack({f"7/{n}.png": bytes(1_000_000) for n in range(9)}))
    assert sum("The archive unpacks to more" in reason for reason in reasons(pictures).values()) == 6


def test_a_picture_that_comes_after_what_may_be_unpacked_is_not_called_too_large_itself(monkeypatch):
    monkeypatch.setattr(labelled, "MAX_UNPACKED", len(as_png(SEVEN)) + 1)
    (reason,) = reasons(read_archive(pack({f"7/{n}.png": as_png(SEVEN) for n in range(2)}))).values()
    assert reason == "The archive unpacks to more than 0 MB; this comes after them."


def test_a_file_whose_header_lies_about_its_size_is_skipped():
    content = bytearray(pack({"7/lie.png": as_png(SEVEN)}))
    entry = content.rfind(b"PK\1\2")
    content[entry + 24 : entry + 28] = struct.pack("<I", 5)
    assert list(reasons(read_archive(bytes(content)))) == ["7/lie.png"]


def test_many_files_that_are_large_together_are_stopped(monkeypatch):
    monkeypatch.setattr(labelled, "MAX_UNPACKED", 3 * len(as_png(SEVEN)))
    pictures = read_archive(pack({f"7/{n}.png": as_png(SEVEN) for n in range(6)}))
    assert len(pictures.names) == 3
    assert len(pictures.skipped) == 3


def test_pictures_of_very_many_pixels_use_up_a_budget(monkeypatch):
    monkeypatch.setattr(labelled, "MAX_MEGAPIXELS", 0.2)
    pictures = read_archive(pack({f"7/{n}.png": as_png(SEVEN) for n in range(4)}))
    assert len(pictures.names) == 2  # 280 x 280 pixels each
    assert "megapixels" in reasons(pictures)["7/3.png"]


def test_of_very_many_rows_without_a_file_the_first_are_named_and_the_others_counted():
    table = "file,label\n7.png,7\n" + "".join(f"{n}.jpg,7\n" for n in range(1_300))
    pictures = read_archive(pack({"7.png": as_png(SEVEN), "labels.csv": table}))
    assert pictures.names == ["7.png"]
    assert len(pictures.skipped) == 1_001
    assert reasons(pictures)["labels.csv"] == "300 more of its rows have no file."


def test_the_table_of_an_archive_has_its_own_bound(tmp_path):
    table = "file,label\n7.png,7\n" + "#" * 1_000_000
    with pytest.raises(ArchiveError, match=r"labels.csv cannot be used. It unpacks to more than 1 MB\."):
        read_archive(pack({"7.png": as_png(SEVEN), "labels.csv": table}))
    (tmp_path / "7.png").write_bytes(as_png(SEVEN))
    (tmp_path / "labels.csv").write_text(table.replace("#", "\n"))
    assert read_folder(tmp_path).names == ["7.png"]


def test_more_pictures_than_a_visit_may_bring_are_told(monkeypatch):
    monkeypatch.setattr(labelled, "MAX_PICTURES", 3)
    pictures = read_archive(pack({f"7/{n}.png": as_png(SEVEN) for n in range(5)}))
    assert len(pictures.names) == 3
    assert reasons(pictures) == dict.fromkeys(
        ["7/3.png", "7/4.png"], "It comes after the 3 pictures that a visit takes."
    )


def test_an_archive_that_is_too_large_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(labelled, "MAX_BYTES", 1_000_000)
    with pytest.raises(ArchiveError, match=r"^The archive has 2 MB; 1 are read\.$"):
        read_archive(pack({"7/large.png": bytes(2_000_000)}, zipfile.ZIP_STORED))


def test_an_archive_that_lists_far_too_many_files_is_refused_before_its_list_is_read(monkeypatch):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(25_000):
            archive.writestr(zipfile.ZipInfo(f"7/{number}"), b"")
    monkeypatch.setattr(zipfile, "ZipFile", lambda *_: pytest.fail("the list was read"))
    with pytest.raises(ArchiveError, match="far more files"):
        read_archive(file.getvalue())


def test_an_archive_that_says_in_a_second_place_how_many_files_it_lists_is_refused():
    content = pack({"7/a.png": as_png(SEVEN)})
    end = content.rindex(b"PK\5\6")
    size, start = struct.unpack("<2L", content[end + 12 : end + 20])
    second = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, size, start)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, end, 1)
    with pytest.raises(ArchiveError, match="plain ZIP"):
        read_archive(content[:end] + second + locator + content[end:])


def test_a_file_without_a_name_is_skipped():
    content = pack({"!": b"", "7/a.png": as_png(SEVEN)}).replace(b"!PK", b"\0PK")
    pictures = read_archive(content)
    assert (pictures.names, pictures.skipped) == (["7/a.png"], [])


def test_a_jpeg_of_endless_parts_is_not_opened_to_be_measured(monkeypatch):
    file = io.BytesIO()
    Image.fromarray(SEVEN).convert("L").save(file, "JPEG")
    part = b"\xff\xe1\0\x12Exif\0\0" + bytes(10)
    jpeg = file.getvalue()[:2] + 80_000 * part + file.getvalue()[2:]
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("it was opened"))
    assert "parts" in reasons(read_archive(pack({"7/a.jpg": jpeg})))["7/a.jpg"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a whole ZIP file"),
        (b"PK\3\4", "not a whole ZIP file"),
        (b"nonsense" * 100, "not a whole ZIP file"),
        (b"PK\5\6" + b"\xff" * 8 + b"\1" + b"\0" * 20, "its list of files cannot be read"),
    ],
)
def test_what_is_no_zip_is_told_in_a_sentence(content, told):
    with pytest.raises(ArchiveError, match=rf"^This .*{told}\.$"):
        read_archive(content)


def test_a_zip_cut_or_altered_anywhere_never_ends_in_another_error():
    content = pack({"7/a.png": as_png(SEVEN), "labels/x.png": as_png(ONE)})
    rng = np.random.default_rng(5)
    for _ in range(200):
        spoilt = bytearray(content)
        for place_ in rng.integers(0, len(content), 3):
            spoilt[place_] = rng.integers(0, 256)
        with contextlib.suppress(ArchiveError):
            pictures = read_archive(bytes(spoilt))
            assert len(pictures.names) == len(pictures.images) == len(pictures.labels)


@pytest.mark.parametrize("table", ["name,digit\na.png,7\n", "file,number\na.png,7\n", "", "\x00\x01\x02"])
def test_a_csv_without_its_first_line_is_told(table):
    with pytest.raises(ArchiveError, match="file,label"):
        read_archive(pack({"labels.csv": table, "a.png": as_png(SEVEN)}))


def test_a_locked_file_is_told():
    content = bytearray(pack({"7/a.png": as_png(SEVEN)}))
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.find(mark) + offset] |= 1
    assert "password" in reasons(read_archive(bytes(content)))["7/a.png"]


def test_progress_goes_up_to_the_end():
    told: list[float] = []
    read_archive(pack({f"7/{n}.png": as_png(SEVEN) for n in range(4)}), told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]


def test_progress_comes_to_the_end_where_there_are_more_pictures_than_a_visit_may_bring(monkeypatch):
    monkeypatch.setattr(labelled, "MAX_PICTURES", 2)
    told: list[float] = []
    read_archive(pack({f"7/{n}.png": as_png(SEVEN) for n in range(4)}), told.append)
    assert told == [0.5, 1.0]


@pytest.mark.parametrize("table", [{}, {"labels.csv": "file,label\n7/a.png,7\n1/b.png,4\nnowhere.png,3\n"}])
def test_a_folder_is_read_as_the_same_files_in_an_archive_are(tmp_path, table):
    files = {"1/b.png": as_png(ONE), "7/a.png": as_png(SEVEN), "7/cut.png": b"cut", "notes.txt": b"text", **table}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    packed, lying = read_archive(pack(dict(sorted(files.items())))), read_folder(tmp_path)
    assert (lying.names, list(lying.labels)) == (packed.names, list(packed.labels))
    np.testing.assert_array_equal(lying.images, packed.images)
    assert lying.skipped == packed.skipped
    assert len(lying.names) == 2


def test_the_pictures_of_a_folder_come_in_the_order_of_their_paths(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("z.png", "a/y.png", "a/b/x.png"):
        (tmp_path / name).write_bytes(as_png(SEVEN))
    (tmp_path / "labels.csv").write_text("file,label\nz.png,7\na/y.png,7\na/b/x.png,7\n")
    assert read_folder(tmp_path).names == ["a/b/x.png", "a/y.png", "z.png"]


def test_a_folder_that_cannot_be_opened_is_told(tmp_path, monkeypatch):
    for name in ("1/b.png", "7/a.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(as_png(SEVEN))
    look = os.scandir

    def refuse(path):
        if Path(path).name == "1":
            raise PermissionError(13, "Permission denied", str(path))
        return look(path)

    monkeypatch.setattr(os, "scandir", refuse)
    pictures = read_folder(tmp_path)
    assert pictures.names == ["7/a.png"]
    assert reasons(pictures) == {str(tmp_path / "1"): "Permission denied."}


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path):
    (tmp_path / "7").mkdir()
    os.mkfifo(tmp_path / "7" / "a.png")
    assert read_folder(tmp_path).names == []


def test_a_folder_may_hold_more_pictures_than_a_visit(tmp_path, monkeypatch):
    monkeypatch.setattr(labelled, "MAX_PICTURES", 2)
    (tmp_path / "7").mkdir()
    for number in range(4):
        (tmp_path / "7" / f"{number}.png").write_bytes(as_png(SEVEN))
    assert len(read_folder(tmp_path).names) == 4


# What is trained on -------------------------------------------------------------------------------------------


def test_the_validation_split_is_the_last_5000_training_images_and_the_test_set_stands_apart(mnist_test):
    splits = load_splits("mnist")
    images, labels = load_mnist("train")
    assert [len(part.labels) for part in splits] == [55_000, 5_000, 10_000]
    np.testing.assert_array_equal(splits.validation.images, images[55_000:])
    np.testing.assert_array_equal(np.concatenate([splits.train.labels, splits.validation.labels]), labels)
    np.testing.assert_array_equal(splits.test.images, mnist_test.images)


def test_the_embedded_splits_share_no_image_and_are_what_models_are_asked_about_elsewhere():
    splits, scans = load_splits("embedded"), read_scans()
    assert [len(part.labels) for part in splits] == [1200, 200, 397]
    for parts, whole in zip(zip(*splits, strict=True), scans, strict=True):
        np.testing.assert_array_equal(np.concatenate(parts), whole)
