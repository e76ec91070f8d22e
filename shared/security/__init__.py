"""Passwords, tokens, and the rules that own passwords must meet."""
