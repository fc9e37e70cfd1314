"""The PDF as its reader gets it: text, picture, code and enclosed ISDOC; and what happens when its making fails."""

import asyncio
import io
import json
import multiprocessing
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typst
from lxml import etree
from pypdf import PdfReader

from billing.invoicing.documents.cache import Cache
from billing.invoicing.documents.document import Document
from billing.invoicing.documents.isdoc import isdoc
from billing.invoicing.documents.logo import logo_svg
from billing.invoicing.documents.page import content, payment_code
from billing.invoicing.documents.rendering import Renderer
from billing.invoicing.documents.typesetting import FONTS, TEMPLATE, Look, Typesetter
from config.errors import DocumentFailed, SettingsError
from config.settings import Settings, parse
from tests.billing.invoicing.documents.examples import (
    BUYER,
    FIRM,
    INSURANCE,
    INTERNET,
    ROUTER,
    VOIP,
    credit_note,
    invoice,
    of_many_lines,
    without_vat,
)

FOUR = invoice([INTERNET, VOIP, INSURANCE, ROUTER])
RED_DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8"
    "cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


@pytest.fixture(scope="module")
def typesetter() -> Typesetter:
    return Typesetter(Look())


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "documents", 10)


@pytest.fixture
async def renderer(cache: Cache) -> AsyncIterator[Renderer]:
    async with Renderer(Look, cache, 1) as made:
        yield made


def read(pdf: bytes) -> PdfReader:
    return PdfReader(io.BytesIO(pdf))


def text_of(pdf: bytes) -> str:
    """All text, with plain spaces."""
    return " ".join(" ".join(page.extract_text().split()) for page in read(pdf).pages).replace(
        "\N{NO-BREAK SPACE}", " "
    )


def pictures(document: Document, look: Look | None = None, ppi: int = 150) -> list[bytes]:
    """The pages as PNG, made by the same compiler from the same template."""
    look = look or Look()
    compiler = typst.Compiler(
        input=str(look.template), root=str(look.template.parent), font_paths=[str(FONTS)], ignore_system_fonts=True
    )
    inputs = {"page": json.dumps(content(document)), "isdoc": "-", "logo": look.logo, "colour": look.colour}
    made = compiler.compile(format="png", ppi=ppi, sys_inputs=inputs)
    return [made] if isinstance(made, bytes) else list(made or [])


