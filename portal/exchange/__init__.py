"""What a telephone exchange asks and sends over HTTP: may this call begin, and these calls have ended."""
