-- Purpose: what happened to a tier within a range, newest first: entries of the ledger of the kinds that are marked, alerts opened and closed.
-- Parameters: tier's slug, kinds, from, to, tier's id, from, to, from, to, most.
-- Columns: at, kind (of the entry; alert.open, alert.close), state (of an alert), of (check), node, object, actor, body (of an entry).
SELECT at, kind, '' AS state, '' AS of, '' AS node, '' AS object, actor, body
FROM ledger_entry
WHERE tier = %s AND kind = ANY(%s) AND at >= %s AND at < %s
UNION ALL
SELECT moment.at, moment.kind, a.state, a.check_id, coalesce(n.name, ''), a.object, '', NULL
FROM metrics_alert AS a
LEFT JOIN metrics_node AS n ON n.id = a.node_id
CROSS JOIN LATERAL (VALUES (a.opened_at, 'alert.open'), (a.closed_at, 'alert.close')) AS moment (at, kind)
WHERE a.tier_id = %s AND moment.at >= %s AND moment.at < %s AND (a.closed_at IS NULL OR a.closed_at >= %s) AND a.opened_at < %s
ORDER BY at DESC
LIMIT %s
