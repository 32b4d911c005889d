-- Purpose: series of some metrics in a range, thinned to one value a step.
-- Columns: metric, node (empty: the tier's own), object, at (Unix seconds), value
SELECT s.metric, coalesce(n.name, '') AS node, s.object,
       extract(epoch FROM date_bin(make_interval(secs => %(step)s), p.at, %(start)s))::float8 AS bin,
       /*reduce*/ AS value
FROM metrics_series s
LEFT JOIN metrics_node n ON n.id = s.node_id
JOIN metrics_sample p ON p.series_id = s.id AND p.at >= %(start)s AND p.at < %(end)s
WHERE s.tier_id = %(tier)s AND s.metric = ANY(%(metrics)s) AND (%(objects)s::text[] IS NULL OR s.object = ANY(%(objects)s))
GROUP BY s.metric, n.name, s.object, bin
ORDER BY s.metric, n.name, s.object, bin
