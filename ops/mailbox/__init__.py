"""A mail catcher: takes every e-mail over SMTP, delivers none, and shows them on a page and as JSON."""
