-- lab_forgotten: a partitioned table of the lab's own, empty, by day and with ten days ahead, whose last partition was attached five days ago.
-- Its transaction gets that time as one does that a subscription brings from elsewhere.
-- Run by: a superuser, as a fault of the lab; dropping the table and the origin heals it.

SELECT pg_replication_origin_create('lab_forgotten');
SELECT pg_replication_origin_session_setup('lab_forgotten');
BEGIN;
SELECT pg_replication_origin_xact_setup('0/1', now() - interval '5 days');
CREATE TABLE lab_forgotten (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
DO $$
DECLARE
    midnight timestamp := date_trunc('day', now() AT TIME ZONE 'UTC');
BEGIN
    FOR n IN -1..10 LOOP
        EXECUTE format(
            'CREATE TABLE lab_forgotten_%s PARTITION OF lab_forgotten FOR VALUES FROM (%L) TO (%L)',
            n + 2, (midnight + n * interval '1 day') AT TIME ZONE 'UTC', (midnight + (n + 1) * interval '1 day') AT TIME ZONE 'UTC');
    END LOOP;
END
$$;
COMMIT;
SELECT pg_replication_origin_session_reset();
