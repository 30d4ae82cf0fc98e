"""Experiments whose outcome is known: `make truth` shows that what is reported is what was so."""
