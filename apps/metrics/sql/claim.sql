-- Purpose: take a slot of a tier; no row comes back when somebody has it.
INSERT INTO metrics_slot (tier_id, at, claimed_at) VALUES (%s, %s, clock_timestamp())
ON CONFLICT (tier_id, at) DO NOTHING
RETURNING at
