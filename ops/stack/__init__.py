"""The local stack: real PostgreSQL, Valkey, mailbox and the four services as processes of this machine."""
