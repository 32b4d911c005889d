-- Purpose: which nodes of a tier were polled when within [start, end), and whether they answered.
-- Columns: node, at, answered
SELECT n.name, p.at, p.failure = ''
FROM metrics_node AS n JOIN metrics_poll AS p ON p.node_id = n.id
WHERE n.tier_id = %(tier)s AND p.at >= %(start)s AND p.at < %(end)s
