"""The effects of changes of the split, computed from the seconds before and after each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from windtunnel.live.before_after import MIN_SPAN_S, EffectQuestion, Sides
from windtunnel.live.child_process import ModuleError, run_module
from windtunnel.live.compared_spans import ComparedSpans, compared_spans
from windtunnel.live.load_controller import LoadController
from windtunnel.live.window import RollingWindow
from windtunnel.recording.recorder import NO_POOL

GROWTH: Final = 1.1
"""How much longer spans must be for an effect to be computed again."""

LABELS: Final = {"kinds": "requests: {}", "pools": "pool {}"}
"""The groupings that are compared, and what the page calls a name of each."""

History = Sequence[Mapping[str, Any]]


class ChangeEffects:
    """Compares the seconds before and after a change, and caches the result."""

    def __init__(
        self, window: RollingWindow, controller: Callable[[], LoadController | None]
    ) -> None:
        self._window = window
        self._controller = controller
        self._effects: dict[int, dict[str, Any]] = {}

    def effect(self, change_number: int, history: History) -> dict[str, Any]:
        """Return the effect of a change; raises LookupError, saying why, if there is none."""
        change = next((change for change in history if change["number"] == change_number), None)
        if change is None:
            raise LookupError(f"there is no change {change_number}")
        if change["clean_at"] is None:
            raise LookupError("It was interrupted: it is unknown when old workers had drained.")
        seconds = self._window.seconds()
        if not seconds or seconds[0] > change["began_at"]:
            raise LookupError("No figures of the load before this change are left.")
        borders = self._borders([other for other in history if other is not change])
        spans = compared_spans(change, borders, seconds[0], seconds[-1])
        if not spans.after.seconds:
            raise LookupError("No figures of the same load before and after this change are left.")
        effect = self._effects.get(change_number)
        if effect is None or _is_outdated(effect, spans):
            effect = self._effects[change_number] = self._compute(spans)
        return effect

    def _borders(self, others: History) -> list[float]:
        """Return when the load changed, and when other changes began and were complete."""
        controller = self._controller()
        load_changes = [] if controller is None else list(controller.changed_at)
        moments = [other[key] for other in others for key in ("began_at", "clean_at")]
        return [*load_changes, *(moment for moment in moments if moment)]

    def _compute(self, spans: ComparedSpans) -> dict[str, Any]:
        seconds = self._window.seconds(spans.before.begin - 1)
        question = EffectQuestion(spans, self._sides(spans, seconds), self._failures(seconds))
        try:
            answer = run_module("windtunnel.live.before_after", msgspec.msgpack.encode(question))
        except ModuleError as error:
            raise LookupError(f"The comparison failed: {error}") from error
        return dict(msgspec.json.decode(answer))

    def _sides(self, spans: ComparedSpans, seconds: Sequence[int]) -> dict[str, Sides]:
        window = self._window
        return {
            label.format(name): (
                window.between(*spans.before, name, grouping),
                window.between(*spans.after, name, grouping),
            )
            for grouping, label in LABELS.items()
            for name in window.names(grouping, seconds)
            if name != NO_POOL
        }

    def _failures(self, seconds: Sequence[int]) -> dict[int, tuple[int, int]]:
        """Return failures and all requests of each second, those without a pool included."""
        totals = dict.fromkeys(seconds, (0, 0))
        for name in self._window.names("pools", seconds):
            for at, point in zip(seconds, self._window.line("pools", name, seconds), strict=True):
                if point is not None:
                    failures, requests = totals[at]
                    requests += point.failures + int(point.rate)
                    totals[at] = failures + point.failures, requests
        return totals


def _is_outdated(effect: Mapping[str, Any], spans: ComparedSpans) -> bool:
    """Whether there is enough more to compare than there was to compute an effect again."""
    if effect["ended"] != spans.limit:
        return True
    before, now = int(effect["seconds"]), spans.after.seconds
    return now > before if now <= MIN_SPAN_S else now >= before * GROWTH
