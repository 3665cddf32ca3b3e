"""The list of runs, a row a run, and what stands around it."""
