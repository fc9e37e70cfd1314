"""html-validate (npm), on many pages in one process of node."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

VALIDATOR = Path(__file__).parents[1] / "node_modules" / "html-validate" / "bin" / "html-validate.mjs"
_CONFIG = {
    "root": True,
    "extends": ["html-validate:standard", "html-validate:a11y", "html-validate:document"],
    "rules": {
        "require-sri": ["error", {"target": "crossorigin"}],  # nothing is loaded from elsewhere
        "meta-refresh": "off",  # one page waits a second until the line is open, and has nothing to read meanwhile
    },
}


def problems(pages: Mapping[str, str], folder: Path) -> list[str]:
    """What is wrong with these pages (name -> HTML), one line for each."""
    folder.mkdir()
    (folder / ".htmlvalidate.json").write_text(json.dumps(_CONFIG))
    names = {}
    for number, (name, html) in enumerate(pages.items()):
        path = folder / f"{number}.html"
        path.write_text(html, encoding="utf-8")
        names[str(path)] = name
    said = folder / "said.json"
    with said.open("w") as out:  # a pipe would be cut off: node does not wait until it is read
        command = ["node", str(VALIDATOR), "--formatter", "json", *names]
        ran = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, timeout=120, cwd=folder)
    assert ran.returncode in (0, 1), ran.stderr
    return [
        f"{names[found['filePath']]}: {one['ruleId']} at {one['line']}:{one['column']}: {one['message']}"
        for found in json.loads(said.read_text())
        for one in found["messages"]
    ]
