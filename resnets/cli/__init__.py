"""The verbs of launch.sh, one small module each."""
