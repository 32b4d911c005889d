-- Purpose: the settings that a replica should share with its primary: those recovery insists on, and those that change plans and limits.
-- Privilege: none.
-- Columns: object (setting), value (with its unit).
SELECT name AS object, current_setting(name) AS value
FROM unnest(ARRAY[
    'max_connections', 'max_prepared_transactions', 'max_locks_per_transaction', 'max_wal_senders', 'max_worker_processes',
    'wal_level', 'shared_buffers', 'work_mem', 'maintenance_work_mem', 'effective_cache_size', 'random_page_cost',
    'shared_preload_libraries', 'max_slot_wal_keep_size', 'track_io_timing', 'server_version'
]) AS name
