"""Figures for people: in a terminal, and as one HTML file."""
