"""The checks of the portal itself: what `inward` reads, as samples, and where it begins to matter."""

from collections.abc import Iterable
from datetime import timedelta

from apps.metrics.kernel import Check, Direction, Row, Sample, TierView, Unit
from apps.metrics.probe import TierProbe

ROOM = "portal"
POLLING, ITSELF = "portal.polling", "portal.itself"
SILENCE = "portal.silence"
OF_POLLING = ("missed_slots", "unkept_slots", "silent_seconds", "history_behind_seconds", "history_lost_polls")
OF_ITSELF = (
    "worker_seconds", "beat_seconds", "queue_waiting", "queue_seconds", "outbox_waiting", "outbox_seconds",
    "outbox_given_up", "ledger_seconds", "slow_share", "lines_dropped", "history_damaged", "traces_dropped",
)  # fmt: skip
Told = tuple[Iterable[Row], Iterable[Sample]]


def _polling(view: TierView) -> Told:
    told = {name: value for name, value in view.portal.items() if name not in {"itself", "also", "caps"}}
    return [told], [Sample(f"{POLLING}.{name}", float(told.get(name, 0))) for name in OF_POLLING]


def _itself(view: TierView) -> Told:
    row: Row = view.portal.get("itself", {})
    samples = [Sample(f"{ITSELF}.{name}", row.get(name)) for name in OF_ITSELF]
    if row.get("outbox_waiting") == 0:
        samples = [Sample(s.metric, 0.0) if s.metric == f"{ITSELF}.outbox_seconds" else s for s in samples]
    sound = None if row.get("ledger_seconds") is None else float(row.get("ledger_finding") is None)
    return [row], [*samples, Sample(f"{ITSELF}.ledger_sound", sound)]


TIER_PROBES = (
    TierProbe(
        POLLING,
        _polling,
        says="Slots of the last ten minutes that no worker polled, or of which nothing was kept, from our own tables of slots and polls; "
        "and how keeping of samples goes.",
    ),
    TierProbe(
        ITSELF,
        _itself,
        says="The portal's processes, outbox and ledger from its own store; its queue (the broker's list and what workers hold), queries "
        "and log lines from its own Redis. Read once a minute by the poller, and anew by whoever opens the page of the portal.",
    ),
)


def silence_after(poll_seconds: int) -> float:
    """Seconds without a poll after which the portal counts as silent: two intervals and a little.

    >>> silence_after(10)
    22
    """
    return 2 * poll_seconds + 2


