-- Purpose: how many tiers are to be polled, of how many nothing was kept lately, and when worker and beat last said that they live.
-- A tier is to be polled since it has a node; its time counts from then until its first poll. A last poll that lies ahead, because the
-- clock was set back, is silence too: its slots are taken, and nothing is kept until the clock has passed them.
-- Columns: tiers, silent, longest (seconds), ahead (seconds; NULL: no last poll lies so far ahead), worker, beat (seconds since they were
-- seen; NULL: never)
WITH tier AS (
    SELECT extract(epoch FROM now() - coalesce(max(s.slot), min(n.created_at)))::float8 AS age
    FROM metrics_node AS n LEFT JOIN metrics_nodestatus AS s ON s.node_id = n.id
    WHERE n.removed_at IS NULL
    GROUP BY n.tier_id
), life AS (
    SELECT name, extract(epoch FROM now() - max(seen_at) FILTER (WHERE stopped_at IS NULL))::float8 AS age
    FROM metrics_processrun GROUP BY name
)
SELECT count(*) AS tiers, count(*) FILTER (WHERE abs(age) > %(limit)s) AS silent, max(age) AS longest,
    max(-age) FILTER (WHERE -age > %(limit)s) AS ahead,
    (SELECT age FROM life WHERE name = %(worker)s) AS worker, (SELECT age FROM life WHERE name = %(beat)s) AS beat
FROM tier
