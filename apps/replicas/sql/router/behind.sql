-- Whether a server is a replica and how far it is behind. Asked of: a replica. Privilege: none.
-- Parameter `written`: the primary's position a moment ago, NULL when the primary does not answer.
-- Columns: in_recovery; lag in seconds, NULL when unknown; position replayed, bytes since the WAL's beginning.
-- The age of the last transaction replayed is the lag only while something is behind: on an idle primary it grows
-- though nothing is, so it is taken only when the primary is known to be ahead.
SELECT pg_is_in_recovery() AS in_recovery,
       CASE
           WHEN NOT pg_is_in_recovery() OR %(written)s::bigint IS NULL THEN NULL
           WHEN pg_last_wal_replay_lsn() - '0/0'::pg_lsn >= %(written)s::bigint THEN 0
           ELSE greatest(0, extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()))
       END AS lag_seconds,
       (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS replayed
