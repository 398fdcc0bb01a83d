"""One training step, by us and by others: each a process that takes steps when asked to."""
