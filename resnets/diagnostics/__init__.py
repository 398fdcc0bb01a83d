"""Numbers that say how a network fares inside: gradients, updates, responses, additions, ReLUs.

All are pure functions of parameters, gradients and activations; docs/diagnostics.md has formulas.
"""
