"""Forms that are made from the schema."""
