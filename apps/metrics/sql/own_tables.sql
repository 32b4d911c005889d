-- Purpose: how large the portal's own history is, table by table, and its whole database.
-- Columns: name (empty: the whole database), partitions, bytes (with indexes)
SELECT t.name, count(i.inhrelid) AS partitions, coalesce(sum(pg_total_relation_size(i.inhrelid)), 0)::bigint AS bytes
FROM metrics_history_table AS t LEFT JOIN pg_inherits AS i ON i.inhparent = to_regclass('public.' || t.name)
GROUP BY t.name
UNION ALL
SELECT '', NULL, pg_database_size(current_database())
ORDER BY 1
