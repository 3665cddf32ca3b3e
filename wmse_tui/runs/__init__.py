"""What a run leaves: its directory, its log and the picture folded from it, and who is alive in it."""
