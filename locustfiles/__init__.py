"""One scenario, one small file: the question it asks, its parameters, its users."""
