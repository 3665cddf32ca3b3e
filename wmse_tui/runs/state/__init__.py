"""What is made of a log: the state of one run, its series, curves and verdict."""
