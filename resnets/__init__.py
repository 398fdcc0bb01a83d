"""What depth buys and what it costs: classic convolutional networks in JAX."""

__version__ = "0.1.0"
