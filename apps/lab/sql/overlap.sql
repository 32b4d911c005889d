-- lab_overlapping: a partitioned table of the lab's own, empty, by week and a month ahead, whose last week claims the day before it too.
-- PostgreSQL refuses to make such: the catalog is damaged by hand, with a bound that another table's partition has. No two bounds are equal,
-- which is what the server's own list of them relies on.
-- Run by: a superuser, as a fault of the lab; dropping it heals it.

CREATE TABLE lab_overlapping (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
CREATE TABLE lab_overlapping_donor (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
DO $$
DECLARE
    monday timestamp := date_trunc('week', now() AT TIME ZONE 'UTC');
BEGIN
    FOR n IN -1..4 LOOP
        EXECUTE format(
            'CREATE TABLE lab_overlapping_%s PARTITION OF lab_overlapping FOR VALUES FROM (%L) TO (%L)',
            n + 2, (monday + n * interval '7 days') AT TIME ZONE 'UTC', (monday + (n + 1) * interval '7 days') AT TIME ZONE 'UTC');
    END LOOP;
    EXECUTE format(
        'CREATE TABLE lab_overlapping_donor_1 PARTITION OF lab_overlapping_donor FOR VALUES FROM (%L) TO (%L)',
        (monday + interval '27 days') AT TIME ZONE 'UTC', (monday + interval '34 days') AT TIME ZONE 'UTC');
END
$$;
SET LOCAL allow_system_table_mods = on;
UPDATE pg_class
SET relpartbound = (SELECT relpartbound FROM pg_class WHERE oid = 'lab_overlapping_donor_1'::regclass)
WHERE oid = 'lab_overlapping_6'::regclass;
UPDATE pg_class SET relname = relname WHERE oid = 'lab_overlapping'::regclass;  -- has every session read its partitions anew
DROP TABLE lab_overlapping_donor;
