"""Stores: engines opened in one mode at one durability."""

from server.stores.store import Store, Stores

__all__ = ["Store", "Stores"]
