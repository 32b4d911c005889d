-- Purpose: which kinds of processes read from and write to files, and for what, since these counters began: whether sessions have to write
--   pages themselves, how much vacuum reads. From PostgreSQL 18.
-- Privilege: none.
-- Columns: object (kind of process), file (relation, temp relation; wal from PostgreSQL 18 on), context (normal; bulkread, bulkwrite, vacuum:
--   by a small ring of buffers), read_bytes, read_ms, write_bytes, write_ms, extend_bytes (each NULL where it does none; times also where
--   track_io_timing, for wal track_wal_io_timing, is off or was), hits (blocks that were in shared buffers), since (when the counters began).
SELECT
    backend_type AS object,
    io.object AS file,
    context,
    read_bytes::bigint AS read_bytes,
    CASE WHEN timed THEN nullif(read_time, 0) END AS read_ms,
    write_bytes::bigint AS write_bytes,
    CASE WHEN timed THEN nullif(write_time, 0) END AS write_ms,
    extend_bytes::bigint AS extend_bytes,
    hits,
    stats_reset AS since
FROM pg_stat_io AS io
CROSS JOIN LATERAL (
    SELECT current_setting(CASE io.object WHEN 'wal' THEN 'track_wal_io_timing' ELSE 'track_io_timing' END)::bool AS timed
) AS setting
WHERE coalesce(reads, 0) + coalesce(writes, 0) + coalesce(extends, 0) + coalesce(hits, 0) > 0
ORDER BY coalesce(reads, 0) + coalesce(writes, 0) + coalesce(extends, 0) DESC, hits DESC NULLS LAST
