"""A scatter plot in a terminal: as many lines as it needs, a letter a point."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase

WIDTH, HEIGHT = 56, 14

Point = tuple[float, float]
"""Across and up, both more than 0."""


def scatter(
    points: Mapping[str, Point], front: Sequence[str], across: str, up: str
) -> Iterator[str]:
    """Lines of the plot; up is a log scale. Letters go by the order of `points`, `*` is several.

    Those on the front are capitals, the others small.
    """
    shown = {name: (x, y) for name, (x, y) in points.items() if y > 0 and math.isfinite(y)}
    if not shown:
        return
    low, high = _ends([math.log10(y) for _, y in shown.values()])
    left, right = 0.0, max(x for x, _ in shown.values()) * 1.05 or 1.0
    grid = [[" "] * WIDTH for _ in range(HEIGHT)]
    for name, (x, y) in shown.items():
        column = round((x - left) / (right - left) * (WIDTH - 1))
        row = round((high - math.log10(y)) / (high - low) * (HEIGHT - 1))
        grid[row][column] = letter(points, front, name) if grid[row][column] == " " else "*"
    yield up
    for row, line in enumerate(grid):
        mark = 10 ** (high - (high - low) * row / (HEIGHT - 1))
        label = f"{mark:.3g}" if row % 3 == 0 or row == HEIGHT - 1 else ""
        yield f"{label:>8} |{''.join(line).rstrip()}"
    yield f"{'':>8} +{'-' * WIDTH}"
    yield f"{'':>9} 0{across:^{WIDTH - 8}}{right:.3g}"


def letter(points: Mapping[str, Point], front: Sequence[str], name: str) -> str:
    """What a point is drawn with."""
    place = list(points).index(name) % len(ascii_uppercase)
    return ascii_uppercase[place] if name in front else ascii_uppercase[place].lower()


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = max((high - low) * 0.1, 0.05)
    return low - room, high + room
