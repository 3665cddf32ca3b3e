"""Rows made by hand."""

from run_rows import row

__all__ = ["row"]
