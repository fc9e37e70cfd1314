"""Passwords are kept as Argon2id hashes, never as they are."""

import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from config.i18n import N_

# OWASP's first choice: 19 MiB, two passes, one lane; so a login costs some 20 ms, and many at once no gigabytes.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
LENGTH_MIN, LENGTH_MAX = 10, 200
DIFFERENT_MIN = 5
_READABLE = "0123456789abcdefghjkmnpqrstuvwxyz"
"""Without i, l and o."""
_MADE_LENGTH = 12
_COMMON = frozenset(("1234567890", "0123456789", "qwertyuiop", "password12", "password123", "heslo12345", "1q2w3e4r5t"))
# Verified for a customer who does not exist, so that the answer takes as long as for one who does.
_NOBODYS = _HASHER.hash(secrets.token_urlsafe(16))


def hash_password(password: str) -> str:
    """Takes its time: call it in a thread and outside of transactions."""
    return _HASHER.hash(password)


def verify_password(password: str, password_hash: str) -> bool:
    """Whether it is the password of that hash; without a hash (nobody, or no password yet) it takes as long.

    Takes its time: call it in a thread and outside of transactions.
    """
    try:
        return _HASHER.verify(password_hash or _NOBODYS, password) and bool(password_hash)
    except (VerificationError, InvalidHashError):
        return False


def password_problem(password: str) -> str:
    """Why this can't be a new password, as a message id; empty when it can (ASVS 5.0, 6.2)."""
    if len(password) < LENGTH_MIN:
        return N_("The password needs at least 10 characters.")
    if len(password) > LENGTH_MAX:
        return N_("The password may have at most 200 characters.")
    if len(set(password)) < DIFFERENT_MIN or password.lower() in _COMMON:
        return N_("This password is too easy to guess.")
    return ""


def made_password() -> str:
    """A password that a person reads from paper or hears on the telephone."""
    return "".join(secrets.choice(_READABLE) for _ in range(_MADE_LENGTH))


def new_token() -> str:
    """A secret of 256 bits for a session or a link; only its hash is kept."""
    return secrets.token_urlsafe(32)


def token_sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
