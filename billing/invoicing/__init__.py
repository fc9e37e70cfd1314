"""Invoices, and their import."""
