"""The queue of credential e-mails: store, SQL, sealing of secrets."""
