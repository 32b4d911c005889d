-- Purpose: the tiers of which nothing was kept for longer than a limit, or was kept at a time to come (the clock was set back), and when.
-- A tier is to be polled since it has a node; its time counts from then until its first poll.
-- Columns: tier (id), last (the latest slot that was kept, or when its first node was added)
SELECT n.tier_id AS tier, coalesce(max(s.slot), min(n.created_at)) AS last
FROM metrics_node AS n LEFT JOIN metrics_nodestatus AS s ON s.node_id = n.id
WHERE n.removed_at IS NULL
GROUP BY n.tier_id
HAVING coalesce(max(s.slot), min(n.created_at)) NOT BETWEEN %(before)s AND %(after)s
