"""Pictures made of cells: curves, bars, maps, photographs."""
