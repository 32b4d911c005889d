-- Purpose: what the nodes that answered the last poll said to these probes, for those who scrape the portal under exporters' names.
-- Privilege: SELECT on the portal's own tables. As in latest.sql, what is older than ten minutes is left out.
-- Columns: tier, node (empty: the tier's own), probe, rows (JSON)
SELECT t.slug AS tier, coalesce(n.name, '') AS node, a.probe, a.rows::text AS rows
FROM metrics_latestanswer a
JOIN metrics_tier t ON t.id = a.tier_id
LEFT JOIN metrics_node n ON n.id = a.node_id
LEFT JOIN metrics_nodestatus s ON s.node_id = n.id
WHERE a.probe = ANY (%(probes)s) AND a.failure = '' AND a.at > now() - interval '10 minutes'
  AND (n.id IS NULL OR (n.removed_at IS NULL AND s.up))
ORDER BY t.slug, node, a.probe
