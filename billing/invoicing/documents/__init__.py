"""Issued documents as people and programs read them: PDF and ISDOC, both made from one value (`document.py`)."""
