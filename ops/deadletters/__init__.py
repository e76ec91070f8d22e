"""`portico dead-letters`: decide about events that could not be stored."""
