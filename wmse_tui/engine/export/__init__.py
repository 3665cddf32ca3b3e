"""Exports: a trained encoder, or its features, in the formats of other libraries."""
