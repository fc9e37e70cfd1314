"""Passwords are kept as Argon2id hashes, never as they are."""

from argon2 import PasswordHasher

# OWASP's first choice: 19 MiB, two passes, one lane; so a login costs some 20 ms, and many at once no gigabytes.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def hash_password(password: str) -> str:
    """Takes its time: call it in a thread and outside of transactions."""
    return _HASHER.hash(password)
