"""Labelled pictures through the pipeline: a ZIP or a folder that holds folders 0 to 9, or pictures and a CSV; and what
is trained on, of MNIST, which is as the pipeline leaves it, or of the digits inside scikit-learn.

Nothing of an archive is written to disk, and nothing is unpacked beyond its limits, whatever its headers claim.
What cannot be used is told by name; the rest counts.
"""

import csv
import io
import math
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from PIL import Image

from mnist_core.architectures import SIDE
from mnist_core.data import VALIDATION_SIZE, Labelled, Splits, load_embedded_digits, load_mnist
from mnist_core.ink import FORMATS, InkError, ensure_few_parts, files_in, is_picture, unpacked_size
from mnist_core.preprocess import Pipeline, to_rows
from mnist_core.words import brief, printable

FIRST_TEST_SCAN = 1_400  # of the digits inside scikit-learn; those before are trained on
MAX_PICTURES = 2_000
MAX_BYTES = 50_000_000
MAX_PICTURE_BYTES = 10_000_000  # unpacked
MAX_TABLE_BYTES = 1_000_000  # of a CSV in an archive, unpacked
MAX_MISSING = 1_000  # rows without a file that are told one by one
MAX_UNPACKED = 200_000_000
MAX_MEGAPIXELS = 1_000  # of all pictures together
MAX_DIRECTORY = 1_000_000  # bytes of the archive's own list of files

FOLDER = re.compile("(?:(?:digit|class|label|number)[ _-]?)?([0-9])", re.IGNORECASE)
LABEL = re.compile(r"([0-9])(?:\.0)?")  # numbers with gaps among them are written with a point
COLUMNS = {"file": ("file", "filename", "file_name", "image", "path"), "label": ("label", "digit", "class")}


class ArchiveError(Exception):
    """An archive of which nothing can be used; the message says why, in a sentence for the person who brought it."""


