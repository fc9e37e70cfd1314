"""The barest client, for tests of the simulator: sends sentences, reads sentences, understands nothing."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.routeros.simulator import PASSWORD, USER, Simulator
from tests.routeros.wire import Decoder, encode

Words = list[str]


class Talker:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._decoder = Decoder()
        self._sentences: deque[list[bytes]] = deque()

    async def say(self, *words: str) -> None:
        """Sends a sentence."""
        self.writer.write(encode(word.encode() for word in words))
        await self.writer.drain()

    async def hear(self) -> Words:
        """The next sentence; empty when the connection has ended."""
        while not self._sentences:
            data = await self.reader.read(65_536)
            if not data:
                return []
            self._sentences.extend(self._decoder.feed(data))
        return [word.decode("utf-8", "backslashreplace") for word in self._sentences.popleft()]

    async def ask(self, *words: str) -> list[Words]:
        """Sends a sentence and returns the answer up to `!done`, or to the end of the connection."""
        await self.say(*words)
        answer: list[Words] = []
        while not answer or answer[-1][:1] not in ([], ["!done"]):
            answer.append(await self.hear())
        return answer

    async def log_in(self, user: str = USER, password: str = PASSWORD) -> list[Words]:
        return await self.ask("/login", f"=name={user}", f"=password={password}")


@asynccontextmanager
async def dialled(host: str, port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Talker]:
    """A connection to any router, not logged in."""
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        yield Talker(reader, writer)
    finally:
        writer.close()


@asynccontextmanager
async def talking(router: Simulator, *, is_logged_in: bool = True) -> AsyncIterator[Talker]:
    """A connection to the simulated router, logged in."""
    async with dialled("127.0.0.1", router.port) as talker:
        if is_logged_in:
            await talker.log_in()
        yield talker
