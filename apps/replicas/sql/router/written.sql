-- How far the primary has written its WAL. Asked of: the primary, right after a commit. Privilege: none.
-- One column: position in the WAL, bytes since its beginning; never before the commit, flushed or not.
SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS written
