"""Real processes killed, paused and cut off under a running load, and an account of every event and every mail."""
