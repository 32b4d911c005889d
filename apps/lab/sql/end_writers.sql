-- The portal's store: end the sessions that wait to write of a poll; how many were ended.
-- Run by: a superuser who locks metrics_poll against them, as a fault of the lab.
SELECT count(*) FILTER (WHERE pg_terminate_backend(waiting.pid, 5000))
FROM pg_locks AS waiting
WHERE waiting.relation = 'metrics_poll'::regclass AND waiting.mode = 'RowExclusiveLock' AND NOT waiting.granted
    AND waiting.database = (SELECT oid FROM pg_database WHERE datname = current_database())
