"""Measurements against what a user would pick instead; `launch.sh bench` runs them."""
