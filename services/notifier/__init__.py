"""The notifier: a Celery worker that hands credential e-mails over to a mail server."""
