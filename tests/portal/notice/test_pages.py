"""Pages as values: what stands on them, and that they need nothing from anywhere."""

import base64
import hashlib
import itertools
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from billing.dunning.facts import Stage
from billing.dunning.notices import NoticeView, ShownInvoice
from billing.money import Money
from config.i18n import LANGUAGES, Language
from portal.notice.pages import SECURITY_HEADERS, Asking, Page, Pages
from tests.portal.subscribers import settings_in

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
INVOICES = (ShownInvoice(1, "20261001", date(2026, 10, 14), Money(59900)),)
VIEW = NoticeView(
    contract_id=1,
    contract_number="1001",
    line="notice",
    stage=Stage.NOTICE,
    notice_id=5,
    invoices=INVOICES,
    debt=Money(59900),
    acknowledged_at=None,
    suspend_at=NOW + timedelta(days=10),
    promise_until_on=None,
)
VIEWS = {
    "notice": VIEW,
    "suspended": replace(VIEW, stage=Stage.SUSPENDED, line="suspended", acknowledged_at=NOW - timedelta(days=12)),
    "acknowledged": replace(VIEW, stage=Stage.ACKNOWLEDGED, line="open", acknowledged_at=NOW),
    "being opened": replace(VIEW, stage=Stage.ACKNOWLEDGED, acknowledged_at=NOW),
    "reminded": replace(VIEW, stage=Stage.REMINDED, line="open", notice_id=None),
    "promised": replace(VIEW, stage=Stage.CLEAR, line="open", promise_until_on=date(2026, 12, 1)),
    "too late": replace(VIEW, stage=Stage.SUSPENDED, line="open", acknowledged_at=NOW - timedelta(days=12)),
    "clear": replace(VIEW, stage=Stage.CLEAR, line="open", invoices=(), debt=Money(0), notice_id=None),
}


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    return Pages(settings_in(tmp_path, 8080))


def every_page(pages: Pages, language: Language) -> list[Page]:
    asking = Asking(language, wanted_token="w", wanted_url="http://example.com/")
    shown = [pages.of(view, asking, NOW) for view in VIEWS.values()]
    return [*shown, pages.unknown(asking), *(pages.error(asking, status) for status in (400, 403, 404, 405, 503))]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_one_file_without_script_that_loads_nothing(pages: Pages, language: Language) -> None:
    for page in every_page(pages, language):
        loaded = re.findall(r"""(?:src|srcset|poster|data|background)=["']?([^"'>\s]+)""", page.html)

        assert all(source.startswith("data:image/png;base64,") for source in loaded)
        assert not re.search(r"<(script|link|iframe|object|embed)|\son\w+=|style=|url\(|@import", page.html)
        assert len(page.html) < 20_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_has_what_a_screen_reader_needs(pages: Pages, language: Language) -> None:
    for page in every_page(pages, language):
        levels = [int(level) for level in re.findall(r"<h(\d)", page.html)]

        assert f'<html lang="{language}">' in page.html
        assert re.search(r"<title>[^<]{10,}</title>", page.html)
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(later - level <= 1 for level, later in itertools.pairwise(levels))
        assert page.html.count("<main>") == 1
        assert all("alt=" in image for image in re.findall(r"<img[^>]*>", page.html))
        assert all("scope=" in cell for cell in re.findall(r"<th\b[^>]*>", page.html))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_policy_names_the_very_style_of_every_page(pages: Pages, language: Language) -> None:
    for page in every_page(pages, language):
        [style] = re.findall(r"<style>(.*?)</style>", page.html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

        assert f"'sha256-{digest}'" in SECURITY_HEADERS["Content-Security-Policy"]


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        *((text, ground) for text in ("#22201c", "#5d5850", "#0b4f8a") for ground in ("#f3f1ec", "#fff", "#fff6e0")),
        ("#fff", "#0b4f8a"),
        ("#fff", "#083b68"),
        *((text, ground) for text in ("#ece8e0", "#b5aea2", "#8fc4f5") for ground in ("#161513", "#211f1c", "#2c2925")),
        ("#ece8e0", "#3a2c0e"),
        ("#10202e", "#8fc4f5"),
        ("#10202e", "#b5d9fa"),
    ],
)
def test_every_text_has_the_contrast_of_wcag_aa(pages: Pages, text: str, ground: str) -> None:
    html = pages.unknown(Asking("en")).html
    lighter, darker = sorted((_luminance(text), _luminance(ground)), reverse=True)

    assert text in html
    assert ground in html
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_only_the_notice_has_a_button_and_only_with_a_notice_to_acknowledge(pages: Pages) -> None:
    with_button = [name for name, view in VIEWS.items() if "<form" in pages.of(view, Asking("en"), NOW).html]

    assert with_button == ["notice"]
    assert "<form" not in pages.of(replace(VIEW, notice_id=None), Asking("en"), NOW).html


def test_each_state_is_told_in_its_own_words(pages: Pages) -> None:
    headings = {
        name: re.findall(r'<h1>([^<]*)|<p class="(?:lead|deadline)">([^<]*)', pages.of(view, Asking("en"), NOW).html)[
            :3
        ]
        for name, view in VIEWS.items()
    }

    assert len({str(words) for words in headings.values()}) == len(VIEWS)


@pytest.mark.parametrize("line", ["open", "notice", "suspended"])
@pytest.mark.parametrize("stage", [Stage.SUSPENDED, Stage.CLEAR, Stage.REMINDED])
def test_a_day_of_suspension_is_printed_only_where_it_is_still_to_come(pages: Pages, stage: Stage, line: str) -> None:
    day = "3\N{NO-BREAK SPACE}December\N{NO-BREAK SPACE}2026"  # `suspend_at` is reckoned for a suspended line, too
    view = replace(VIEW, stage=stage, line=line, acknowledged_at=NOW - timedelta(days=12))

    assert day in pages.of(VIEW, Asking("en"), NOW).html
    assert day not in pages.of(view, Asking("en"), NOW).html


def test_the_kept_text_changes_with_what_it_says_and_not_with_the_token(pages: Pages) -> None:
    page, again = (
        pages.of(VIEW, Asking("en"), NOW),
        pages.of(VIEW, Asking("en"), NOW + timedelta(hours=1), "Read again"),
    )
    other = pages.of(replace(VIEW, debt=Money(59901)), Asking("en"), NOW)
    same_words = pages.of(replace(VIEW, invoices=(replace(INVOICES[0], id=2),)), Asking("en"), NOW)

    assert page.text == again.text
    assert page.text_sha256 == again.text_sha256
    assert page.text_sha256 != other.text_sha256
    assert page.text_sha256 != same_words.text_sha256
    assert page.with_token("abc").count("abc") == 1


def test_what_others_wrote_is_text_and_never_markup(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, 8080)
    isp = settings.isp.model_copy(update={"name": "<script>alert(1)</script> & co"})
    pages = Pages(settings.model_copy(update={"isp": isp}))
    asking = Asking("en", wanted_token="w", wanted_url="http://example.com/'onload=x")

    for view in VIEWS.values():
        html = pages.of(view, asking, NOW).html
        assert "<script" not in html
        assert "'onload" not in html
