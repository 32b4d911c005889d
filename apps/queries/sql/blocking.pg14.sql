-- Purpose: who waits for a lock that another session holds, and who holds it: sessions that wait, and those that they wait for.
--   From PostgreSQL 14.
-- Privilege: pg_read_all_stats (in pg_monitor), to see other logins' sessions and statements.
-- Columns: object (process id; 0 a prepared transaction), login, application, kind (what the process is), state, waits_for (event type and
--   event), waited (s, for its lock; NULL when it does not wait), in_transaction (s), blocked_by (process ids), lock (what it waits for), mode (in
--   which it wants it), relation (schema and table of the lock, or of the row; NULL when it belongs to another database), query (first 500
--   characters; literals are left out before it is kept).
-- At most 100 that wait are looked at. A row's lock is a wait for its transaction: the table is then known by the tuple lock that is queued for.
WITH wanted AS MATERIALIZED (
    SELECT pid, locktype, mode, database, relation, waitstart
    FROM pg_locks
    WHERE NOT granted
    ORDER BY waitstart NULLS LAST
    LIMIT 100
), waiting AS MATERIALIZED (
    SELECT wanted.*, pg_blocking_pids(pid) AS blocked_by FROM wanted
), here AS (
    SELECT oid FROM pg_database WHERE datname = current_database()
), party AS (
    SELECT pid FROM waiting
    UNION
    SELECT unnest(blocked_by) FROM waiting
)
SELECT DISTINCT ON (party.pid)
    party.pid::text AS object,
    usename AS login,
    application_name AS application,
    backend_type AS kind,
    state,
    CASE WHEN wait_event_type IS NOT NULL THEN wait_event_type || ': ' || wait_event END AS waits_for,
    extract(epoch FROM clock_timestamp() - waitstart)::float8 AS waited,
    extract(epoch FROM clock_timestamp() - xact_start)::float8 AS in_transaction,
    coalesce(blocked_by, '{}') AS blocked_by,
    waiting.locktype AS lock,
    waiting.mode,
    (
        SELECT nspname || '.' || relname
        FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE pg_class.oid = coalesce(CASE WHEN waiting.database IN (0, (SELECT oid FROM here)) THEN waiting.relation END, (
            SELECT held.relation
            FROM pg_locks AS held
            WHERE held.pid = waiting.pid AND held.locktype = 'tuple' AND held.database IN (0, (SELECT oid FROM here))
            LIMIT 1
        ))
    ) AS relation,
    left(query, 500) AS query
FROM party LEFT JOIN waiting USING (pid) LEFT JOIN pg_stat_activity USING (pid)
ORDER BY party.pid, waitstart
