"""Pure functions of parameters, gradients and activations."""
