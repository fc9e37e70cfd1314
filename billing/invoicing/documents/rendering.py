"""PDFs, made by worker processes, so that the event loop never waits for one, and kept on disk.

Workers start with the first PDF and end with `close`, or with their parent. A worker that dies (killed, out of
memory) takes its pool with it: the pool is made anew and the document tried once more; then it is an error.
"""

import asyncio
import hashlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from billing.invoicing.documents.cache import Cache
from billing.invoicing.documents.document import Document
from billing.invoicing.documents.logo import logo_svg
from billing.invoicing.documents.typesetting import Look, begin, typeset
from config.errors import DocumentFailed
from config.i18n import LANGUAGES, catalogue_path
from config.settings import Settings

_TRIES = 2


class Renderer:
    """Makes PDFs; one for a program, shared by its tasks. Costs nothing until the first one."""

    def __init__(self, look: Callable[[], Look], cache: Cache, processes: int) -> None:
        self._read_look = look
        self._cache = cache
        self._processes = processes
        self._made_of: tuple[Look, bytes] | None = None
        self._pool: ProcessPoolExecutor | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings say. The logo is read with the first PDF: a wrong one stops invoices, not the program."""
        documents, portal = settings.documents, settings.portal
        return cls(
            lambda: Look(logo=logo_svg(portal.logo), colour=portal.colour),
            Cache(documents.directory, documents.cache_megabytes),
            documents.processes,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def pdf(self, document: Document) -> bytes:
        """The PDF of a document, the same to the byte whenever it is made.

        Raises `DocumentFailed`, and `SettingsError` when the logo can't be used.
        """
        if self._made_of is None:
            look = self._read_look()
            self._made_of = look, _makings(look)
        look, makings = self._made_of
        key = hashlib.sha256(makings + repr(document).encode("utf-8", "surrogatepass")).hexdigest()
        cached = await asyncio.to_thread(self._cache.get, key)
        if cached is not None:
            return cached
        made = await self._made(document, look)
        await asyncio.to_thread(self._cache.put, key, made)
        return made

    async def close(self) -> None:
        """Ends the workers, each after the document that it is at; the next PDF starts new ones."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    async def _made(self, document: Document, look: Look) -> bytes:
        for _ in range(_TRIES):
            pool = self._open_pool(look)
            try:
                return await asyncio.get_running_loop().run_in_executor(pool, typeset, document)
            except BrokenProcessPool:
                if self._pool is pool:  # another task may have made a new one already
                    self._pool = None
                pool.shutdown(wait=False)
            except ValueError as error:
                raise DocumentFailed(f"The PDF of {document.number} can't be made: {error}") from error
        raise DocumentFailed(
            f"The PDF of {document.number} can't be made: the process that makes it died {_TRIES} times.",
            "See the system's log for who ended it; mostly memory is short.",
        )

    def _open_pool(self, look: Look) -> ProcessPoolExecutor:
        if self._pool is None:
            # spawn: this process has threads and an event loop, which a fork would copy half
            self._pool = ProcessPoolExecutor(
                self._processes, multiprocessing.get_context("spawn"), initializer=begin, initargs=(look,)
            )
        return self._pool


def _makings(look: Look) -> bytes:
    """What a PDF is made of besides its document: when any of it changes, nothing cached is the same any more."""
    files = [path for path in sorted(Path(__file__).parent.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    files += [look.template, *(path for language in LANGUAGES if (path := catalogue_path(language)).exists())]
    made_of = hashlib.sha256(f"{look.colour}\n{look.logo}\n{version('typst')}".encode())
    for path in files:
        made_of.update(path.read_bytes())
    return made_of.digest()
