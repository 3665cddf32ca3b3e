"""Runs on the disk: directories, event logs, the state reduced from them, processes, the queue, tables."""
