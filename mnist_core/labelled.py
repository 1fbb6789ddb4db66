"""A visitor's own labelled pictures: a ZIP of folders 0 to 9, or of pictures and a CSV, through the pipeline.

Nothing of an archive is written to disk, and nothing is unpacked beyond its limits, whatever its headers claim.
What cannot be used is told by name; the rest counts.
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from mnist_core.architectures import SIDE
from mnist_core.ink import FORMATS, InkError
from mnist_core.preprocess import Pipeline

MAX_PICTURES = 2_000
MAX_BYTES = 50_000_000
MAX_PICTURE_BYTES = 10_000_000  # unpacked
MAX_UNPACKED = 200_000_000
MAX_MEGAPIXELS = 1_000  # of all pictures together
MAX_DIRECTORY = 1_000_000  # bytes of the archive's own list of files


class ArchiveError(Exception):
    """An archive of which nothing can be used; the message says why, in a sentence for the person who brought it."""


@dataclass(frozen=True)
class Skipped:
    name: str
    reason: str


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures as the network sees them, and what had to be left out."""

    names: list[str]
    images: np.ndarray = field(repr=False)  # uint8, N x 28 x 28
    labels: np.ndarray = field(repr=False)  # int64, N
    skipped: list[Skipped] = field(default_factory=list)


def read_archive(content: bytes, progress: Callable[[float], None] = lambda share: None) -> Pictures:
    """Every usable picture of a ZIP. `progress` is told the share that is done."""
    pipeline, skipped = Pipeline(), []
    names, images, labels = [], [], []
    with _open(content) as archive:
        entries = list(_label(archive, skipped))
        for entry in entries[MAX_PICTURES:]:
            skipped.append(Skipped(_readable(entry[0].filename), f"is beyond the {MAX_PICTURES:,} pictures of a visit"))
        budget = _Budget()
        for number, (info, label) in enumerate(entries[:MAX_PICTURES], 1):
            name = _readable(info.filename)
            try:
                trace = pipeline.run(budget.picture(archive, info))
                if trace.blank:
                    raise InkError(trace.blank)
            except InkError as error:
                skipped.append(Skipped(name, str(error)))
            else:
                names.append(name)
                images.append(np.uint8(np.round(trace.image * 255)))
                labels.append(label)
            progress(number / min(len(entries), MAX_PICTURES))
    stacked = np.stack(images) if images else np.zeros((0, SIDE, SIDE), dtype=np.uint8)
    return Pictures(names, stacked, np.array(labels, dtype=np.int64), skipped)


class _Budget:
    """What may still be unpacked."""

    def __init__(self):
        self.unpacked, self.megapixels = MAX_UNPACKED, float(MAX_MEGAPIXELS)

    def picture(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
        limit = min(MAX_PICTURE_BYTES, self.unpacked)
        if not limit:
            raise InkError(f"The archive unpacks to more than {MAX_UNPACKED // 1_000_000} MB; this comes after them.")
        content = _unpack(archive, info, limit)
        self.unpacked -= len(content)
        try:
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                self.megapixels -= image.width * image.height / 1e6
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
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        raise ArchiveError("This ZIP file is broken: its list of files cannot be read.") from None


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    if info.flag_bits & 1:
        raise InkError("It is locked with a password.")
    try:
        with archive.open(info) as file:
            content = file.read(limit + 1)
    except NotImplementedError:
        raise InkError("It is packed in a way that is not read.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError):
        raise InkError("It is cut off or broken: it cannot be unpacked.") from None
    except Exception:  # lzma and bz2 have errors of their own
        raise InkError("It cannot be unpacked.") from None
    if len(content) > limit:
        raise InkError(f"It unpacks to more than {limit / 1_000_000:,.0f} MB.")
    return content


# Labels -------------------------------------------------------------------------------------------------------

Entry = tuple[zipfile.ZipInfo, int]


def _label(archive: zipfile.ZipFile, skipped: list[Skipped]) -> Iterator[Entry]:
    """The pictures that have a label, from the CSV where there is one and from their folders where there is none."""
    files = [info for info in archive.infolist() if not info.is_dir() and not _is_litter(info.filename)]
    tables = [info for info in files if info.filename.lower().endswith(".csv")]
    pictures = [info for info in files if not info.filename.lower().endswith(".csv")]
    if not tables:
        for info in pictures:
            if (label := _folder_label(info.filename)) is None:
                skipped.append(Skipped(_readable(info.filename), "It lies in no folder named 0 to 9."))
            else:
                yield info, label
        return
    table, *others = sorted(tables, key=lambda info: (info.filename.count("/"), info.filename))
    for other in others:
        skipped.append(Skipped(_readable(other.filename), f"Only one CSV is read, {_readable(table.filename)}."))
    rows = _read_table(archive, table)
    folder = PurePosixPath(_path(table.filename)).parent
    for info in pictures:
        path = _path(info.filename)
        below = _below(path, folder)
        row = below if below in rows else path
        if row not in rows:
            skipped.append(Skipped(_readable(info.filename), f"It has no row in {_readable(table.filename)}."))
        elif not re.fullmatch("[0-9]", label := rows.pop(row)):
            skipped.append(Skipped(_readable(info.filename), f"Its label is {_readable(label)!r}, which is no digit."))
        else:
            yield info, int(label)
    for missing in rows:
        skipped.append(Skipped(_readable(missing), "It stands in the CSV, and the archive has no such file left."))


def _read_table(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> dict[str, str]:
    """File -> label, as the CSV has them."""
    name = _readable(info.filename)
    try:
        text = _unpack(archive, info, MAX_PICTURE_BYTES).decode("utf-8-sig", errors="replace")
        reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text))
        header = [cell.strip().lower() for cell in next(reader, [])]
        if not {"file", "label"} <= {*header}:
            raise ArchiveError(f"{name} does not begin with the line `file,label`.")
        file, label = header.index("file"), header.index("label")
        rows = (row for row in reader if len(row) > max(file, label))
        return {_path(row[file].strip()): row[label].strip() for row in rows}
    except InkError as error:
        raise ArchiveError(f"{name} cannot be used. {error}") from None
    except csv.Error as error:
        raise ArchiveError(f"{name} cannot be read as a CSV: {error}.") from None


def _delimiter(text: str) -> str:
    head = text.partition("\n")[0]
    return ";" if ";" in head and "," not in head else ","


def _folder_label(filename: str) -> int | None:
    """The innermost folder that is named like a digit."""
    folders = _path(filename).split("/")[:-1]
    return next((int(folder) for folder in reversed(folders) if re.fullmatch("[0-9]", folder)), None)


def _path(filename: str) -> str:
    return str(PurePosixPath(filename.replace("\\", "/").removeprefix("./")))


def _below(path: str, folder: PurePosixPath) -> str:
    return path.removeprefix(f"{folder}/") if str(folder) != "." else path


def _is_litter(filename: str) -> bool:
    """What file managers leave in an archive and nobody put there."""
    parts = _path(filename).split("/")
    return "__MACOSX" in parts or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini") or parts[-1].startswith("._")


def _readable(name: str) -> str:
    """A file's name for a page: no control characters, no end that is far away."""
    shown = "".join(character if character.isprintable() else "\ufffd" for character in name)
    return shown if len(shown) <= 80 else f"{shown[:50]} … {shown[-25:]}"
