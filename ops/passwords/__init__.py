"""Lists of common and breached passwords."""
