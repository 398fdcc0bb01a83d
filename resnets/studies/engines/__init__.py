"""Ways to run the rows of a manifest."""
