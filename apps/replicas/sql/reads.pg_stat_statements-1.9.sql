-- Purpose: how many SELECTs this server has executed, to tell which share the replicas take.
-- Privilege: pg_read_all_stats (in pg_monitor); the extension pg_stat_statements, 1.9 or newer, in this database.
-- Columns: selects (calls that read data, change none and lock no rows), dealloc, stats_reset (a change of either begins a new epoch).
-- Not counted: our own login's statements and those that never touched a block. Texts are read, so this is asked seldom, and without
-- their comments: many a statement begins with one, and what a comment says is no part of the statement.
SELECT
    coalesce(sum(calls) FILTER (
        WHERE bare ~* '^\s*(select|with)\M'
            AND bare !~* '\m(insert|update|delete|merge|for\s+(key\s+)?share|for\s+(no\s+key\s+)?update)\M'
            AND shared_blks_hit + shared_blks_read > 0
    ), 0)::bigint AS selects,
    (SELECT dealloc FROM pg_stat_statements_info) AS dealloc,
    (SELECT stats_reset FROM pg_stat_statements_info) AS stats_reset
FROM pg_stat_statements(true)
CROSS JOIN LATERAL regexp_replace(regexp_replace(query, '/\*.*?\*/', ' ', 'g'), '--[^\n]*', ' ', 'g') AS bare
WHERE userid <> current_user::regrole
