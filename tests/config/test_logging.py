"""Log lines: one line each, the same for libraries, and never a secret."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from config.logging import Format, configure

SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging belongs to the whole process: given back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


class Lines:
    """A configured log that keeps what was written."""

    def __init__(self, log_format: Format = "json", is_terminal: bool = False) -> None:
        self.stream = io.StringIO()
        self.stream.isatty = lambda: is_terminal  # type: ignore[method-assign]
        configure(log_format, self.stream)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def only(self) -> dict[str, Any]:
        """The one line there is, as JSON."""
        (line,) = self.text.splitlines()
        parsed: dict[str, Any] = json.loads(line)
        return parsed


def test_a_unit_of_work_is_one_json_line_with_its_keys() -> None:
    lines = Lines()

    structlog.get_logger("daemon.reconciler").info("reconciled", changed=3, took_ms=12)

    line = lines.only()
    assert (line["event"], line["changed"], line["level"], line["logger"]) == (
        "reconciled",
        3,
        "info",
        "daemon.reconciler",
    )
    assert line["at"].endswith("Z")


def test_a_logger_made_before_the_settings_were_read_follows_them() -> None:
    log = structlog.get_logger("early")
    lines = Lines()

    log.info("late")

    assert lines.only()["event"] == "late"


@pytest.mark.parametrize("name", ["aiohttp.server", "asyncio", "sqlalchemy.pool", "py.warnings"])
def test_libraries_log_the_same_way(name: str) -> None:
    lines = Lines()

    logging.getLogger(name).warning("slow %s", "thing", extra={"peer": "10.0.0.9"})

    line = lines.only()
    assert (line["event"], line["logger"], line["level"], line["peer"]) == ("slow thing", name, "warning", "10.0.0.9")


@pytest.mark.parametrize("name", ["aiohttp.access", "sqlalchemy.engine.Engine", "alembic.runtime.migration"])
def test_libraries_do_not_chat(name: str) -> None:
    lines = Lines()

    logging.getLogger(name).info("ordinary")

    assert lines.text == ""


def test_debugging_lines_are_left_out() -> None:
    lines = Lines()

    structlog.get_logger().debug("detail")

    assert lines.text == ""


def test_what_asyncio_could_not_deliver_is_logged() -> None:
    lines = Lines()

    async def fail_in_a_callback() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(fail_in_a_callback())

    line = lines.only()
    assert line["logger"] == "asyncio"
    assert "ZeroDivisionError" in line["exception"]


@pytest.mark.parametrize("log_format", ["json", "text"])
@pytest.mark.parametrize(
    "keys",
    [
        {"password": SECRET},
        {"smtp_password": SECRET},
        {"Authorization": SECRET},
        {"ack_token": SECRET},
        {"settings": {"mail": {"secret": SECRET}}},
        {"headers": [{"cookie": SECRET}]},
        {"url": f"postgresql://hradlo:{SECRET}@db/hradlo"},
        {"urls": [f"postgresql://hradlo:{SECRET}@db/hradlo"]},
    ],
)
def test_a_secret_is_never_written(log_format: Format, keys: dict[str, Any]) -> None:
    lines = Lines(log_format)

    structlog.get_logger().info("sent", **keys)
    logging.getLogger("aiosmtplib").warning("sent", extra=keys)

    assert lines.text.count("[redacted]") == 2
    assert SECRET not in lines.text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_a_traceback_shows_no_local_variables_and_no_password_of_an_address(log_format: Format) -> None:
    lines = Lines(log_format, is_terminal=True)

    def log_in(password: str) -> None:
        raise OSError("postgresql://hradlo:" + password + "@db refused")

    try:
        log_in(SECRET)
    except OSError:
        structlog.get_logger().exception("failed")

    assert "OSError" in lines.text
    assert SECRET not in lines.text


def test_a_terminal_gets_text_and_a_pipe_gets_json() -> None:
    terminal = Lines("auto", is_terminal=True)
    structlog.get_logger().info("hello", n=1)
    pipe = Lines("auto")
    structlog.get_logger().info("hello", n=1)

    assert not terminal.text.startswith("{")
    assert "hello" in terminal.text
    assert pipe.only()["n"] == 1


def test_what_a_stranger_sent_stays_one_line_and_moves_no_cursor() -> None:
    for log_format in ("json", "text"):
        lines = Lines(log_format)

        structlog.get_logger().info("asked", agent="x\n\x1b[2J\x9bforged", path="a\rb")

        assert len(lines.text.splitlines()) == 1
        assert not set(lines.text) & {"\x1b", "\x9b", "\r"}
