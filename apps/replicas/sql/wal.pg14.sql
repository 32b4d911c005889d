-- Purpose: where a server is in the WAL, and on a replica whether more arrives: the witnesses of replication lag.
--   From PostgreSQL 14.
-- Privilege: pg_read_all_stats (in pg_monitor), to see pg_stat_wal_receiver.
-- Columns: now; started_at; system_identifier; in_recovery; timeline; lsn_bytes (written on a primary, replayed on a replica, from 0/0);
--   received_bytes (on a replica: flushed, from 0/0); receiver_status and message_age_seconds (NULL without a WAL receiver);
--   receiver_timeout_seconds (0: never); replay (not paused, pause requested, paused; NULL on a primary); last_commit_at (of the last
--   transaction replayed, by the primary's clock); conflicts (queries cancelled by recovery since started_at);
--   oldest_xmin_age (transactions since the oldest snapshot that holds vacuum back; NULL on a replica).
SELECT
    clock_timestamp() AS now,
    pg_postmaster_start_time() AS started_at,
    (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
    recovery.on AS in_recovery,
    CASE
        WHEN recovery.on THEN coalesce(receiver.received_tli, (SELECT timeline_id FROM pg_control_checkpoint()))
        ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
    END AS timeline,
    CASE WHEN recovery.on THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn AS lsn_bytes,
    CASE WHEN recovery.on THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn END AS received_bytes,
    receiver.status AS receiver_status,
    extract(epoch FROM clock_timestamp() - receiver.last_msg_receipt_time) AS message_age_seconds,
    extract(epoch FROM current_setting('wal_receiver_timeout')::interval) AS receiver_timeout_seconds,
    CASE WHEN recovery.on THEN pg_get_wal_replay_pause_state() END AS replay,
    CASE WHEN recovery.on THEN pg_last_xact_replay_timestamp() END AS last_commit_at,
    (SELECT sum(conflicts) FROM pg_stat_database) AS conflicts,
    CASE WHEN NOT recovery.on THEN greatest(
        0,
        (SELECT max(age(backend_xmin)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()),
        (SELECT max(greatest(age(xmin), age(catalog_xmin))) FROM pg_replication_slots)
    ) END AS oldest_xmin_age
FROM (SELECT pg_is_in_recovery() AS "on") AS recovery
LEFT JOIN pg_stat_wal_receiver AS receiver ON true
