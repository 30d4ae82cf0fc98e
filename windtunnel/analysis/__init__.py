"""From recorded cells to figures: intervals, rankings, comparisons, objectives."""
