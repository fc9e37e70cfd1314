"""The database: sessions, migrations, the audit journal, the mail outbox."""
