-- How far the primary's WAL is on disk, which is what replicas can have received. Asked of: the primary. Privilege: none.
-- One column: position in the WAL, bytes since its beginning.
SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint AS flushed
