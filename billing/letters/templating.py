"""Where letters' templates come from: ours, and an admin's own in their sandbox."""

from functools import cache
from pathlib import Path

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    select_autoescape,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

BUILTIN = Path(__file__).parent / "templates"


@cache
def builtin_environment() -> Environment:
    """Our templates."""
    return _environment(Environment, FileSystemLoader(BUILTIN))


@cache
def own_environment(directory: Path) -> Environment:
    """An admin's templates, in their sandbox, with ours behind them."""
    ours = FileSystemLoader(BUILTIN)
    loader = ChoiceLoader([FileSystemLoader(directory), ours, PrefixLoader({"builtin": ours})])
    return _environment(ImmutableSandboxedEnvironment, loader)


def _environment(kind: type[Environment], loader: BaseLoader) -> Environment:
    return kind(
        loader=loader,
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


_BUILTIN = _environment(Environment, FileSystemLoader(BUILTIN))
