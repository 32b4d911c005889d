-- Jobs whose advisory lock is held: somebody runs them.
-- Run by: the serving login. Parameter: class, the first number of the locks.
-- Columns: the second number, a job's modulo 2^31.
SELECT objid::int8
FROM pg_locks
WHERE locktype = 'advisory' AND classid = %(class)s::int8::oid AND objsubid = 2 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
