"""The rules of the house, where a document alone would be forgotten: imports, names, sizes, what is committed."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("config", "billing", "enforcement", "portal", "daemon")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 400


def modules() -> list[Path]:
    """Every product module, migrations aside: those are generated, and stand as they once ran."""
    found = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return sorted(path for path in found if "migrations" not in path.parts)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    argv = [str(program), "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_imports_go_one_way() -> None:
    linted = lint_imports(ROOT)

    assert linted.returncode == 0, linted.stdout


def test_every_folder_of_modules_is_a_package_that_says_what_it_is_for() -> None:
    """Without `__init__.py` the import rules would silently not see it."""
    folders = {path.parent for path in modules()}

    assert [shown(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [shown(path) for path in modules() if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))]

    assert silent == []


def test_no_module_is_named_after_nothing() -> None:
    assert [shown(path) for path in modules() if {path.stem, path.parent.name} & FORBIDDEN_NAMES] == []


def test_functions_and_files_stay_small() -> None:
    long_functions = [
        f"{shown(path)}:{function.lineno} {function.name}"
        for path in modules()
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= FUNCTION_LINES_MAX
    ]
    long_files = [shown(path) for path in modules() if len(path.read_text("utf-8").splitlines()) > FILE_LINES_MAX]

    assert (long_functions, long_files) == ([], [])


def test_every_product_function_says_what_it_takes_and_returns() -> None:
    untyped = [f"{shown(path)} {node.name}" for path in modules() for node in functions(path) if node.returns is None]

    assert untyped == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_hradlos_own_and_not_a_namesake(room: str) -> None:
    """`daemon` and `config` are names that other distributions install, too."""
    imported = __import__(room)

    assert Path(str(imported.__file__)) == ROOT / room / "__init__.py"


def test_time_is_read_in_one_place() -> None:
    """The linter bans the usual ways; this names the unusual."""
    reading = re.compile(r"\b(?:time\.time_ns|time\.localtime|time\.gmtime|clock_gettime|fromtimestamp\(time)\b")
    found = [shown(path) for path in modules() if reading.search(path.read_text(encoding="utf-8"))]
    elsewhere = [name for name in found if name != "config/clock.py"]

    assert elsewhere == []


def committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    if listed.returncode != 0:  # a source archive has no history
        return [path for path in ROOT.rglob("*") if path.is_file() and not {".venv", ".git"} & set(path.parts)]
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_nothing_committed_names_a_developers_machine_or_where_packages_come_from() -> None:
    # Put together, so that this file does not name them itself.
    places = ["/work" + "/main", "/work" + "/shared", "/work" + "/.", "/home" + "/", "files." + "pythonhosted.org"]
    places += ["pypi" + ".org", "registry." + "npmjs.org", "--extra-index" + "-url", "--index" + "-url"]
    found = [
        f"{shown(path)}: {place}" for path in committed() for place in places if place.encode() in path.read_bytes()
    ]

    assert found == []


def test_the_lock_pins_everything_that_is_asked_for() -> None:
    pinned = {
        re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower()
        for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    asked = re.findall(
        r'^    "([A-Za-z0-9_.-]+)(?:\[\w+\])?>=', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE
    )

    assert asked
    assert [name for name in asked if re.sub(r"[-_.]+", "-", name).lower() not in pinned] == []


@pytest.mark.parametrize("package", ["portal", "enforcement"])
def test_a_forbidden_import_is_found(package: str, tmp_path: Path) -> None:
    """The contracts bite: a copy of the tree with one wrong import is refused."""
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    with (tmp_path / package / "__init__.py").open("a", encoding="utf-8") as file:
        file.write("import daemon.doorbell\n")

    linted = lint_imports(tmp_path)

    assert linted.returncode != 0
    assert f"{package} is not allowed to import daemon" in linted.stdout
