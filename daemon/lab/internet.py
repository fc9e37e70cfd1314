"""The lab's internet: a web site on ports 80 and 443, an endless download, and a UDP echo.

Runs in a namespace of its own: ``python -m daemon.lab.internet FOLDER`` (the folder gets a certificate).
"""

import asyncio
import ssl
import sys
from datetime import timedelta
from pathlib import Path
from typing import cast

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.clock import SystemClock

ECHO_PORT = 9000
CHUNK = b"x" * 16_384
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>The internet</title>
<h1>The internet</h1><p id="where">{scheme}://{host}{path}</p></html>"""


async def page(request: web.Request) -> web.Response:
    """Any page: says where it is."""
    text = PAGE.format(scheme=request.scheme, host=request.host, path=request.path)
    return web.Response(text=text, content_type="text/html")


async def endless(request: web.Request) -> web.StreamResponse:
    """A download that never ends by itself."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(CHUNK)
        await asyncio.sleep(0.005)


class Echo(asyncio.DatagramProtocol):
    """Sends every datagram back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._transport.sendto(data, address)


async def serve(folder: Path) -> None:
    """Serves on every address of this namespace until the process is ended."""
    app = web.Application()
    app.router.add_get("/endless", endless)
    app.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    for host in ("0.0.0.0", "::"):
        await web.TCPSite(runner, host, 80).start()
        await web.TCPSite(runner, host, 443, ssl_context=_tls(folder)).start()
    await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=("::", ECHO_PORT))  # IPv4, too
    (folder / "internet-is-up").touch()
    await asyncio.Event().wait()


def _tls(folder: Path) -> ssl.SSLContext:
    certificate, key = make_certificate(folder, "internet")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key, as files in `folder`; made once."""
    certificate_path, key_path = folder / f"{name}.crt", folder / f"{name}.key"
    if certificate_path.exists():
        return certificate_path, key_path
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name}.example")])
    now = SystemClock().now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{name}.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    private = serialization.PrivateFormat.PKCS8
    key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, plain))
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_path, key_path


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
