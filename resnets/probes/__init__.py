"""Experiments on trained networks: what happens to one that is cut, shifted or looked into."""
