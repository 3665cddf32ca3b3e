"""Text for people: units, messages, sanitising."""
