"""The sections of an experiment, one class or union per file."""
