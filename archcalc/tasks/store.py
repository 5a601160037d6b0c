"""The points of a sweep on disk, as they come: lines of csv or JSON, or a folder of Parquet parts; and its journal.

A chunk is written, and then a line of the journal says so, where the file ends, and the checksum of all that stands in
it so far: what stands behind that was being written when somebody pulled the plug, and is cut off by whoever goes on,
and a file that somebody else changed is refused. So nothing is lost, and nothing is there twice, however the sweep
ended.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Any
from zlib import crc32

from .. import files
from ..errors import Unavailable, UsageError, installed, printable
from .space import INPUT, WORDS
from .sweep import TOTALS, TRAINING, Chunk, Sweep

SUFFIXES = (".csv", ".jsonl", ".parquet")
JOURNAL = ".journal"  # behind the name of the file
MOST = 1 << 30  # bytes of a journal
PATIENCE = 5.0  # seconds
GO_ON = "`--resume` goes on with it; or name another file."
OTHER = "Name another file, or remove it."


class Store:
    """A file of points and its journal; `chunks` are those that stand in it already. Nobody else writes to them.

    Raises UsageError for a file of no known form or one that was read, for one that holds a sweep that was stopped
    unless it is to `resume`, and then for one of another sweep; Unavailable where something that is needed is missing,
    or where it cannot be written."""

    def __init__(self, file: str, sweep: Sweep, resume: bool) -> None:
        self.path = files.writable(file, "--points") if not file.endswith(".parquet") else Path(os.path.realpath(file))
        files.spare_read(self.path, f"--points {file}")
        self.name, self.suffix, self.sweep = printable(file), self.path.suffix.lower(), sweep
        if self.suffix not in SUFFIXES:
            raise UsageError(f"`--points {self.name}` is no csv, jsonl or parquet", "The suffix says what is written.")
        if self.suffix == ".parquet":
            with installed():
                import pyarrow.parquet  # noqa: F401
        self.journal = self.path.with_name(self.path.name + JOURNAL)
        head = {"plan": sweep.plan.document(), "columns": sweep.columns, "long": sweep.long}
        self._file: IO[bytes] | None = None
        self._sum = 0  # of what was written, of Parquet in the last part
        try:
            self._log = self.journal.open("ab+")
            try:
                self._begin(json.loads(json.dumps(head)), resume)
            except BaseException:
                self.close(False)
                raise
        except OSError as error:
            raise Unavailable(f"`{self.name}`: {error.strerror or error}") from None
        except (LookupError, TypeError, ValueError):
            message = f"`{printable(self.journal.name)}` is no journal of a sweep"
            raise UsageError(message, OTHER) from None

    def _begin(self, head: dict[str, Any], resume: bool) -> None:
        self.chunks: list[Chunk] = []
        _hold(self._log, self.name, PATIENCE if resume else 0)
        lines = list(_lines(self._log))
        begun, done = bool(lines), bool(lines) and lines[-1][1].get("done", False)
        if not any("chunk" in line for _, line in lines) and not resume:
            begun = False  # nothing had come
        if begun and not done and not resume:
            raise UsageError(f"`{self.name}` holds a sweep that was stopped", GO_ON)
        first = _csv([self.sweep.columns]) if self.suffix == ".csv" else b""
        if resume and not lines and self.path.is_file() and self.path.stat().st_size > len(first):
            raise UsageError(f"`{self.name}` has no journal beside it: no sweep wrote it", "Name another file.")
        end, parts = 0, dict[str, int]()
        if begun and resume:
            _same(lines[0][1], head, self.name)
            written = [line for _, line in lines if "end" in line]
            self.chunks = [Chunk.of(line["chunk"]) for line in written[1:]]
            end, self._sum = written[-1]["end"], written[-1]["sum"]
            sums = zip(self.chunks, written[1:], strict=True)
            parts = {_part_name(chunk.number): line["sum"] for chunk, line in sums if chunk.left}
            self._log.truncate(lines[-1 if not done else -2][0])
        else:
            self._log.truncate(0)
        if self.suffix == ".parquet":
            self._parts(parts)
        else:
            self._file = self.path.open("rb+" if self.path.exists() else "wb+")
            if _checksum(self._file, end) != self._sum:
                raise UsageError(f"`{self.name}` is not what the sweep wrote: it was changed", OTHER)
            self._file.truncate(end)
        if not (begun and resume):
            self._write(first)
            self._note({**head, "end": self._end, "sum": self._sum})

    @property
    def _end(self) -> int:
        return self._file.tell() if self._file is not None else 0

    def add(self, chunk: Chunk) -> None:
        """Write a chunk down. Raises Unavailable where it cannot be written."""
        try:
            if self.suffix == ".csv":
                self._write(_csv(chunk.rows))
            elif self.suffix == ".jsonl":
                rows = (dict(zip(self.sweep.columns, row, strict=True)) for row in chunk.rows)
                self._write("".join(f"{json.dumps(row)}\n" for row in rows).encode())
            elif chunk.rows:
                self._part(chunk)
            self._note({"chunk": chunk.document(), "end": self._end, "sum": self._sum})
        except OSError as error:
            raise Unavailable(f"`{self.name}`: {error.strerror or error}", GO_ON) from None

    def close(self, done: bool) -> None:
        """End, and if all is `done` say so."""
        if done:
            self._note({"done": True})
        self._log.close()
        if self._file is not None:
            self._file.close()

    def _write(self, data: bytes) -> None:
        assert self._file is not None or not data
        if self._file is not None:
            self._file.write(data)
            self._sum = crc32(data, self._sum)
            self._file.flush()
            os.fsync(self._file.fileno())

    def _note(self, line: dict[str, Any]) -> None:
        self._log.write(json.dumps(line).encode() + b"\n")
        self._log.flush()
        os.fsync(self._log.fileno())

    # --- Parquet ------------------------------------------------------------------------------------------------------

    def _parts(self, kept: dict[str, int]) -> None:
        """Make the folder; in an old one nothing is left but the parts that are `kept`, by their checksums."""
        self.path.mkdir(exist_ok=True)
        for name, known in kept.items():
            path = self.path / name
            if not path.is_file() or crc32(path.read_bytes()) != known:
                raise UsageError(f"`{self.name}` is not what the sweep wrote: `{name}` was changed", OTHER)
        for path in self.path.iterdir():
            if path.name not in kept:
                if not path.name.startswith(("part-", files.BESIDE[0])):
                    raise UsageError(f"`{self.name}` has other files: `{printable(path.name)}`")
                path.unlink()

    def _part(self, chunk: Chunk) -> None:
        import pyarrow
        from pyarrow import parquet

        columns = dict(zip(self.sweep.columns, zip(*chunk.rows, strict=True), strict=True))
        counts, words = {"point", "batch", *TOTALS, TRAINING}, {*WORDS}
        kinds = {
            name: pyarrow.int64() if name in counts
            else pyarrow.string() if name in words or name.partition(" ")[0] == INPUT
            else pyarrow.float64()
            for name in columns
        }  # fmt: skip
        arrays = {name: pyarrow.array(values, kinds[name]) for name, values in columns.items()}
        sink = pyarrow.BufferOutputStream()
        parquet.write_table(pyarrow.table(arrays), sink)
        data = sink.getvalue().to_pybytes()
        self._sum = crc32(data)
        files.replace(self.path / _part_name(chunk.number), data)


def _part_name(number: int) -> str:
    return f"part-{number:08d}.parquet"


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    out = StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def _checksum(file: IO[bytes], end: int) -> int:
    """Of a file up to where it should end."""
    found = 0
    while data := file.read(min(end - file.tell(), 1 << 20)):
        found = crc32(data, found)
    return found


def _hold(log: IO[bytes], name: str, patience: float) -> None:
    """Keep others from writing to the same file; the system ends that with the process. Waits for so many seconds, as
    the workers of a client that was killed take a moment to notice."""
    if files.fcntl is None:
        return
    end = monotonic() + patience
    while True:
        try:
            files.fcntl.flock(log, files.fcntl.LOCK_EX | files.fcntl.LOCK_NB)
            return
        except OSError:
            if monotonic() >= end:
                raise UsageError(f"another sweep is writing to `{name}`") from None
            sleep(0.05)


def _lines(log: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The whole lines of a journal, each with where it ends; what is behind them was being written."""
    log.seek(0)
    end = 0
    for line in log.read(MOST).splitlines(keepends=True):
        end += len(line)
        try:
            found = json.loads(line) if line.endswith(b"\n") else None
        except files.FAULTS:
            found = None
        if not isinstance(found, dict):
            return
        yield end, found


def _same(old: dict[str, Any], new: dict[str, Any], name: str) -> None:
    """Raise UsageError where a journal is of another sweep."""
    before, now = {**old.get("plan", {}), "columns": old.get("columns")}, {**new["plan"], "columns": new["columns"]}
    other = [key for key in now if before.get(key) != now[key]]
    if other:
        key = other[0]
        what = {"specs": "the specs", "text": "the spec", "version": "the version of archcalc"}.get(key, f"`{key}`")
        raise UsageError(f"`{name}` holds another sweep: {what} was another", OTHER)
