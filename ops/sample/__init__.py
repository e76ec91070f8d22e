"""Sample data for demonstrations: three agencies, their staff, about two thousand clients."""

from ops.sample.loading import load

__all__ = ["load"]
