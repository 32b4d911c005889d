-- Purpose: what the store knows of the portal's own work: its processes, its outbox, the examination of its ledger.
-- Columns: worker_seconds, beat_seconds (since one said that it lives; NULL: never, or all were stopped in an orderly way),
--   worker_since (start of the oldest worker that lives), outbox_waiting, outbox_seconds (age of the oldest delivery that waits),
--   outbox_given_up (deliveries whose last attempt was within 24 h and that reached nobody; `next_at` is the end of that attempt's lease;
--   not those of removed channels, of people who get no mail now, and of this figure's own alert), outbox_given_up_seconds (since the last of them),
--   ledger_seconds (since its last examination that ended in a signature), ledger_entries (how many that one was over),
--   ledger_finding (what a later one found wrong)
SELECT
    worker.age AS worker_seconds, beat.age AS beat_seconds, worker.since AS worker_since,
    outbox.waiting AS outbox_waiting, outbox.age AS outbox_seconds,
    lost.deliveries AS outbox_given_up, lost.age AS outbox_given_up_seconds,
    extract(epoch FROM clock_timestamp() - signed.at)::float8 AS ledger_seconds, signed.size AS ledger_entries,
    (SELECT f.said FROM ledger_finding AS f WHERE f.at > coalesce(signed.at, '-infinity') ORDER BY f.id DESC LIMIT 1) AS ledger_finding
FROM (
    SELECT extract(epoch FROM clock_timestamp() - max(seen_at))::float8 AS age,
        min(started_at) FILTER (WHERE seen_at > clock_timestamp() - %(fresh)s::interval) AS since
    FROM metrics_processrun WHERE name = %(worker)s AND stopped_at IS NULL
) AS worker, (
    SELECT extract(epoch FROM clock_timestamp() - max(seen_at))::float8 AS age
    FROM metrics_processrun WHERE name = %(beat)s AND stopped_at IS NULL
) AS beat, (
    SELECT count(*) AS waiting, extract(epoch FROM clock_timestamp() - min(made_at))::float8 AS age
    FROM metrics_delivery WHERE state = 'pending'
) AS outbox, (
    SELECT count(*) AS deliveries, greatest(extract(epoch FROM clock_timestamp() - max(d.next_at))::float8, 0) AS age
    FROM metrics_delivery AS d
    LEFT JOIN metrics_channel AS c ON c.id = d.channel_id
    LEFT JOIN accounts_person AS p ON p.id = d.person_id
    WHERE d.state = 'given up' AND d.next_at > clock_timestamp() - interval '24 hours'
        AND d.message -> 'changes' @@ '$[*].check != "portal.outbox_given_up"'
        AND CASE WHEN d.channel_id IS NULL THEN p.is_active AND p.tell_turns AND p.email <> '' ELSE c.removed_at IS NULL END
) AS lost
LEFT JOIN LATERAL (SELECT at, size FROM ledger_checkpoint ORDER BY size DESC LIMIT 1) AS signed ON true
