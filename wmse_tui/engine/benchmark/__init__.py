"""How fast a recipe is on this machine, stage by stage, and the paper's way of doing it beside it."""
