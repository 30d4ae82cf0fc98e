"""One file, one database server and the ways to get it."""
