"""Money that came: statements, matching, the double-entry ledger."""
