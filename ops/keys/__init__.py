"""`portico keys`: keys that change while everything runs."""
