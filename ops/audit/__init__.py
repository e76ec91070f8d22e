"""`portico audit`: look after the audit store."""
