"""Whether it is right: `make truth`."""
