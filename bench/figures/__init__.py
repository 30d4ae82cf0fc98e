"""From cells to figures that may be printed: intervals, ranks, verdicts, doubts."""
