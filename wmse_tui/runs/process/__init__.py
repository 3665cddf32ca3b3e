"""Who trains a run: lock, process identity, launch, liveness, control requests."""
