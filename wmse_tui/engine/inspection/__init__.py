"""The inspector: what a configuration costs and what its views look like, told before anything is trained."""
