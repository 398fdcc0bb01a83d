"""Programs compiled for TPUs and GPUs on a machine that has neither."""
