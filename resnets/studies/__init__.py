"""Grids of runs: what a study asks, its manifest, and the engines that run it."""
