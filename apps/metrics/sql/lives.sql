-- Purpose: the last two lives of a worker and the last one of beat.
-- Columns: those of metrics_processrun
(SELECT * FROM metrics_processrun WHERE name = %(worker)s ORDER BY started_at DESC LIMIT 2)
UNION ALL
(SELECT * FROM metrics_processrun WHERE name = %(beat)s ORDER BY started_at DESC LIMIT 1)
