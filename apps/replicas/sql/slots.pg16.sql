-- Purpose: replication slots: in use, and whether the WAL they need is still there. PostgreSQL 16.
-- Privilege: none.
-- Columns: object (slot), slot_type, active (1 when a standby is connected by it), inactive_seconds (for how long none is: told from PostgreSQL 17 on),
--   wal_status, wal_standing (0 reserved, 1 extended, 2 unreserved, 3 lost), lost_because (conflicting does not say which of two it is),
--   kept_bytes (WAL kept for it), safe_bytes (how much more WAL may be written before it loses what it needs; NULL without a limit),
--   safe_ratio (of max_slot_wal_keep_size; 1 without a limit: the disk is the limit then).
SELECT
    slot_name AS object,
    slot_type,
    active::int AS active,
    NULL::float8 AS inactive_seconds,
    wal_status,
    CASE
        WHEN conflicting THEN 3
        ELSE array_position(ARRAY['reserved', 'extended', 'unreserved', 'lost'], wal_status) - 1
    END AS wal_standing,
    CASE
        WHEN conflicting THEN 'rows_removed or wal_level_insufficient'
        WHEN wal_status = 'lost' THEN 'wal_removed'
    END AS lost_because,
    pg_current_wal_lsn() - restart_lsn AS kept_bytes,
    safe_wal_size AS safe_bytes,
    CASE
        WHEN current_setting('max_slot_wal_keep_size') = '-1' THEN 1
        WHEN wal_status = 'lost' THEN 0
        ELSE least(1, safe_wal_size::float8 / nullif(pg_size_bytes(current_setting('max_slot_wal_keep_size')), 0))
    END AS safe_ratio
FROM pg_replication_slots
ORDER BY slot_name
