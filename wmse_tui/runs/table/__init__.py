"""Many runs: their index, comparison, the table of the paper, export."""
