"""Drawings made of cells: curves, bars, maps, images."""
