-- Purpose: everything that the costliest statements have cost since the counters were reset, for their history; without texts.
-- Privilege: pg_read_all_stats (in pg_monitor); the extension pg_stat_statements, 1.8 or newer, in this database.
-- Columns: object (queryid), calls, total_ms (execution), square_ms (sum of the squares of single durations, in ms², from which an interval's
--   standard deviation follows), least_ms and most_ms (single durations), rows, blocks_hit, blocks_read (shared, of 8 kB), temp_blocks (read and
--   written), wal_bytes, read_ms (waiting for reads; 0 unless track_io_timing is on), since (of this entry; from 1.11 on).
-- Columns that came with or were renamed by later versions of the extension are looked up by name, so that none is missed. Statements within
--   functions (toplevel false, from 1.9 on) are left out: their time is in the calling statement's.
-- Not listed: our own login's statements, and those that never touched a block nor gave a row (BEGIN, COMMIT, SET).
WITH entry AS MATERIALIZED (
    SELECT * FROM pg_stat_statements(false) WHERE userid <> current_user::regrole
), statement AS (
    SELECT queryid, sum(calls) AS calls, sum(total_exec_time) AS total_ms
    FROM entry
    GROUP BY queryid
    HAVING sum(rows + shared_blks_hit + shared_blks_read + local_blks_hit + local_blks_read + temp_blks_written) > 0
), listed AS (
    (SELECT queryid FROM statement ORDER BY total_ms DESC LIMIT 100)
    UNION
    (SELECT queryid FROM statement WHERE total_ms >= 100 * calls ORDER BY calls DESC LIMIT 20)
)
SELECT
    queryid::text AS object,
    sum(calls)::bigint AS calls,
    sum(total_exec_time) AS total_ms,
    sum(calls * (stddev_exec_time ^ 2 + mean_exec_time ^ 2)) AS square_ms,
    min(min_exec_time) AS least_ms,
    max(max_exec_time) AS most_ms,
    sum(rows)::bigint AS rows,
    sum(shared_blks_hit)::bigint AS blocks_hit,
    sum(shared_blks_read)::bigint AS blocks_read,
    sum(temp_blks_read + temp_blks_written)::bigint AS temp_blocks,
    sum(wal_bytes)::bigint AS wal_bytes,
    sum(coalesce(more ->> 'shared_blk_read_time', more ->> 'blk_read_time')::float8) AS read_ms,
    min((more ->> 'stats_since')::timestamptz) AS since
FROM entry JOIN listed USING (queryid), LATERAL to_jsonb(entry) AS more
WHERE coalesce((more ->> 'toplevel')::boolean, true)
GROUP BY queryid
