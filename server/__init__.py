"""The Tornado application under test."""
