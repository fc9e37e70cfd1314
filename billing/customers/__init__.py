"""Customers, their contracts, contacts and passwords."""
