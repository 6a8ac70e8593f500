"""Logs of a run: a CSV file that a resumed run continues without a seam, and TensorBoard where installed."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from backmapbench.files import atomic_write
from backmapbench.reference_models.training.errors import TrainingError

FILE = "log.csv"
WRITER = "tensorboard"


class Log:
    """Rows of numbers by step. A resumed run drops the rows after its checkpoint and writes them again."""

    def __init__(self, folder: Path, *, after: int, tensorboard: bool) -> None:
        """Continue the log in ``folder`` after step ``after`` (0: begin).

        Raises TrainingError when TensorBoard was asked for and is not installed.
        """
        self._path = folder / FILE
        self._board = _board(folder / WRITER, after) if tensorboard else None
        rows = _rows(self._path) if after and self._path.is_file() else []
        kept = [row for row in rows[1:] if int(row[0]) <= after]
        self._columns: list[str] = rows[0] if kept else []
        with atomic_write(self._path, "w") as handle:
            csv.writer(handle, lineterminator="\n").writerows([self._columns, *kept] if kept else [])

    def add(self, step: int, values: dict[str, float]) -> None:
        """One row; the first one's names are the columns."""
        with self._path.open("a", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            if not self._columns:
                self._columns = ["step", *values]
                writer.writerow(self._columns)
            # repr: the shortest text from which the same number is read back.
            writer.writerow([step, *(repr(values[name]) if name in values else "" for name in self._columns[1:])])
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Write out what TensorBoard still holds."""
        if self._board is not None:
            self._board.close()


def read_log(folder: Path) -> dict[str, list[float]]:
    """Columns of a run's log by name; an empty cell is NaN."""
    rows = _rows(folder / FILE)
    columns = zip(*rows[1:], strict=True)
    return {
        name: [float(cell or "nan") for cell in column]
        for name, column in zip(rows[0] if rows else [], columns, strict=False)
    }


def _rows(path: Path) -> list[list[str]]:
    """Complete rows: a line that a kill cut short has no end and is left out."""
    text = path.read_text(encoding="utf-8")
    return list(csv.reader(io.StringIO(text[: text.rfind("\n") + 1])))


def _board(folder: Path, after: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError(
            f"tensorboard = true, but it cannot be imported ({error}); install tensorboard or leave the setting out"
        ) from error
    return SummaryWriter(str(folder), purge_step=after + 1 if after else None)
