-- Purpose: the tiers a person may see (seen null: all of them), how many open alerts of each call somebody (not muted, not explained), and the mark (mark.sql) of the named one,
-- of each where none is named.
-- Columns: those of metrics_tier, open_alerts, mark
SELECT t.id, t.slug, t.name, t.time_zone, t.created_at,
       (SELECT count(*) FROM metrics_alert a WHERE a.tier_id = t.id AND a.closed_at IS NULL AND a.mute_id IS NULL AND a.cause_id IS NULL) AS open_alerts,
       CASE WHEN t.slug = %(named)s OR %(named)s = '' THEN (/*mark*/) END AS mark
FROM metrics_tier t
WHERE %(seen)s::text[] IS NULL OR t.slug = ANY (%(seen)s::text[])
ORDER BY t.id
