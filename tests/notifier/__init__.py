"""The notifier: letters, SMTP, deliveries, the sweep, and the process as a whole."""
