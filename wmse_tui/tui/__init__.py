"""What a person sees: textual lives here and nowhere else."""
