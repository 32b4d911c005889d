-- Purpose: how many slots of a tier were polled and kept within a window.
SELECT count(DISTINCT p.at)
FROM metrics_node n JOIN metrics_poll p ON p.node_id = n.id
WHERE n.tier_id = %s AND p.at > %s AND p.at < %s
