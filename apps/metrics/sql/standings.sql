-- Purpose: the present verdicts of a tier.
-- Columns: check_id, node (NULL: the tier's own), object, state, value, at, since, failing_since
SELECT s.check_id, n.name AS node, s.object, s.state, s.value, s.at, s.since, s.failing_since
FROM metrics_standing AS s
LEFT JOIN metrics_node AS n ON n.id = s.node_id
WHERE s.tier_id = %s
