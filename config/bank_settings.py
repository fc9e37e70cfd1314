"""The `[payments]` and `[fio]` tables of the settings: where the bank's statements come from."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field

from config.section import Section
from config.setting_types import Url


class Payments(Section):
    """Where bank statements come from."""

    accounts: tuple[str, ...] = Field(
        (), description="Your accounts as statements name them (number, or number/bank code); empty = any."
    )
    watch_folder: Path | None = Field(
        None,
        description="Statements dropped here are imported by themselves.",
        examples=["/var/lib/hradlo/statements"],
    )
    watch_seconds: int = Field(10, ge=1, description="How often the folder is looked at.")


FIO_TOKEN = re.compile(r"[A-Za-z0-9]{16,128}")


class Fio(Section):
    """Movements straight from Fio banka, by its API (docs/bank.md). Off without `tokens`."""

    tokens: tuple[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")], ...] = Field(
        (), description="Names of the secrets that hold a token, one for each account, for example fio_token."
    )
    every_minutes: int = Field(15, ge=1, le=1440, description="How often each account is asked.")
    url: Url = Field("https://fioapi.fio.cz/v1/rest", description="Where the API is; a token is sent nowhere else.")
