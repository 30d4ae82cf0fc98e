"""The generator: a store brought to its starting state, put under load, measured."""
