"""The log of a run: one CSV line per epoch, and TensorBoard where asked for."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from fkd_infer.wholefile import whole_file, writing

Row = dict[str, float]


@dataclass
class RunLog:
    """`log.csv` in a run folder."""

    folder: Path
    enabled: bool = True
    tensorboard: bool = False

    @property
    def path(self) -> Path:
        """Where the lines go."""
        return self.folder / "log.csv"

    def append(self, row: Row) -> None:
        """Adds the line of one epoch."""
        if not self.enabled:
            return
        fresh = not self.path.exists()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if fresh:
                writer.writeheader()
            writer.writerow({key: f"{value:.6g}" for key, value in row.items()})
        if self.tensorboard:
            self._to_tensorboard(row)

    def _to_tensorboard(self, row: Row) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        with SummaryWriter(str(self.folder / "tensorboard")) as writer:
            for key, value in row.items():
                writer.add_scalar(key, value, global_step=int(row["epoch"]))

    def rewind(self, epochs: int) -> None:
        """Drops lines after so many epochs: a killed run may have logged more than it saved."""
        if not self.enabled or not self.path.exists():
            return
        lines = self.path.read_text().splitlines(keepends=True)
        with whole_file(self.path) as partial, writing(self.path):
            partial.write_text("".join(lines[: epochs + 1]))

    def rows(self) -> list[Row]:
        """All lines as numbers."""
        with self.path.open(newline="") as file:
            return [
                {key: float(value) for key, value in row.items()} for row in csv.DictReader(file)
            ]
