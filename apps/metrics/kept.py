"""What pages are made of, kept in this process until what it was drawn from changes, for everybody who looks at the same.

Between two polls a dashboard is the same for all who see the tier; only the frame around it is a person's own. Drawing it
takes most of a page's time. Nothing is kept for longer than one poll interval, because ages and the range move with the clock.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from time import monotonic
from typing import Any, TypeVar

from django.conf import settings

T = TypeVar("T")


class Shelf:
    """Some kept things, the least lately made of which go when there are more than `most`."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.things: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self.lock = Lock()


PARTS = Shelf(32)  # the largest, a page's body, has half a megabyte
SHELLS = Shelf(512)  # some kilobytes for each person and page


def kept(key: Hashable, make: Callable[[], T], holds: Callable[[T], bool] = lambda _: True, shelf: Shelf = PARTS) -> T:
    """What this key names, made now where there is none that is younger than a poll interval. It must never be changed.

    `key` has to tell all that it depends on, the state of the store among it (`store.mark`); `holds`: whether the clock has not
    changed it either.
    """
    with shelf.lock:
        until, found = shelf.things.get(key, (0.0, None))
    if until > monotonic() and holds(found):
        return found  # type: ignore[no-any-return]
    made = make()
    with shelf.lock:
        shelf.things[key] = (monotonic() + settings.POLL_SECONDS, made)
        shelf.things.move_to_end(key)
        while len(shelf.things) > shelf.most:
            shelf.things.popitem(last=False)
    return made
