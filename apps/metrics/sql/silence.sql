-- Purpose: how many tiers are to be polled, of how many nothing was kept lately, and when worker and beat last said that they live.
-- A tier is to be polled since it has a node; its time counts from then until its first poll.
-- Columns: tiers, silent, longest (seconds), worker, beat (seconds since they were seen; NULL: never)
WITH tier AS (
    SELECT extract(epoch FROM now() - coalesce(max(s.slot), min(n.created_at)))::float8 AS age
    FROM metrics_node AS n LEFT JOIN metrics_nodestatus AS s ON s.node_id = n.id
    WHERE n.removed_at IS NULL
    GROUP BY n.tier_id
), life AS (
    SELECT name, extract(epoch FROM now() - max(seen_at) FILTER (WHERE stopped_at IS NULL))::float8 AS age
    FROM metrics_processrun GROUP BY name
)
SELECT count(*) AS tiers, count(*) FILTER (WHERE age > %(limit)s) AS silent, max(age) AS longest,
    (SELECT age FROM life WHERE name = %(worker)s) AS worker, (SELECT age FROM life WHERE name = %(beat)s) AS beat
FROM tier
