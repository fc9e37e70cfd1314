"""One connection to the router: login, tags, `/cancel`, `listen`, `/quit`, and back-pressure."""

import asyncio
import hashlib
import secrets
import socket
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from tests.routeros import faults
from tests.routeros.commands import DONE, Command, Sentence, done_with, parsed, row_words, trap_sentences
from tests.routeros.queries import compiled
from tests.routeros.refusal import Refused, no_permission, no_such_item
from tests.routeros.tables import Listener, Row, Table
from tests.routeros.wire import Decoder, WireError, encode

if TYPE_CHECKING:
    from tests.routeros.simulator import Simulator

BEFORE_LOGIN_MAX_BYTES = 16_384
BEFORE_LOGIN_MAX_SENTENCES = 32
CHUNK_BYTES = 65_536
BUFFERED_MAX_BYTES = 256 * 1024
"""When so much waits to be sent, nothing more is read."""
WRONG_LOGIN = "invalid user name or password (6)"
NOT_LOGGED_IN = "not logged in"
INTERRUPTED = Refused("interrupted", 2)


@dataclass(slots=True)
class _Answer:
    tag: bytes | None
    sentences: Iterator[Sentence]


class Session(asyncio.Protocol):
    """One client."""

    def __init__(self, router: "Simulator", service: str) -> None:
        self.router = router
        self.service = service
        """`api` or `api-ssl`."""
        self.user = ""
        self._decoder = Decoder(BEFORE_LOGIN_MAX_BYTES)
        self._sentences_before_login = 0
        self._challenge = b""
        self._unread: deque[list[bytes]] = deque()
        """Sentences that came in one piece with others, and wait until what was answered to those is taken."""
        self._answers: list[_Answer] = []
        self._listening: dict[bytes | None, tuple[Table, Listener]] = {}
        self.is_paused = self._is_dead = self._is_closing = False

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=BUFFERED_MAX_BYTES)
        if not self.router.has_room(self.service):
            self._transport.close()
            return
        self.router.sessions.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._is_dead = True
        self.router.sessions.discard(self)
        self.router.arrivals.forget(self)
        for table, listener in self._listening.values():
            table.listeners.discard(listener)

    def pause_writing(self) -> None:
        self.is_paused = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.is_paused = False
        if not self._is_dead:
            self._transport.resume_reading()
            self._pump()
            self._take()

    def data_received(self, data: bytes) -> None:
        if self._is_dead or self._is_closing:
            return
        try:
            self._unread.extend(self._decoder.feed(data))
        except WireError as error:
            self._fatal(str(error))
        self._take()

    # Commands

    def _take(self) -> None:
        """Takes what was received, as long as the client takes the answers."""
        while self._unread and not self.is_paused and not self._is_dead and not self._is_closing:
            self._receive(self._unread.popleft())

    def _receive(self, words: list[bytes]) -> None:
        command = parsed(words, self.user)
        if command.path == "/cancel" and self.user:  # overtakes what still waits
            self._cancel(command)
            return
        self.router.arrivals.arrive(command, lambda: self._meet(command), self)

    def _meet(self, command: Command) -> None:
        """The command's turn has come."""
        if self._is_dead or self._is_closing:
            return
        self.router.note(command)
        fault = self.router.faults.due(command)
        if isinstance(fault, faults.Meanwhile):
            fault.act(self.router)
            fault = None
        if fault is None:
            self._carry_out(command)
        else:
            self._suffer(fault, command)

    def _carry_out(self, command: Command) -> None:
        try:
            sentences: Iterable[Sentence] = self._answer_to(command)
        except Refused as refused:
            sentences = trap_sentences(refused)
        self._send(command.tag, sentences)

    def _answer_to(self, command: Command) -> Iterable[Sentence]:
        """Does it; raises `Refused`."""
        if command.path == "/login":
            return self._log_in(command)
        if command.path == "/quit":
            self._fatal("session terminated on request")
            return []
        if not self.user:
            self._count_before_login()
            self._fatal(NOT_LOGGED_IN)
            return []
        if command.name == "listen":
            return self._listen(command)
        return self.router.run(command, self.router.policies_of(self.user))

    # Logging in

    def _log_in(self, command: Command) -> Iterable[Sentence]:
        self._count_before_login()
        given = command.arguments
        if "name" not in given and self.router.profile.has_challenge:
            self._challenge = secrets.token_bytes(16)
            return done_with(self._challenge.hex())
        if not self._is_right(given):
            raise Refused(WRONG_LOGIN)
        self.user = given["name"]
        self._decoder.sentence_max_bytes = Decoder().sentence_max_bytes
        return [DONE]

    def _is_right(self, given: Mapping[str, str]) -> bool:
        name = given.get("name", "")
        password = self.router.password_of(name)
        if password is None or "api" not in self.router.policies_of(name):
            return False
        if "password" in given:
            return given["password"] == password
        answer = hashlib.md5(b"\0" + password.encode() + self._challenge).hexdigest()
        is_asked, self._challenge = bool(self._challenge), b""
        return is_asked and given.get("response") == f"00{answer}"

    def _count_before_login(self) -> None:
        if not self.user:
            self._sentences_before_login += 1
            if self._sentences_before_login > BEFORE_LOGIN_MAX_SENTENCES:
                self._fatal("too many commands before login")

    # Listening

    def _listen(self, command: Command) -> Iterable[Sentence]:
        """Endless: a row for every change, `=.dead=true` when one goes; with a query, deletions are not told."""
        if "read" not in self.router.policies_of(self.user):
            raise no_permission()
        table = self.router.table_of(command)
        matches = compiled(command.queries)
        proplist = command.arguments.get(".proplist", "")

        def tell(row: Row, is_gone: bool) -> None:
            printed = table.printed(row)
            if is_gone and not command.queries:
                self._send(command.tag, [(b"!re", [b"=.id=" + row.id.encode(), b"=.dead=true"])])
            elif not is_gone and matches(printed):
                self._send(command.tag, [(b"!re", row_words(printed, proplist))])

        table.listeners.add(tell)
        self._listening[command.tag] = (table, tell)
        return []

    def _cancel(self, command: Command) -> None:
        self.router.note(command)
        tag = command.arguments["tag"].encode() if "tag" in command.arguments else None
        running = {answer.tag for answer in self._answers} | self._listening.keys()
        for each in sorted(running, key=str) if tag is None else [tag]:
            if self._stop(each):
                self._send(each, trap_sentences(INTERRUPTED))
        self._send(command.tag, [DONE])

    def _stop(self, tag: bytes | None) -> bool:
        """Ends whatever runs under a tag; whether something did."""
        table, listener = self._listening.pop(tag, (None, None))
        if table is not None and listener is not None:
            table.listeners.discard(listener)
        left = [answer for answer in self._answers if answer.tag != tag]
        was_answering = len(left) < len(self._answers)
        self._answers = left
        was_waiting = self.router.arrivals.forget(self, tag)
        return table is not None or was_answering or was_waiting

    # Faults

    def _suffer(self, fault: faults.Fault, command: Command) -> None:
        match fault:
            case faults.Trap(message, category):
                self._send(command.tag, trap_sentences(Refused(message, category)))
            case faults.TwoTraps(message):
                self._send(command.tag, [*trap_sentences(INTERRUPTED)[:1], *trap_sentences(Refused(message))])
            case faults.Fatal(reason):
                self._fatal(reason)
            case faults.Halfway():
                self._half(command)
            case faults.Slow(seconds):
                self.router.arrivals.busy(seconds)
                loop = asyncio.get_running_loop()
                loop.call_later(seconds, self._carry_out, command)
            case faults.Reset(is_applied, sent_bytes):
                self._reset_after(self._bytes_of_answer(command) if is_applied else b"", sent_bytes)
            case faults.Stall(is_applied):
                self._bytes_of_answer(command) if is_applied else b""
                self._is_closing = True
                self._transport.pause_reading()
            case faults.Reboot(is_applied):
                self._bytes_of_answer(command) if is_applied else b""
                self.router.reboot()

    def _half(self, command: Command) -> None:
        table = self.router.tables.get(command.menu)
        ended = trap_sentences(no_such_item(is_volatile=table is not None and table.is_volatile))
        if command.name in ("print", "getall"):
            sentences = list(self._answer_to(command))
            self._send(command.tag, [*sentences[: len(sentences) // 2], *ended])
            return
        ids = command.arguments.get(".id", "").split(",")
        if first := ids[: len(ids) // 2]:
            self._bytes_of_answer(replace(command, arguments={**command.arguments, ".id": ",".join(first)}))
        self._send(command.tag, ended)

    def _bytes_of_answer(self, command: Command) -> bytes:
        """Carries it out, and keeps the answer."""
        try:
            sentences = list(self._answer_to(command))
        except Refused as refused:
            sentences = trap_sentences(refused)
        return b"".join(self._encoded(command.tag, sentence) for sentence in sentences)

    def _reset_after(self, answer: bytes, sent_bytes: int) -> None:
        self._is_closing = True
        if part := answer[:sent_bytes]:
            self._transport.write(part)
            asyncio.get_running_loop().call_later(0.02, self.reset)
        else:
            self.reset()

    def reset(self) -> None:
        """Ends the connection as a router does that lost its power: no goodbye."""
        raw = self._transport.get_extra_info("socket")
        if raw is not None and not self._is_dead:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    # Answering

    def _fatal(self, reason: str) -> None:
        """A bare word, then the connection is closed."""
        if self._is_closing:
            return
        self._flush()
        self._is_closing = True
        self._transport.write(encode([b"!fatal", reason.encode()]))
        self._transport.close()

    def _send(self, tag: bytes | None, sentences: Iterable[Sentence]) -> None:
        if not self._is_dead and not self._is_closing:
            self._answers.append(_Answer(tag, iter(sentences)))
            self._pump()

    def _pump(self) -> None:
        """Sends until everything is sent, or the client doesn't read."""
        if self.router.faults.shuffles_answers:
            asyncio.get_running_loop().call_soon(self._pump_shuffled)
            return
        while self._answers and not self.is_paused and not self._is_dead:
            answer = self._answers[0]
            chunk, is_finished = self._chunk(answer, CHUNK_BYTES)
            if is_finished:
                self._answers.remove(answer)
            self._transport.write(chunk)

    def _pump_shuffled(self) -> None:
        """One sentence at a time, of any tag; what has the same tag keeps its order."""
        while self._answers and not self.is_paused and not self._is_dead and not self._is_closing:
            first_of_tag = {answer.tag: answer for answer in reversed(self._answers)}
            answer = self.router.faults.random.choice(list(first_of_tag.values()))
            chunk, is_finished = self._chunk(answer, 1)
            if is_finished:
                self._answers.remove(answer)
            self._transport.write(chunk)

    def _flush(self) -> None:
        for answer in self._answers:
            self._transport.write(b"".join(self._encoded(answer.tag, sentence) for sentence in answer.sentences))
        self._answers.clear()

    def _chunk(self, answer: _Answer, enough_bytes: int) -> tuple[bytes, bool]:
        """The next sentences, and whether they were the last ones."""
        parts: list[bytes] = []
        size = 0
        for sentence in answer.sentences:
            parts.append(self._encoded(answer.tag, sentence))
            size += len(parts[-1])
            if size >= enough_bytes:
                return b"".join(parts), False
        return b"".join(parts), True

    def _encoded(self, tag: bytes | None, sentence: Sentence) -> bytes:
        reply, words = sentence
        if tag is None:
            return encode([reply, *words])
        tag_word = b".tag=" + tag
        return encode([reply, *words, tag_word] if self.router.profile.tag_is_last else [reply, tag_word, *words])
