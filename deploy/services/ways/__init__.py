"""The ways to get a program, a file each."""
