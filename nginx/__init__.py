"""The split: from a file for people to a configuration that serves."""
