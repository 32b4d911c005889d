-- How far a replica has replayed. Asked of: a replica. Privilege: none.
-- One column: position in the WAL, bytes since its beginning; NULL on a server that is not in recovery.
SELECT CASE WHEN pg_is_in_recovery() THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END AS replayed
