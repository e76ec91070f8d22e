"""`portico status`: one look at the pipeline, for people and for scripts."""
