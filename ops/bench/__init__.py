"""`make bench`: what the pipeline and the audit store do, beside what this machine could do in the same run."""
