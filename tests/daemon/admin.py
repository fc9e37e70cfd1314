"""An admin at a shell: the real program on a real config and database, in this process or in one of its own."""

import json
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any

import pytest
import structlog

from config.clock import OffsetClock, SystemClock
from daemon.cli import main
from daemon.witness import stay_awake
from tests.scenario import at

CUSTOMERS = """customer_number,name,email,phone,street,city,postal_code,language,password
1,Jana Nováková,jana@isp.example,,,,,cs,
2,Petr Malý,petr@isp.example,,,,,en,
"""
SERVICES = """contract_number,customer_number,kind,product,price,starts_on,addresses
1001,1,internet,Fiber,599.00,2024-01-01,10.1.0.5 2001:db8:0:100::/56
1002,2,internet,Fiber,599.00,2024-01-01,10.1.0.6
"""
INVOICES = """number,contract_number,issued_on,due_on,total,open
26000001,1001,2026-02-16,2026-03-02,599.00,599.00
26000002,1002,2026-02-24,2026-03-10,599.00,599.00
"""


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


@dataclass
class Admin:
    """Types commands, one after the other."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    @property
    def config(self) -> Path:
        return self.folder / "etc" / "hradlo.toml"

    @property
    def database(self) -> Path:
        return self.folder / "hradlo.db"

    @property
    def _options(self) -> tuple[str, ...]:
        return "--config", str(self.config), "--clock-offset-file", str(self.folder / "offset")

    def run(self, *arguments: str) -> Ran:
        """One command, to its end."""
        self.monkeypatch.setattr(sys, "argv", ["hradlo", *self._options, *arguments])
        self.capsys.readouterr()
        with _logging_restored():
            try:
                main()
                code: object = 0
            except SystemExit as ended:
                code = ended.code or 0
        captured = self.capsys.readouterr()
        assert isinstance(code, int)
        return Ran(code, captured.out, captured.err)

    def start(self, *arguments: str, stdout: int | IO[bytes] = subprocess.PIPE) -> "subprocess.Popen[bytes]":
        """One command in a process of its own, that hears ^C even where a background job would not."""
        hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        command = [sys.executable, "-c", f"{hears}; from daemon.cli import main; main()", *self._options, *arguments]
        return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])

    def write(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """What no command does, or shows."""
        with sqlite3.connect(self.database) as database:
            return database.execute(statement).fetchall()

    def add_setting(self, section: str, line: str) -> None:
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text.replace(f"[{section}]\n", f"[{section}]\n{line}\n", 1), encoding="utf-8")

    def enforce(self) -> None:
        """Sets the mode that `init` does not; money need not come by statements."""
        text = self.config.read_text(encoding="utf-8").replace('mode = "monitor"', 'mode = "enforce"')
        self.config.write_text(text, encoding="utf-8")
        self.add_setting("brake", "statement_age_days = 0")

    def move_clock_to(self, day: date, hour: int = 12) -> None:
        """Time passes, while an engine looks."""
        offset, path = at(day, hour) - SystemClock().now(), self.folder / "offset"
        path.write_text(str(offset.total_seconds()), encoding="ascii")
        stay_awake(self.folder, OffsetClock(path))

    def import_all(self) -> None:
        """Two customers with a contract each; the first invoice is overdue since 2 March, the second since 10 March."""
        for what, text in (("customers", CUSTOMERS), ("services", SERVICES), ("invoices", INVOICES)):
            ran = self.run("import", what, self.write(f"{what}.csv", text))
            assert ran.code == 0, ran.err


@contextmanager
def _logging_restored() -> Iterator[None]:
    root, configuration = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
        structlog.configure(**configuration)
