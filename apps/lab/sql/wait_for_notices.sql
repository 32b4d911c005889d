-- Purpose: a channel of the lab's tier whose receiver is broken on purpose, and notices that wait to be sent through it. Of one group
--   (%(groups)s = 1) they are sent one after the other; of as many groups as there are notices, each by itself.
-- Run by: a superuser, in the portal's database. Parameters: target, encrypted as the portal does it; shown, name, message, count, groups.
-- Columns: channel, its id; no row where the portal has no such tier or knows nobody.
WITH made AS (
    INSERT INTO metrics_channel (tier_id, name, kind, target, shown, secret, least, tells_silence, tells_end, made_at, made_by_id)
    SELECT t.id, %(name)s, 'json', %(target)s, %(shown)s, '', 'fail', false, false, now(), p.id
    FROM metrics_tier AS t, (SELECT min(id) AS id FROM accounts_person) AS p
    WHERE t.slug = %(tier)s AND p.id IS NOT NULL
    RETURNING id
), waiting AS (
    INSERT INTO metrics_delivery (id, channel_id, "group", message, made_at, state, attempts, next_at, problem)
    SELECT gen_random_uuid(), made.id, 'test ' || n %% %(groups)s, %(message)s, now() + n * interval '1 microsecond', 'pending', 0, now(), ''
    FROM made, generate_series(1, %(count)s) AS n
)
SELECT id AS channel FROM made