CHECKS = (
    Check(
        "portal.missed_slots",
        "Polls missed",
        "portal.polling.missed_slots",
        POLLING,
        Unit.COUNT,
        "Scheduled polls of the last ten minutes that never ran, because the worker or beat was away or too slow.",
        "Read the log of worker and beat; a worker that is killed again and again may lack memory.",
        warn=1,
        fail=12,
    ),
    Check(
        SILENCE,
        "Time since the last poll",
        "portal.polling.silent_seconds",
        POLLING,
        Unit.SECONDS,
        "Nothing was measured and kept for so long, so nothing on any page is present. While nobody polls, the web server and beat judge "
        "it and send what is to be told themselves.",
        "Look which process is silent: start the worker or beat. When both live, the worker hangs or the broker is away: read its log.",
        hold=timedelta(seconds=10),
    ),
    Check(
        "portal.store_writes",
        "Polls not kept",
        "portal.polling.unkept_slots",
        POLLING,
        Unit.COUNT,
        "Polls of the last ten minutes that a worker began and of which the store kept nothing: a write failed, or the worker was killed.",
        "Read the worker's log for the error. A full disk, a missing partition and a store in recovery look like this.",
        warn=1,
        fail=6,
    ),
    Check(
        "portal.history_behind",
        "Keeping of history late",
        "portal.polling.history_behind_seconds",
        POLLING,
        Unit.SECONDS,
        "Samples wait to be packed into the levels of history, or to be sent to the store of history, for this long beyond their time.",
        "Read the worker's log for `history`: if it says `history.busy` again and again, a session that hangs holds the lock, and "
        "is to be ended. With a store of history of its own: does it run, and take what is sent? Until then samples wait in the portal's "
        "database; a day of them fits.",
        warn=1800,
        fail=21600,
    ),
    Check(
        "portal.history_lost",
        "History lost",
        "portal.polling.history_lost_polls",
        POLLING,
        Unit.COUNT,
        "Polls whose samples the store of history refused for good, or did not take for more than a day, and which were dropped.",
        "Read the worker's log for `history.lost`: it says what the store answered. Checks and alerts were not affected.",
        warn=1,
    ),
    Check(
        "portal.history_damaged",
        "Damaged chunks of history",
        "portal.itself.history_damaged",
        ITSELF,
        Unit.COUNT,
        "Chunks whose bytes are not those that were written, and that a chart or the sealing of an hour came upon within a day. In charts "
        "they are gaps. What nobody reads is not looked at.",
        "Examine disk and memory of the store's host. The log's `history.damaged` names series and time. Hours whose rows are still there "
        "are sealed again by themselves; bring older chunks back from a dump, or delete them and leave the gap.",
        warn=1,
    ),
    Check(
        "portal.worker",
        "Worker last seen",
        "portal.itself.worker_seconds",
        ITSELF,
        Unit.SECONDS,
        "A worker says every three seconds in the store that it lives.",
        "Start the worker, then read its log: it was killed, or its host is gone.",
        fail=12,
    ),
    Check(
        "portal.beat",
        "Beat last seen",
        "portal.itself.beat_seconds",
        ITSELF,
        Unit.SECONDS,
        "Beat says every three seconds in the store that it lives. Without it nobody orders polls.",
        "Start beat. One is enough: two of them order the same slots, and each slot is polled once.",
        fail=12,
    ),
    Check(
        "portal.queue_wait",
        "Oldest message in the queue",
        "portal.itself.queue_seconds",
        ITSELF,
        Unit.SECONDS,
        "How long the oldest message has waited that no worker has begun, in the broker's list or with a worker that took it ahead. A "
        "worker that lives and consumes nothing is seen by this.",
        "Read the worker's log: all its threads may hang in something. Give it more threads, or restart it; what expired is left out.",
        warn=10,
        fail=30,
    ),
    Check(
        "portal.queue_depth",
        "Messages in the queue",
        "portal.itself.queue_waiting",
        ITSELF,
        Unit.COUNT,
        "Messages that no worker has begun.",
        "A few come and go. If they grow, the worker is too slow or does not consume: look at the oldest.",
        warn=50,
        fail=500,
    ),
    Check(
        "portal.outbox_age",
        "Oldest notice not sent",
        "portal.itself.outbox_seconds",
        ITSELF,
        Unit.SECONDS,
        "How long the oldest notice to a channel or a person has waited. Each is tried seven times within 50 minutes, then given up.",
        "Look at the channels' deliveries: what did the receiver say?",
        warn=300,
        fail=3600,
    ),
    Check(
        "portal.outbox_backlog",
        "Notices not sent",
        "portal.itself.outbox_waiting",
        ITSELF,
        Unit.COUNT,
        "Notices to channels and people that wait to be sent, retries too.",
        "Look at the channels' deliveries. A receiver that is gone for good is better removed.",
        warn=50,
        fail=500,
    ),
    Check(
        "portal.outbox_given_up",
        "Notices given up",
        "portal.itself.outbox_given_up",
        ITSELF,
        Unit.COUNT,
        "Notices of the last 24 hours that reached nobody: their receiver refused them for good, or took them in none of seven tries. "
        "Those of channels that were removed, and of people who get no mail any more, do not count.",
        "The page of who is told says what the receiver answered. Mend the channel and send a test, or remove it. What the notices told "
        "of stands on the page of alerts.",
        warn=1,
    ),
    Check(
        "portal.ledger_checked",
        "Ledger examined",
        "portal.itself.ledger_seconds",
        ITSELF,
        Unit.SECONDS,
        "How long ago the ledger was examined from its first entry to its last and signed; not conclusive where no key is set.",
        "Read the worker's log for `ledger_not_signed`: it says why.",
        warn=900,
        fail=3600,
    ),
    Check(
        "portal.ledger_sound",
        "Ledger as it was signed",
        "portal.itself.ledger_sound",
        ITSELF,
        Unit.YES_NO,
        "The last examination found the entries to be those that were signed before.",
        "The page of the ledger says what was found. Keep the store as it is, and compare it with the last dump and with the witness.",
        fail=1,
        direction=Direction.LOW,
    ),
    Check(
        "portal.own_queries",
        "Own slow queries",
        "portal.itself.slow_share",
        ITSELF,
        Unit.RATIO,
        "Share of the portal's own queries of the last ten minutes that were slow, over all its processes.",
        "The page of own queries lists them by total time. Often the store's disk or its shared memory is too small.",
        warn=0.05,
        fail=0.1,
        hold=timedelta(minutes=2),
    ),
    Check(
        "portal.log_dropped",
        "Log lines dropped",
        "portal.itself.lines_dropped",
        ITSELF,
        Unit.COUNT,
        "Lines of this hour and the one before that did not fit while Redis was away. They are only missing on the page of the lines: "
        "standard output has them.",
        "Look why Redis was away; read the processes' standard output for that time.",
        warn=1,
    ),
)
