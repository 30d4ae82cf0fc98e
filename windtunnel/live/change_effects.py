"""What a change of the split did to the load that goes on, worked out beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from windtunnel.live.before_after import LEAST, EffectQuestion, Sides, Spans, spans
from windtunnel.live.load_controller import LoadController
from windtunnel.live.split_control import ModuleError, beside
from windtunnel.live.window import RollingWindow
from windtunnel.recording.recorder import NO_POOL

STEP: Final = 1.1
"""It is worked out again once there is so much more of it."""

GROUPS: Final = {"kinds": "requests: {}", "pools": "pool {}"}
"""What is compared, and what it is called."""

History = Sequence[Mapping[str, Any]]


class ChangeEffects:
    """Compares the seconds before a change with those after it, and remembers what it found."""

    def __init__(self, recent: RollingWindow, helm: Callable[[], LoadController | None]) -> None:
        self._recent = recent
        self._helm = helm
        self._found: dict[int, dict[str, Any]] = {}

    def of(self, number: int, history: History) -> dict[str, Any]:
        """Compare before and after a change; raises LookupError where that cannot be."""
        change = next((one for one in history if one["number"] == number), None)
        if change is None:
            raise LookupError(f"there is no change {number}")
        if change["clean_at"] is None:
            raise LookupError("It was interrupted: nobody knows when nothing of the old was left.")
        kept = self._recent.seconds()
        if not kept or kept[0] > change["began_at"]:
            raise LookupError("Nothing of the load before this change is kept.")
        others = [one for one in history if one is not change]
        compared = spans(change, self._borders(others), kept[0], kept[-1])
        if not compared.after.seconds:
            raise LookupError("Nothing of the same load is kept from before and after this change.")
        known = self._found.get(number)
        if known and not _worth(known, compared):
            return known
        self._found[number] = found = self._asked(compared)
        return found

    def _borders(self, others: History) -> list[float]:
        """When the load became another one, and other changes began and were clean."""
        helm = self._helm()
        turned = [] if helm is None else list(helm.changed_at)
        return [*turned, *(one[at] for one in others for at in ("began_at", "clean_at") if one[at])]

    def _asked(self, compared: Spans) -> dict[str, Any]:
        recent, pools = self._recent, dict[str, Sides]()
        seconds = recent.seconds(compared.before.begin - 1)
        for kind, title in GROUPS.items():
            for name in recent.names(kind, seconds):
                if name != NO_POOL:
                    before, after = compared.before, compared.after
                    pools[title.format(name)] = (
                        recent.between(*before, name, kind),
                        recent.between(*after, name, kind),
                    )
        question = EffectQuestion(
            compared.before, compared.after, compared.ended, pools, self._failures(seconds)
        )
        try:
            answer = beside("windtunnel.live.before_after", msgspec.msgpack.encode(question))
        except ModuleError as error:
            raise LookupError(f"The comparison broke down: {error}") from error
        return dict(msgspec.json.decode(answer))

    def _failures(self, seconds: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Failures of each second, and requests in all: of every pool, and of those without one."""
        found = dict.fromkeys(seconds, (0, 0))
        for name in self._recent.names("pools", seconds):
            for at, point in zip(seconds, self._recent.line("pools", name, seconds), strict=True):
                if point is not None:
                    failed, number = found[at]
                    both = point.failures + int(point.rate)
                    found[at] = failed + point.failures, number + both
        return found


def _worth(known: Mapping[str, Any], compared: Spans) -> bool:
    """Whether there is so much more to compare than there was that it is worth the work."""
    if known["ended"] != compared.ended:
        return True
    before, now = int(known["seconds"]), compared.after.seconds
    return now > before if now <= LEAST else now >= before * STEP
