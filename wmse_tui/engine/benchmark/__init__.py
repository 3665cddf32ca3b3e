"""Times of the stages of a recipe on this machine, beside those of the paper's implementation."""