def scanned(picture: Path) -> str:
    """What a phone reads from the page."""
    if shutil.which("zbarimg") is None:
        pytest.skip("zbarimg is missing: apt-get install zbar-tools")
    done = subprocess.run(
        ["zbarimg", "--quiet", "--raw", "--nodbus", str(picture)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout.strip()


# ── what it shows ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["cs", "en"])
@pytest.mark.parametrize(
    "document", [invoice(), FOUR, of_many_lines(40), without_vat()], ids=["1", "4", "40", "no VAT"]
)
def test_a_scanner_reads_the_payment_back_from_the_first_page(
    document: Document, language: str, tmp_path: Path
) -> None:
    document = replace(document, language=language)
    page = tmp_path / "page.png"
    page.write_bytes(pictures(document)[0])

    assert scanned(page) == payment_code(document)


def test_a_reader_finds_names_amounts_and_symbols_as_text(typesetter: Typesetter) -> None:
    said = text_of(typesetter.pdf(FOUR))

    for part in ("Faktura 2600000123", "Božena Němcová", "Wi-Fi router Mikrotik hAP ax²", "HD208YT3XQ9", "3 617,00 Kč"):
        assert part in said
    for part in ("19-2000145399/0800", "CZ65 0800 0000 1920 0014 5399", "2 948,76", "619,24", "Sazba DPH"):
        assert part in said


def test_an_english_one_and_a_credit_note_say_so(typesetter: Typesetter) -> None:
    assert "Invoice 2600000123 tax document" in text_of(typesetter.pdf(invoice(language="en")))
    assert "Dobropis 6600000007 opravný daňový doklad" in text_of(typesetter.pdf(credit_note()))


def test_few_lines_make_one_page_and_many_flow_on_with_numbers(typesetter: Typesetter) -> None:
    assert len(read(typesetter.pdf(FOUR)).pages) == 1
    many = read(typesetter.pdf(of_many_lines(40)))

    assert len(many.pages) == 3
    assert "2600000123 · strana 3 / 3" in many.pages[2].extract_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "Položka" in many.pages[1].extract_text()


@pytest.mark.parametrize("lines", [10, 11, 12, 13, 14, 15])
def test_sums_never_stand_on_a_page_without_a_line(typesetter: Typesetter, lines: int) -> None:
    last = read(typesetter.pdf(of_many_lines(lines))).pages[-1].extract_text()

    assert "Základ daně" in last
    assert last.count("Internet Firma") >= 2


def test_every_letter_of_czech_and_its_neighbours_is_in_our_own_fonts(typesetter: Typesetter) -> None:
    letters = "ěščřžýáíéúůťďňó ĚŠČŘŽÝÁÍÉÚŮŤĎŇÓ ľĺŕô łżźćęą őű äöüß Олена Nguyễn"
    pdf = typesetter.pdf(invoice(buyer=replace(BUYER, name=letters)))

    assert letters in text_of(pdf)
    assert fonts_of(pdf) == {"Inter-Regular", "Inter-SemiBold"}


def fonts_of(pdf: bytes) -> set[str]:
    """The embedded fonts, without the six letters that mark a subset."""
    found = set()
    for page in read(pdf).pages:
        for font in page["/Resources"]["/Font"].values():
            found.add(str(font.get_object()["/BaseFont"]).partition("+")[2].removesuffix("-Identity-H"))
    return found


def test_it_is_an_archive_file_that_carries_its_isdoc(typesetter: Typesetter) -> None:
    pdf = read(typesetter.pdf(FOUR))

    assert dict(pdf.attachments) == {"2600000123.isdoc": [isdoc(FOUR)]}
    assert etree.fromstring(pdf.attachments["2600000123.isdoc"][0]).get("version") == "6.0.2"
    assert b"<pdfaid:part>3</pdfaid:part>" in typesetter.pdf(FOUR)


def test_a_letter_that_no_font_has_still_makes_a_document(typesetter: Typesetter) -> None:
    pdf = typesetter.pdf(invoice(buyer=replace(BUYER, name="王小明 😀")))

    assert "599,00 Kč" in text_of(pdf)


def test_its_own_data_are_the_documents_and_not_the_clocks(typesetter: Typesetter) -> None:
    told = read(typesetter.pdf(FOUR)).metadata

    assert told is not None
    assert (told.title, told.author) == ("Faktura 2600000123", "Údolní síť s.r.o.")
    assert told.creation_date == datetime(2026, 11, 1, tzinfo=UTC)


def test_the_same_document_is_the_same_bytes_from_whichever_worker(typesetter: Typesetter) -> None:
    assert typesetter.pdf(FOUR) == Typesetter(Look()).pdf(FOUR)


def test_text_is_never_read_as_markup(typesetter: Typesetter) -> None:
    nasty = '#panic("x") *bold* $x$ <label> @ref \\ `code` #{ 1/0 }'

    assert nasty in text_of(typesetter.pdf(invoice(buyer=replace(FIRM, name=nasty))))


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_isps_logo_stands_in_place_of_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"logo.{kind}"
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1" height="1" fill="#ff0000"/></svg>'
    path.write_bytes(RED_DOT if kind == "png" else svg.encode())
    with_logo = Typesetter(Look(logo=logo_svg(path))).pdf(invoice())

    assert (
        text_of(with_logo).count("Údolní síť s.r.o.")
        == text_of(Typesetter(Look()).pdf(invoice())).count("Údolní síť s.r.o.") - 1
    )


def test_a_name_without_a_space_stays_in_its_column(typesetter: Typesetter) -> None:
    long = "Nejneobhospodařovávatelnějšími" * 3

    said = text_of(typesetter.pdf(invoice(buyer=replace(BUYER, name=long))))

    assert long in said.replace("\u200b", "").replace(" ", "")


def test_the_isps_colour_is_on_the_page() -> None:
    assert pictures(invoice(), Look(colour="#aa0000"), 20) != pictures(invoice(), Look(), 20)


@pytest.mark.parametrize("data", [b"GIF89a", b"x" * 200_001, b"\x89PNG"], ids=["gif", "large", "cut"])
def test_what_is_no_logo_is_named(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "logo"
    path.write_bytes(data)

    with pytest.raises(SettingsError, match=r"\[portal\] logo"):
        logo_svg(path)
    with pytest.raises(SettingsError, match="can't be read"):
        logo_svg(tmp_path / "none")
    assert logo_svg(None) == ""


# ── who makes it ────────────────────────────────────────────────────────────────────────────────────────────────


def workers() -> Sequence[multiprocessing.process.BaseProcess]:
    return multiprocessing.active_children()


async def test_a_worker_makes_what_this_process_would(renderer: Renderer, typesetter: Typesetter) -> None:
    assert await renderer.pdf(FOUR) == typesetter.pdf(FOUR)
    assert len(workers()) == 1


async def test_closing_leaves_no_process_behind_and_the_next_document_starts_anew(renderer: Renderer) -> None:
    await renderer.pdf(invoice())
    await renderer.close()

    assert workers() == []
    assert (await renderer.pdf(invoice(number="2600000124"))).startswith(b"%PDF")


async def test_a_document_that_was_made_is_taken_from_the_disk(renderer: Renderer) -> None:
    first = await renderer.pdf(invoice())
    await renderer.close()

    assert await renderer.pdf(invoice()) == first
    assert workers() == []


async def test_another_content_or_another_look_is_made_anew(renderer: Renderer, cache: Cache) -> None:
    first = await renderer.pdf(invoice())

    assert await renderer.pdf(invoice(language="en")) != first
    async with Renderer(lambda: Look(colour="#aa0000"), cache, 1) as red:
        assert await red.pdf(invoice()) != first


async def test_a_killed_worker_is_replaced_and_nobody_notices(renderer: Renderer) -> None:
    await renderer.pdf(invoice())
    for worker in workers():
        worker.kill()
        worker.join()

    assert (await renderer.pdf(FOUR)).startswith(b"%PDF")


async def test_workers_that_always_die_are_one_clear_error(renderer: Renderer) -> None:
    async def keep_killing(task: asyncio.Task[bytes]) -> None:
        while not task.done():
            for worker in workers():
                worker.kill()
            await asyncio.sleep(0.01)

    task = asyncio.ensure_future(renderer.pdf(FOUR))
    await keep_killing(task)

    with pytest.raises(DocumentFailed, match="2600000123 can't be made: the process that makes it died 2 times"):
        await task
    assert (await renderer.pdf(FOUR)).startswith(b"%PDF")


async def test_a_broken_template_is_one_clear_error_that_names_its_place(tmp_path: Path, cache: Cache) -> None:
    broken = tmp_path / "document.typ"
    broken.write_text(TEMPLATE.read_text("utf-8") + "\n#page-data.nothing\n", "utf-8")

    async with Renderer(lambda: Look(template=broken), cache, 1) as renderer:
        with pytest.raises(DocumentFailed, match=r"2600000123 can't be made: .*nothing"):
            await renderer.pdf(invoice())


async def test_many_at_once_share_the_workers(cache: Cache) -> None:
    documents = [invoice(number=str(2600000200 + n)) for n in range(8)]
    async with Renderer(Look, cache, 2) as renderer:
        made = await asyncio.gather(*(renderer.pdf(document) for document in documents))
        count = len(workers())

    assert [document.number in text_of(pdf) for document, pdf in zip(documents, made, strict=True)] == [True] * 8
    assert count == 2


async def test_the_settings_say_where_and_how(tmp_path: Path) -> None:
    settings = parse(f'[documents]\ndirectory = "{tmp_path}/kept"\nprocesses = 1')
    async with Renderer.of(settings) as renderer:
        pdf = await renderer.pdf(invoice())

    assert [path.read_bytes() for path in (tmp_path / "kept").rglob("*.pdf")] == [pdf]
    assert Settings().documents.cache_megabytes == 500
