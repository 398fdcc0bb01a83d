"""Measurements of this machine: networks, kernels and the rates of single operations."""
