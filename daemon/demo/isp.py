"""The ISP of the demo: its name, its pages, and the settings file that it is run by."""

import secrets
from pathlib import Path

from config.errors import NotAllowed
from config.example import write as write_settings
from config.settings import Settings, load
from daemon.demo.statements import IBAN

ISP_NAME = "Údolní síť"
NOTICE_URL = "http://info.udolni-sit.example"
PORTAL_HOST = "moje.udolni-sit.example"
BANK_HOST = "banka.example"
"""In the garden, like the portal: a suspended line reaches them."""


def found(folder: Path, mail_port: int) -> Settings:
    """Written into the folder, so that other commands work on it, too: `hradlo --config …/hradlo.toml show 1001`."""
    path = folder / "hradlo.toml"
    if path.exists():
        raise NotAllowed(f"{folder} holds a demo already.", "Name an empty folder, or one that does not exist yet.")
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    (folder / "secrets" / "signing_key").write_text(secrets.token_urlsafe(48), encoding="ascii")
    isp = {
        "name": ISP_NAME,
        "phone": "+420 800 555 019",
        "email": "podpora@udolni-sit.example",
        "portal_url": f"https://{PORTAL_HOST}",
        "iban": IBAN,
    }
    mail = {
        "host": "127.0.0.1",
        "port": mail_port,
        "sender": f"{ISP_NAME} <ucty@udolni-sit.example>",
        "per_minute": 100_000,
    }
    write_settings(
        path,
        {
            "isp": isp,
            "database": {"url": f"sqlite:///{folder}/hradlo.db"},
            "secrets": {"directory": folder / "secrets"},
            "notice": {"url": NOTICE_URL, "requests_per_minute": 6000},
            "enforcement": {"driver": "dryrun", "garden": (BANK_HOST, PORTAL_HOST)},
            # money comes when a visitor says so, and not every working day
            "brake": {"statement_age_days": 0},
            "mail": mail,
            "portal": {"extension_days": 7},
            "daemon": {"runtime_directory": folder, "state_directory": folder},
        },
    )
    return load(path)
