"""Settings, clock, errors, log lines, languages: what every room may use, and imports nothing of ours."""
