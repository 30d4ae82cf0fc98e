"""Figures for people: in the terminal, as HTML, as JSON."""
