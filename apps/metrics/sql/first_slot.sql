-- Purpose: the first slot of any tier that is remembered; one look at the index for each tier.
SELECT min(first.at)
FROM metrics_tier AS t CROSS JOIN LATERAL (SELECT min(s.at) AS at FROM metrics_slot AS s WHERE s.tier_id = t.id) AS first
