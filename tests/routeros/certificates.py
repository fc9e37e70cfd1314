"""Certificates of a simulated router: a good one, and those that a client must refuse."""

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.clock import SystemClock

KINDS = ("good", "expired", "wrong-name", "unknown-ca", "none")
"""`none` is `api-ssl` without a certificate: anonymous Diffie-Hellman, which OpenSSL refuses by default."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Issuer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


class Authority:
    """A certificate authority of one test run, its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._issuer = _authority("Hradlo tests")
        self._stranger = _authority("Somebody else")
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self._issuer.certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, kind: str = "good", names: Sequence[str] = ("127.0.0.1", "localhost")) -> ssl.SSLContext:
        """A server's context with a certificate of one of `KINDS`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if kind == "none":
            return context
        chosen = ("192.0.2.1", "another.example") if kind == "wrong-name" else names
        issuer = self._stranger if kind == "unknown-ca" else self._issuer
        path = self.folder / f"{kind}.pem"
        path.write_bytes(_issued(issuer, chosen, is_expired=kind == "expired"))
        context.load_cert_chain(path)
        return context


def _authority(name: str) -> _Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = _builder(subject, subject, key, is_expired=False)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return _Issuer(builder.add_extension(usage, critical=True).sign(key, hashes.SHA256()), key)


def _issued(issuer: _Issuer, names: Sequence[str], *, is_expired: bool) -> bytes:
    """A router's certificate and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    builder = _builder(subject, issuer.certificate.subject, key, is_expired=is_expired)
    builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    known = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    certificate = builder.add_extension(known, critical=False).sign(issuer.key, hashes.SHA256())
    private = serialization.PrivateFormat.PKCS8
    plain = key.private_bytes(serialization.Encoding.PEM, private, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM) + plain


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_expired: bool
) -> x509.CertificateBuilder:
    begins_at = SystemClock().now() - 3 * _DAY
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins_at)
        .not_valid_after(begins_at + (_DAY if is_expired else 30 * _DAY))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
