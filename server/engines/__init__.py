"""One file, one engine: a database through one driver, or one sync/async pair of a driver."""
