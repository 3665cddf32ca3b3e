"""How a run learns what it would cost: dry runs, timed steps, memory, decoded images."""
