"""Who takes part in a run: one server, or several variants, each with its stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.asked.discovery import discover
from bench.asked.plan import Offer, Variant
from bench.asked.targets import Foreign, Target

BASE, AGAINST = "base", "against"


@dataclass(frozen=True, slots=True)
class Server:
    """One of them: the variant that it stands for, where its load goes, its stores by id."""

    variant: Variant
    target: Target
    offers: Mapping[str, Offer]


@dataclass(frozen=True, slots=True)
class Lineup:
    """All of them, in the order in which they are told; a run without variants has one."""

    servers: tuple[Server, ...]

    @property
    def variants(self) -> tuple[Variant, ...]:
        """What a plan has to know of them."""
        return tuple(server.variant for server in self.servers)

    def __getitem__(self, name: str | None) -> Server:
        return next(server for server in self.servers if server.variant.name == name)

    def offers(self) -> list[Offer]:
        """Return the stores that can be measured: up at every server that takes them.

        A store that some server lacks is left out; one that is down anywhere is told from there.
        """
        seen = {key: offer for server in self.servers for key, offer in server.offers.items()}
        return [found for offer in seen.values() if (found := self._everywhere(offer))]

    def _everywhere(self, offer: Offer) -> Offer | None:
        takers = [server.offers for server in self.servers if server.variant.takes(offer)]
        if not takers or not all(offer.id in offers for offers in takers):
            return None
        found = [offers[offer.id] for offers in takers]
        return next((each for each in found if each.status != "up"), found[0])


def server(target: Target, offers: Sequence[Offer], variant: Variant | None = None) -> Server:
    """Return a server, the only one unless it is a variant."""
    return Server(variant or Variant(), target, {offer.id: offer for offer in offers})


def foreign(url: str, name: str | None = None) -> Server:
    """Return a server that runs at an address already; raises ServerDownError."""
    process, offers = discover(url)
    return server(Foreign(url, process), offers, Variant(name))
