"""The ISP's logo as the page takes it: SVG text. A PNG is put into one, so that there is one way for both."""

import base64
import struct
from pathlib import Path

import typst

from config.errors import Problem, SettingsError

BYTES_MAX = 200_000
_PLACE = "[portal] logo"
_PNG_HEAD = b"\x89PNG\r\n\x1a\n"


def logo_svg(path: Path | None) -> str:
    """Empty without a path; raises `SettingsError` when the file is no logo."""
    if path is None:
        return ""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unfit(path, f"can't be read: {error.strerror or error}") from error
    if len(data) > BYTES_MAX:
        raise _unfit(path, f"has more than {BYTES_MAX // 1000} kB")
    if data.startswith(_PNG_HEAD) and len(data) > 24:
        return _wrapped(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if "<svg" not in text:
        raise _unfit(path, "is neither PNG nor SVG")
    return text


def logo_problems(path: Path | None) -> list[Problem]:
    """What is wrong with the logo, found by drawing it; nothing when there is none."""
    try:
        svg = logo_svg(path)
    except SettingsError as error:
        return list(error.problems)
    if not svg:
        return []
    try:
        typst.compile(b'#image(bytes(sys.inputs.logo), format: "svg")', format="png", sys_inputs={"logo": svg})
    except typst.TypstError as error:
        return [Problem(_PLACE, f"{path} can't be drawn: {error.message}")]
    return []


def _wrapped(png: bytes) -> str:
    width, height = struct.unpack(">II", png[16:24])
    href = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
        f'<image href="{href}" width="{width}" height="{height}"/></svg>'
    )


def _unfit(path: Path, why: str) -> SettingsError:
    return SettingsError("The logo can't be used.", [Problem(_PLACE, f"{path} {why}")])
