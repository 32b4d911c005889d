-- Purpose: hours that were sealed lately and have had more polls since; they have to be sealed again.
SELECT s.hour
FROM metrics_sealed s
JOIN (
    SELECT date_bin('1 hour', at, '1970-01-01 UTC') AS hour, count(*) AS polls
    FROM metrics_poll
    WHERE at >= (SELECT metrics_sealed_until()) - %s::interval AND at < (SELECT metrics_sealed_until())
    GROUP BY 1
) AS now ON now.hour = s.hour
WHERE now.polls > s.polls
ORDER BY s.hour
