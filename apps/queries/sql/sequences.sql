-- Purpose: how much of each sequence's range is used, the fullest first.
-- Privilege: SELECT on the sequences; those that may not be read are counted in unreadable.
-- Columns: object (schema and sequence), used (ratio of its maximum; 0 before the first number; NULL when it may not be read), unreadable (how
--   many sequences of this database may not be read, the same in each row).
SELECT
    schemaname || '.' || sequencename AS object,
    CASE WHEN readable THEN coalesce(last_value, start_value - increment_by)::float8 / max_value END AS used,
    count(*) FILTER (WHERE NOT readable) OVER () AS unreadable
FROM pg_sequences,
    LATERAL (SELECT has_sequence_privilege(format('%I.%I', schemaname, sequencename), 'SELECT, USAGE') AS readable) AS privilege
WHERE increment_by > 0 AND NOT cycle
ORDER BY used DESC NULLS LAST
LIMIT 20
