"""The log of a run: one CSV line per epoch, and optionally TensorBoard events."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

from fkd_infer.system.files.atomic import atomic_write, output_errors
from fkd_train.errors import RunError
from fkd_train.evaluation.metrics import LogRow


@dataclass
class RunLog:
    """`log.csv` in a run folder, and events in `tensorboard/`; every file is written atomically."""

    folder: Path
    enabled: bool = True
    tensorboard: bool = False

    @property
    def path(self) -> Path:
        """The CSV file."""
        return self.folder / "log.csv"

    def append(self, row: LogRow) -> None:
        """Adds the line of one epoch, in the columns of the first one, NaN where it has no value;
        raises OutputError if it cannot be written."""
        if not self.enabled:
            return
        before = self._text()
        line = StringIO(newline="")
        header = next(csv.reader(StringIO(before, newline="")), list(row))
        writer = csv.DictWriter(line, header, restval="nan", extrasaction="ignore")
        if not before:
            writer.writeheader()
        writer.writerow({key: f"{value:.6g}" for key, value in row.items()})
        self._write(before + line.getvalue())
        if self.tensorboard:
            self._to_tensorboard(row)

    def _to_tensorboard(self, row: LogRow) -> None:
        """Writes one file per epoch, so that an epoch that is trained again replaces its own."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        now, epoch = time.time(), int(row["epoch"])
        content = BytesIO()
        records = RecordWriter(content)
        records.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for key, value in row.items():
            summary = Summary(value=[Summary.Value(tag=key, simple_value=value)])
            event = Event(wall_time=now, step=epoch, summary=summary)
            records.write(event.SerializeToString())
        path = self.folder / "tensorboard" / f"events.out.tfevents.{epoch:010}"
        with atomic_write(path) as partial, output_errors(path):
            partial.write_bytes(content.getvalue())

    def rewind(self, epochs: int) -> None:
        """Drops the lines of later epochs: a killed run may have logged more than it saved."""
        if not self.enabled or not self.path.exists():
            return
        lines = self._text().splitlines(keepends=True)
        if len(lines) > epochs + 1:
            self._write("".join(lines[: epochs + 1]))

    def rows(self) -> list[LogRow]:
        """All lines as numbers; raises RunError for a file that is not a log."""
        try:
            return [
                {key: float(value) for key, value in row.items()}
                for row in csv.DictReader(StringIO(self._text(), newline=""))
            ]
        except (TypeError, ValueError) as error:
            raise RunError(self.path, "not the log of a training run") from error

    def _text(self) -> str:
        """The content, with its own line ends; empty if there is no file."""
        try:
            return self.path.read_bytes().decode()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(self.path, f"cannot be read: {error}") from error

    def _write(self, text: str) -> None:
        with atomic_write(self.path) as partial, output_errors(self.path):
            partial.write_bytes(text.encode())
