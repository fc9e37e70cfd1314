"""Mails to subscribers: what a letter says (`letter.py`), how it is laid out (`layout.py`, `templates/`), and the
check of an admin's own templates (`checking.py`). Every room composes its own letters."""
