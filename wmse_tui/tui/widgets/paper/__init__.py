"""The parts of the Paper screen."""
