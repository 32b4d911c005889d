"""The queries room: what the PostgreSQL servers are asked, how long it takes, and what holds it up.

Watches, on every server: statements and their mean times (pg_stat_statements) with the history of the costliest, sessions, waits,
transactions and who blocks whom (pg_stat_activity, pg_locks), indexes and their use, counters of work done (pg_stat_database),
checkpoints and archiving; on the primary also dead rows, bloat, transaction ids and sequences. The portal's own statements are not counted.
It cannot change anything yet: ending a session and making an index come with the runbooks' actions. A plan is asked for when somebody wants
it (`explain`); nothing is executed.
`probes` says what is asked, `workload` and `history` what is read from two readings of the counters, `checks` what must hold, `charts` and
the views how it is shown; `comparison` sets two windows of time side by side. Times of statements are server time, without network.
PostgreSQL keeps totals for each statement, not single durations: percentiles here count each statement at its mean within the interval, and
say so.
"""
