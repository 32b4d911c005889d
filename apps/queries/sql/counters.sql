-- Purpose: counters of work since they were reset, from which rates are derived; whether archiving fails.
-- Privilege: none; for working_since pg_read_all_stats (in pg_monitor).
-- Columns: started_at (of the server), working_since (of its checkpointer: later than that after a crash of one session, when the server throws
--   out all others and recovers), stats_reset (latest of any database): a change of any begins a new epoch;
--   commits, rollbacks, blocks_hit, blocks_read (of 8 kB), rows_read, rows_written, deadlocks, temporary_bytes (all databases, since then);
--   archiver_failing (1 when the latest attempt to archive a WAL file failed), archiving (whether archive_mode is on).
WITH work AS (
    SELECT
        max(stats_reset) AS stats_reset,
        sum(xact_commit) AS commits,
        sum(xact_rollback) AS rollbacks,
        sum(blks_hit) AS blocks_hit,
        sum(blks_read) AS blocks_read,
        sum(tup_returned) AS rows_read,
        sum(tup_inserted + tup_updated + tup_deleted) AS rows_written,
        sum(deadlocks) AS deadlocks,
        sum(temp_bytes) AS temporary_bytes
    FROM pg_stat_database
)
SELECT
    pg_postmaster_start_time() AS started_at,
    (SELECT backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer') AS working_since,
    work.*,
    current_setting('archive_mode') <> 'off' AS archiving,
    (last_failed_time IS NOT NULL AND (last_archived_time IS NULL OR last_failed_time > last_archived_time))::int AS archiver_failing
FROM work, pg_stat_archiver
