"""The event log of a run: events, their encoding, the writer and the readers of a growing log."""
