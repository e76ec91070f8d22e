"""Imports: rosters of clients from another system's export."""
