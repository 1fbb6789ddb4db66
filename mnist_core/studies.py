"""What a search found, as figures: every trial of a study and how much each knob mattered, in NAME.json of a folder.

`python -m mnist_core.tune` writes these files, beside each the winner as NAME.recipe.json; pages only read them.
"""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from mnist_core.architectures import ARCHITECTURES
from mnist_core.checkpoints import CHECKPOINTS, write_atomically

STUDIES = CHECKPOINTS / "studies"
COLUMNS = ("number", "state", "validation_accuracy", "epochs", "seconds")
STATES = ("complete", "pruned")
ON_LOGARITHM = ("learning_rate", "batch_size", "weight_decay", "width")  # the knobs that are drawn on it


class StudyError(Exception):
    """A study that cannot be used; the message names the file or the study and the reason."""


@dataclass(frozen=True)
class Study:
    """One search for the recipe of one architecture."""

    name: str
    architecture: str
    settings: dict  # what all trials share: data, epochs, images, seed
    trials: list[dict] = field(repr=False)  # a row a trial: COLUMNS, then a column a knob
    importance: dict[str, float]  # of each knob, as a share of what all explain; empty where too few trials ended
    versions: dict = field(default_factory=dict)

    @property
    def table(self) -> pd.DataFrame:
        return pd.DataFrame(self.trials)

    @property
    def knobs(self) -> list[str]:
        return [name for name in self.trials[0] if name not in COLUMNS]

    @property
    def best(self) -> dict:
        """The complete trial with the highest accuracy; of two alike the earlier."""
        return max((t for t in self.trials if t["state"] == "complete"), key=lambda t: t["validation_accuracy"])


def save_study(study: Study, folder: Path = STUDIES) -> Path:
    path = Path(folder) / f"{study.name}.json"
    write_atomically(path, (json.dumps(asdict(study), indent=1) + "\n").encode())
    return path


def load_study(path: Path) -> Study:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        study = Study(**{entry.name: found[entry.name] for entry in fields(Study)})
        settings = study.settings
        if study.architecture not in ARCHITECTURES or not study.trials or not isinstance(study.versions, dict):
            raise ValueError
        counts = settings["epochs"], settings.get("images") or 0
        if not isinstance(settings["data"], str) or not all(isinstance(count, int) for count in counts):
            raise ValueError
        for trial in study.trials:
            if trial.keys() != study.trials[0].keys() or trial["state"] not in STATES:
                raise ValueError
            if not all(_is_number(trial[name]) for name in trial.keys() - {"state"}):
                raise ValueError
            if not all(trial[name] > 0 for name in trial.keys() & {*ON_LOGARITHM}):
                raise ValueError
        if not all(_is_number(share) for share in study.importance.values()):
            raise ValueError
        if not {*study.importance} <= {*study.knobs} or "complete" not in {t["state"] for t in study.trials}:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise StudyError(f"{path.name} does not hold the figures of a study.") from None
    return study


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < math.inf


def list_studies(folder: Path = STUDIES) -> tuple[list[Study], list[str]]:
    """The usable studies, and a sentence for each file that holds none."""
    studies, broken = [], []
    for path in sorted(Path(folder).glob("*.json")):
        if path.name.endswith(".recipe.json"):
            continue
        try:
            studies.append(load_study(path))
        except StudyError as error:
            broken.append(str(error))
    return studies, broken
