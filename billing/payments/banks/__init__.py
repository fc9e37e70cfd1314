"""Bank files: bytes in, a statement out, or `StatementRejected`."""
