-- Purpose: how many sessions there are and what they do; the longest transactions; locks waited for. Before PostgreSQL 14.
-- Privilege: pg_read_all_stats (in pg_monitor), to see other logins' sessions.
-- Columns: used_connections, usable_connections (max_connections less the reserved ones), connections_used (ratio of the two);
--   active, idle, idle_in_transaction, other_states (sessions of clients); longest_transaction_seconds, idle_in_transaction_seconds (of the
--   longest now under way; 0 when there is none); waiting_locks (requests not granted), lock_wait_seconds (of the longest: since its
--   statement began, for the server does not say since when it waits), locks_held (in the shared lock table), lock_table_used (ratio of the
--   table's size).
WITH client AS MATERIALIZED (
    SELECT pid, state, xact_start, state_change
    FROM pg_stat_activity
    WHERE backend_type = 'client backend'
), sessions AS (
    SELECT
        count(*) AS used_connections,
        count(*) FILTER (WHERE state = 'active') AS active,
        count(*) FILTER (WHERE state = 'idle') AS idle,
        count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
        count(*) FILTER (WHERE state IS NULL OR state NOT IN (
            'active', 'idle', 'idle in transaction', 'idle in transaction (aborted)')) AS other_states,
        coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)) FILTER (WHERE pid <> pg_backend_pid()), 0)
            AS longest_transaction_seconds,
        coalesce(max(extract(epoch FROM clock_timestamp() - state_change)) FILTER (WHERE state LIKE 'idle in transaction%'), 0)
            AS idle_in_transaction_seconds
    FROM client
), locks AS (
    SELECT
        count(*) FILTER (WHERE NOT granted) AS waiting_locks,
        coalesce(max(extract(epoch FROM clock_timestamp() - query_start)) FILTER (WHERE NOT granted), 0) AS lock_wait_seconds,
        count(*) FILTER (WHERE NOT fastpath) AS locks_held
    FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
), room AS (
    SELECT
        current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true), '0')::int AS usable_connections,
        current_setting('max_locks_per_transaction')::int
            * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int) AS lock_slots
)
SELECT
    sessions.*,
    usable_connections,
    used_connections::float8 / usable_connections AS connections_used,
    locks.*,
    locks_held::float8 / lock_slots AS lock_table_used
FROM sessions, locks, room
