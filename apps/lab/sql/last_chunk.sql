-- Purpose: a chunk of single samples of one metric of the lab, of the last day.
-- Run by: a superuser, in the portal's database. Parameters: tier, metric.
-- Columns: series, start, packed; no row where no hour was sealed yet
SELECT c.series_id AS series, c.start, c.packed
FROM metrics_chunk_raw AS c JOIN metrics_series AS s ON s.id = c.series_id JOIN metrics_tier AS t ON t.id = s.tier_id
WHERE t.slug = %(tier)s AND s.metric = %(metric)s AND c.start > now() - interval '18 hours'
ORDER BY c.start DESC, c.series_id
LIMIT 1
