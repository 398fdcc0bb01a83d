"""From a config to a run directory: state, step, epoch, loop."""