@dataclass(frozen=True)
class Skipped:
    name: str
    reason: str
    label: int | None = None  # of a picture that is blank or broken


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures as the network sees them, and what had to be left out."""

    names: list[str]
    images: np.ndarray = field(repr=False)  # uint8, N x 28 x 28
    labels: np.ndarray = field(repr=False)  # int64, N
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True)
class _File:
    """A file of an archive or folder, before anything of it is read."""

    path: str  # from the archive's or folder's root
    name: str  # for people
    size: int  # at most so many bytes can be read
    read: Callable[[int], bytes] = field(repr=False)  # the content, refused where it is longer


Progress = Callable[[float], None]  # told the share that is done


def read_archive(content: bytes, progress: Progress = lambda share: None) -> Pictures:
    """Every usable picture of a ZIP."""
    with _open(content) as archive:
        infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
        files = [_File(_path(i.filename), brief(i.filename), i.file_size, partial(_unpack, archive, i)) for i in infos]
        return _read(files, progress, MAX_PICTURES, MAX_TABLE_BYTES, _Budget().picture)


def read_folder(folder: Path, progress: Progress = lambda share: None) -> Pictures:
    """Every usable picture of a folder, however many there are."""
    closed: list[Skipped] = []
    found = sorted(map(Path, files_in(folder, lambda name, why: closed.append(Skipped(printable(name), why)))))
    paths = [(path, path.relative_to(folder).as_posix()) for path in found]
    files = [_File(name, printable(name), MAX_BYTES, partial(_read_file, path)) for path, name in paths]
    pictures = _read(files, progress, len(files), MAX_BYTES, lambda file: file.read(MAX_BYTES))
    return replace(pictures, skipped=closed + pictures.skipped)


def read_scans(progress: Progress = lambda share: None) -> Labelled:
    """The digits inside scikit-learn, which are as small and grey as no drawing is, through the pipeline."""
    rows, pipeline, images = load_embedded_digits(), Pipeline(), []
    for number, row in enumerate(rows.images, 1):
        images.append(to_rows(pipeline.run(row).image))
        progress(number / len(rows.images))
    return Labelled(np.stack(images), rows.labels)


def load_splits(name: Literal["mnist", "embedded"]) -> Splits:
    """The data a training run works on; its test part is only ever looked at when the run has ended."""
    if name == "mnist":
        train, test = load_mnist("train"), load_mnist("test")
        held = VALIDATION_SIZE
    else:
        digits = read_scans()
        train, test = _part(digits, slice(None, FIRST_TEST_SCAN)), _part(digits, slice(FIRST_TEST_SCAN, None))
        held = 200
    return Splits(_part(train, slice(None, -held)), _part(train, slice(-held, None)), test)


def _part(labelled: Labelled, rows: slice) -> Labelled:
    return Labelled(labelled.images[rows], labelled.labels[rows])


def _read(
    files: list[_File], progress: Progress, most: int, table_bytes: int, read: Callable[[_File], bytes]
) -> Pictures:
    pipeline, skipped = Pipeline(), []
    names, images, labels = [], [], []
    entries = list(_label(files, table_bytes, skipped))
    for file, _ in entries[most:]:
        skipped.append(Skipped(file.name, f"It comes after the {most:,} pictures that a visit takes."))
    for number, (file, label) in enumerate(entries[:most], 1):
        try:
            trace = pipeline.run(read(file))
            if trace.blank:
                raise InkError(trace.blank)
        except InkError as error:
            skipped.append(Skipped(file.name, str(error), label))
        else:
            names.append(file.name)
            images.append(to_rows(trace.image))
            labels.append(label)
        progress(number / min(len(entries), most))
    stacked = np.stack(images) if images else np.zeros((0, SIDE, SIDE), dtype=np.uint8)
    return Pictures(names, stacked, np.array(labels, dtype=np.int64), skipped)


class _Budget:
    """What may still be unpacked."""

    def __init__(self):
        self.unpacked, self.megapixels = MAX_UNPACKED, float(MAX_MEGAPIXELS)

    def picture(self, file: _File) -> bytes:
        self.unpacked -= min(file.size, MAX_PICTURE_BYTES)  # what is refused is unpacked too
        if self.unpacked < 0:
            raise InkError(f"The archive unpacks to more than {MAX_UNPACKED // 1_000_000} MB; this comes after them.")
        content = file.read(MAX_PICTURE_BYTES)
        unpacked = io.BytesIO(content)
        try:
            ensure_few_parts(unpacked)
            with Image.open(unpacked, formats=FORMATS) as image:
                self.megapixels -= math.prod(unpacked_size(image)) / 1e6
        except Exception:  # the pipeline finds the words
            return content
        if self.megapixels < 0:
            raise InkError(
                f"The pictures have more than {MAX_MEGAPIXELS:,} megapixels together; this comes after them."
            )
        return content


def _open(content: bytes) -> zipfile.ZipFile:
    if len(content) > MAX_BYTES:
        raise ArchiveError(f"The archive has {len(content) / 1e6:,.0f} MB; {MAX_BYTES // 1_000_000} are read.")
    # zipfile holds its list of files in memory as soon as it opens one, at ten times the size that it has here.
    end = content.rfind(b"PK\5\6")
    if end < 0 or len(content) < end + 22:
        raise ArchiveError("This is not a whole ZIP file.")
    if int.from_bytes(content[end + 12 : end + 16], "little") > MAX_DIRECTORY:
        raise ArchiveError("The archive lists far more files than are read. Bring fewer.")
    if content[max(0, end - 20) : end].startswith(b"PK\6\7"):  # which has a second end, with a size of its own
        raise ArchiveError("This is a ZIP64, which is meant for more than is read. Bring a plain ZIP.")
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        raise ArchiveError("This ZIP file is broken: its list of files cannot be read.") from None


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    if info.flag_bits & 1:
        raise InkError("It is locked with a password.")
    # The other ways of packing are unpacked without a limit: of a few hundred bytes they make hundreds of megabytes.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InkError("It is packed in a way that is not read.")
    try:
        with archive.open(info) as file:
            content = file.read(limit + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError):
        raise InkError("It is cut off or broken: it cannot be unpacked.") from None
    if len(content) > limit:
        raise InkError(f"It unpacks to more than {limit / 1_000_000:,.0f} MB.")
    return content


def _read_file(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise InkError(f"It cannot be read: {error.strerror}.") from None
    if len(content) > limit:
        raise InkError(f"It has more than {limit / 1_000_000:,.0f} MB.")
    return content


# Labels -------------------------------------------------------------------------------------------------------


def _label(files: list[_File], table_bytes: int, skipped: list[Skipped]) -> Iterator[tuple[_File, int]]:
    """The pictures that have a label, from the CSV where there is one and from their folders where there is none.

    What has none and is no picture by its name is passed over: a README beside the folders.
    """
    files = [file for file in files if not _is_litter(file.path)]
    tables = [file for file in files if file.path.lower().endswith(".csv")]
    pictures = [file for file in files if not file.path.lower().endswith(".csv")]
    if not tables:
        for file in pictures:
            if (label := _folder_label(file.path)) is not None:
                yield file, label
            elif is_picture(file.path):
                skipped.append(Skipped(file.name, "It lies in no folder named 0 to 9."))
        return
    table, *others = sorted(tables, key=lambda file: (file.path.count("/"), file.path))
    for other in others:
        skipped.append(Skipped(other.name, f"Only one CSV is read, {table.name}."))
    rows = _read_table(table, table_bytes)
    folder = PurePosixPath(table.path).parent
    # Those beside the table come first: one outside may be called as one of them is.
    for file in sorted(pictures, key=lambda file: _below(file.path, folder) == file.path):
        below = _below(file.path, folder)
        row = below if below in rows else file.path
        if row not in rows:
            if is_picture(file.path):
                skipped.append(Skipped(file.name, f"It has no row in {table.name}."))
        elif not (digit := LABEL.fullmatch(label := rows.pop(row))):
            skipped.append(Skipped(file.name, f"Its label is {brief(label)!r}, which is no digit."))
        else:
            yield file, int(digit[1])
    for missing in islice(rows, MAX_MISSING):
        skipped.append(Skipped(brief(missing), "It stands in the CSV, and there is no such file left."))
    if len(rows) > MAX_MISSING:
        skipped.append(Skipped(table.name, f"{len(rows) - MAX_MISSING:,} more of its rows have no file."))


def _read_table(table: _File, limit: int) -> dict[str, str]:
    """File -> label, as the CSV has them; of a file that it has with several, all of them, which are no label."""
    try:
        text = table.read(limit).decode("utf-8-sig", errors="replace")
        reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text))
        header = [cell.strip().lower() for cell in next(reader, [])]
        known = [[header.index(name) for name in names if name in header] for names in COLUMNS.values()]
        if not all(known):
            raise ArchiveError(f"{table.name} does not begin with the line `file,label`.")
        file, label = (columns[0] for columns in known)
        labels: dict[str, dict[str, None]] = {}
        for row in reader:
            if len(row) > max(file, label) and row[file].strip():
                labels.setdefault(_path(row[file].strip()), {})[row[label].strip()] = None
        return {name: " and ".join(told) for name, told in labels.items()}
    except InkError as error:
        raise ArchiveError(f"{table.name} cannot be used. {error}") from None
    except csv.Error as error:
        raise ArchiveError(f"{table.name} cannot be read as a CSV: {error}.") from None


def _delimiter(text: str) -> str:
    head = text.partition("\n")[0]
    return ";" if ";" in head and "," not in head else ","


def _folder_label(path: str) -> int | None:
    """The innermost folder that is named like a digit, 7 or digit_7."""
    named = (FOLDER.fullmatch(folder) for folder in reversed(path.split("/")[:-1]))
    return next((int(digit[1]) for digit in named if digit), None)


def _path(filename: str) -> str:
    return str(PurePosixPath(filename.replace("\\", "/").removeprefix("./")))


def _below(path: str, folder: PurePosixPath) -> str:
    return path.removeprefix(f"{folder}/") if str(folder) != "." else path


def _is_litter(path: str) -> bool:
    """What programs hide or file managers leave in an archive, and nobody put there."""
    parts = path.split("/")
    hidden = any(part.startswith(".") for part in parts)
    return hidden or "__MACOSX" in parts or parts[-1] in ("Thumbs.db", "desktop.ini")
