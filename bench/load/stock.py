"""Records that a load generator knows: what was last written to each, and which are in doubt."""

from __future__ import annotations

from collections.abc import Callable

from bench.contract import Record


class Stock:
    """Records of nobody else. A request takes its record out, and puts back what became of it.

    So no two requests under way touch the same record, and every answer can be checked. A record
    whose write has no certain answer is in doubt: it holds either, and the next answer is believed.
    """

    __slots__ = ("_doubted", "records")

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        self._doubted: set[str] = set()

    def take(self, random: Callable[[], float]) -> Record:
        """Take one out, each as likely as any other; raises IndexError when none is left."""
        records = self.records
        place = int(random() * len(records))
        taken, records[place] = records[place], records[-1]
        records.pop()
        return taken

    def put(self, record: Record) -> None:
        """Put a record in, as it was last written."""
        self.records.append(record)

    def doubt(self, id: str) -> None:
        """Say that a record may hold something else than was last confirmed."""
        self._doubted.add(id)

    def trust(self, id: str) -> None:
        """Say that a record holds what is known of it, or is gone."""
        self._doubted.discard(id)

    def doubts(self, id: str) -> bool:
        """Whether a record is in doubt."""
        return bool(self._doubted) and id in self._doubted

    @property
    def settled(self) -> list[Record]:
        """The records that are not in doubt."""
        return [record for record in self.records if record.id not in self._doubted]
