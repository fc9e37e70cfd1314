"""How many invoices a second become PDF, on all cores, and whether memory stays flat.

Beside it, in the same run: a plain loop of one typst compiler over ready-made inputs, which is what typst itself can
do on one core. Both figures are of processor time, too, so that a busy machine tells the same. All is measured by a
process of its own: what its workers used would else be mixed up with other benchmarks' children.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import typst

from benchmarks.table import Row
from billing.invoicing.documents.cache import Cache
from billing.invoicing.documents.document import Document, Line, Party, VatGroup
from billing.invoicing.documents.isdoc import isdoc
from billing.invoicing.documents.page import content
from billing.invoicing.documents.rendering import Renderer
from billing.invoicing.documents.typesetting import FONTS, TEMPLATE, Look
from billing.money import Money

DOCUMENTS = 600
PROCESSES = 2
AT_ONCE = 8
GOAL_PER_SECOND = 40
GROWTH_MAX = 1.1


def document(number: int) -> Document:
    """An invoice of one to four lines."""
    lines = tuple(
        Line(
            text=f"Internet Domácnost {100 * n}/{20 * n} Mb/s",
            quantity=1,
            unit_price=Money(599_00),
            total=Money(599_00),
            base=Money(495_04),
            vat=Money(103_96),
            vat_category="standard",
            vat_basis_points=2100,
            from_on=date(2026, 11, 1),
            until_on=date(2026, 11, 30),
        )
        for n in range(1, 2 + number % 4)
    )
    base, vat = (Money.total(amounts) for amounts in zip(*((line.base, line.vat) for line in lines), strict=True))
    return Document(
        kind="invoice",
        number=str(2_600_000_000 + number),
        contract_number=str(1000 + number),
        issued_on=date(2026, 11, 1),
        supplied_on=date(2026, 11, 1),
        due_on=date(2026, 11, 15),
        seller=Party("Údolní síť s.r.o.", "Nábřežní 7", "Týn nad Vltavou", "375 01", "CZ", "27082440", "CZ27082440"),
        buyer=Party(f"Božena Němcová {number}", "Ratibořice 1", "Česká Skalice", "552 03", number=str(number)),
        lines=lines,
        vat_groups=(VatGroup("standard", 2100, base, vat),),
        base=base,
        vat=vat,
        total=base + vat,
        currency="CZK",
        language="cs" if number % 5 else "en",
        iban="CZ6508000000192000145399",
        bic="GIBACZPX",
    )


async def _rendered(renderer: Renderer, documents: list[Document]) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(each: Document) -> None:
        async with room:
            await renderer.pdf(each)

    async with asyncio.TaskGroup() as tasks:
        for each in documents:
            tasks.create_task(one(each))


def _children_memory_mb() -> float:
    """Of the largest worker that ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _run(count: int) -> tuple[float, float, float]:
    """Seconds on the wall, seconds of the processor for each document, and the largest worker's megabytes."""
    with tempfile.TemporaryDirectory() as folder:
        before = _children_seconds()
        renderer = Renderer(Look, Cache(Path(folder), 500), PROCESSES)
        await _rendered(renderer, [document(-n) for n in range(1, AT_ONCE)])  # starts the workers
        began = time.perf_counter()
        await _rendered(renderer, [document(n) for n in range(count)])
        wall_seconds = time.perf_counter() - began
        await renderer.close()
        return wall_seconds, (_children_seconds() - before) / count, _children_memory_mb()


def _plain_seconds(count: int) -> float:
    """Of the processor, for one document, in a bare loop over one compiler."""
    inputs = [
        {
            "page": json.dumps(content(each)),
            "isdoc": isdoc(each).decode(),
            "logo": "",
            "colour": "#0b4f8a",
        }
        for each in map(document, range(count))
    ]
    compiler = typst.Compiler(
        input=str(TEMPLATE), root=str(TEMPLATE.parent), font_paths=[str(FONTS)], ignore_system_fonts=True
    )
    compiler.compile(format="pdf", sys_inputs=inputs[0], timestamp=0)
    began = time.process_time()
    for each in inputs:
        compiler.compile(format="pdf", sys_inputs=each, pdf_standards="a-3a", timestamp=0)
    return (time.process_time() - began) / count


def _measured(count: int) -> dict[str, float]:
    """In the process of its own."""
    few_mb = asyncio.run(_run(count // 4))[2]
    wall_seconds, cpu_seconds, many_mb = asyncio.run(_run(count))
    return {
        "per_second": count / wall_seconds,
        "cpu_seconds": cpu_seconds,
        "plain_seconds": _plain_seconds(count // 4),
        "few_mb": few_mb,
        "many_mb": many_mb,
    }


def run(scale: float = 1.0) -> list[Row]:
    count = max(8, int(DOCUMENTS * scale))
    command = [sys.executable, "-m", "benchmarks.documents", str(count)]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    cpu_seconds, plain_seconds, per_second = told["cpu_seconds"], told["plain_seconds"], told["per_second"]
    few_mb, many_mb = told["few_mb"], told["many_mb"]
    growth = many_mb / few_mb
    cores = min(PROCESSES, os.cpu_count() or 1)
    return [
        Row(
            f"PDF invoices with ISDOC inside, {cores} cores",
            per_second,
            "/s",
            goal=f"≥ {GOAL_PER_SECOND} /s",
            is_met=per_second >= GOAL_PER_SECOND,
        ),
        Row(
            "… processor time of each",
            cpu_seconds * 1000,
            "ms",
            beside=f"a bare typst loop: {plain_seconds * 1000:.3g} ms",
            ratio=cpu_seconds / plain_seconds,
        ),
        Row(
            f"… memory of a worker after {count // PROCESSES}",
            many_mb,
            "MB",
            beside=f"after a quarter of them: {few_mb:.3g} MB",
            ratio=growth,
            goal=f"≤ {GROWTH_MAX:g}",
            is_met=growth <= GROWTH_MAX,
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(_measured(int(sys.argv[1]))))
