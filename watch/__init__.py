"""Who blocks the event loop: lag, busy share and blocks of any asyncio program, with their holders.

`watched_loop` makes an event loop and what watches it; `LoopWatch.start` begins, from the loop.
It needs the standard library only; handlers of Tornado are recognised where there are any.
"""

from watch.holders import Holder
from watch.loop import LoopWatch, watched_loop
from watch.selector import WatchedSelector

__all__ = ["Holder", "LoopWatch", "WatchedSelector", "watched_loop"]
