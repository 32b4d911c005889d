-- Purpose: how the partitions of each table of history are kept: what was last done, and what fails since when.
-- Privilege: the serving login.
-- Columns: name; sealed_until (before it all rows are in chunks; NULL: none are yet); made_at, made, dropped_at, dropped (when partitions were
--   last made and dropped, and how many; NULL: not within the time for which that is kept); failing_since, tried_at, tries, failed
--   (make or drop), error (what is failing now, the longest first; NULL: nothing)
SELECT
    t.name, sealed.until AS sealed_until,
    made.at AS made_at, made.partitions AS made, dropped.at AS dropped_at, dropped.partitions AS dropped,
    failing.at AS failing_since, failing.tried_at, failing.tries, failing.deed AS failed, failing.error
FROM metrics_history_table AS t
CROSS JOIN (SELECT max(hour) + interval '1 hour' AS until FROM metrics_sealed) AS sealed
LEFT JOIN LATERAL (
    SELECT u.at, u.partitions FROM metrics_upkeep AS u
    WHERE u.parent = t.name AND u.deed = 'make' AND u.error = '' ORDER BY u.at DESC LIMIT 1
) AS made ON true
LEFT JOIN LATERAL (
    SELECT u.at, u.partitions FROM metrics_upkeep AS u
    WHERE u.parent = t.name AND u.deed = 'drop' AND u.error = '' ORDER BY u.at DESC LIMIT 1
) AS dropped ON true
LEFT JOIN LATERAL (
    SELECT u.* FROM metrics_upkeep AS u
    WHERE u.parent = t.name AND u.error <> '' AND u.over_at IS NULL ORDER BY u.at LIMIT 1
) AS failing ON true
ORDER BY t.name
