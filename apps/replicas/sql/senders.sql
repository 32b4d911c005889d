-- Purpose: the standbys as the primary sees them, and how far each confirmed.
-- Privilege: pg_read_all_stats (in pg_monitor).
-- Columns: object (application_name the standby gave), client, state, sync_state; slot (it uses; NULL: none); standby (false for a
--   subscriber of logical replication and for what only collects WAL, which replays nothing); unsent_bytes, unflushed_bytes, unreplayed_bytes (behind the
--   primary's present position); write_seconds, flush_seconds, replay_seconds (of the latest confirmations; NULL when idle); reply_age_seconds.
SELECT
    application_name AS object,
    host(client_addr) AS client,
    state,
    sync_state,
    s.slot_name AS slot,
    replay_lsn IS NOT NULL AND s.slot_type IS DISTINCT FROM 'logical' AS standby,
    pg_current_wal_lsn() - sent_lsn AS unsent_bytes,
    pg_current_wal_lsn() - flush_lsn AS unflushed_bytes,
    pg_current_wal_lsn() - replay_lsn AS unreplayed_bytes,
    extract(epoch FROM write_lag) AS write_seconds,
    extract(epoch FROM flush_lag) AS flush_seconds,
    extract(epoch FROM replay_lag) AS replay_seconds,
    extract(epoch FROM clock_timestamp() - reply_time) AS reply_age_seconds
FROM pg_stat_replication
LEFT JOIN pg_replication_slots AS s ON s.active_pid = pid
ORDER BY application_name, pid
