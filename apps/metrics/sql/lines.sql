-- Purpose: series of some metrics in a range: chunks of one level up to the watermark, one row a step of what is not in chunks yet.
-- Columns: metric, node (empty: the tier's own), object, packed (a chunk), step (number of the step), and what is wanted of it
WITH wanted AS MATERIALIZED (
    SELECT s.id, s.metric, coalesce(n.name, '') AS node, s.object
    FROM metrics_series s LEFT JOIN metrics_node n ON n.id = s.node_id
    WHERE s.tier_id = %(tier)s AND s.metric = ANY(%(metrics)s) AND (%(objects)s::text[] IS NULL OR s.object = ANY(%(objects)s::text[]))
)
SELECT w.metric, w.node, w.object, c.packed, NULL::bigint AS step, NULL::float8 AS first, NULL::float8 AS second
FROM wanted w JOIN /*chunks*/ c ON c.series_id = w.id AND c.start > %(first)s AND c.start < %(end)s
UNION ALL
SELECT w.metric, w.node, w.object, NULL, r.step, r.first, r.second
FROM wanted w CROSS JOIN LATERAL (
    SELECT floor(extract(epoch FROM p.at - %(origin)s) / %(step)s)::bigint AS step, /*reduce*/
    FROM metrics_sample p
    WHERE p.series_id = w.id AND p.at >= greatest(%(start)s, (SELECT metrics_sealed_until())) AND p.at < %(end)s
    GROUP BY 1
) r
