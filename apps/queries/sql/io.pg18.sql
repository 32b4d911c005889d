-- Purpose: who reads from and writes to files, and for what, since these counters began: what is read in a person's stead by vacuum, what
--   sessions have to write themselves. From PostgreSQL 18.
-- Privilege: none.
-- Columns: object (kind of process), file (relation, temp relation; wal from PostgreSQL 18 on), context (normal; bulkread, bulkwrite, vacuum: by
--   a small ring of buffers), read_bytes, read_ms, write_bytes, write_ms, extend_bytes, extend_ms (NULL: it does none; times NULL unless
--   track_io_timing is on, for wal track_wal_io_timing), hits (blocks that were in shared buffers), since (when the counters began).
SELECT
    backend_type AS object,
    io.object AS file,
    context,
    read_bytes::bigint AS read_bytes,
    CASE WHEN timed THEN read_time END AS read_ms,
    write_bytes::bigint AS write_bytes,
    CASE WHEN timed THEN write_time END AS write_ms,
    extend_bytes::bigint AS extend_bytes,
    CASE WHEN timed THEN extend_time END AS extend_ms,
    hits,
    stats_reset AS since
FROM pg_stat_io AS io
CROSS JOIN LATERAL (
    SELECT current_setting(CASE io.object WHEN 'wal' THEN 'track_wal_io_timing' ELSE 'track_io_timing' END)::bool AS timed
) AS setting
WHERE coalesce(reads, 0) + coalesce(writes, 0) + coalesce(extends, 0) + coalesce(hits, 0) > 0
ORDER BY coalesce(reads, 0) + coalesce(writes, 0) + coalesce(extends, 0) DESC, hits DESC NULLS LAST
