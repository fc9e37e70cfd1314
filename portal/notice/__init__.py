"""The plain-HTTP notice server: who asks is the source address, no cookie, no login."""
