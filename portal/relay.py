"""A protocol in front of another one: what the transport says about writing goes on to who writes."""

import asyncio


class Relay(asyncio.Protocol):
    """Until there is an inner protocol, nobody writes."""

    __slots__ = ("_inner",)

    def __init__(self) -> None:
        self._inner: asyncio.Protocol | None = None

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()
