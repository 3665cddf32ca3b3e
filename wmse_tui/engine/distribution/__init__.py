"""Training by several processes, the ranks, with the result of one."""
