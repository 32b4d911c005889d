-- lab_neglected.message: a partitioned table of the lab's own, by time and without a gap, that nobody looks after. Its first partition is
-- older than the programme keeps a table of this name, its third holds far more rows than the others, and it was never analysed.
-- Run by: a superuser, as a fault of the lab; dropping the schema heals it.

CREATE SCHEMA lab_neglected;
GRANT USAGE ON SCHEMA lab_neglected TO opsportal_poll;
CREATE TABLE lab_neglected.message (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
GRANT SELECT ON lab_neglected.message TO opsportal_poll;
DO $$
DECLARE
    bounds integer[] := '{-50, -40, -20, 0, 1, 2, 3, 4}';  -- months from the present one
    filled integer[] := '{10, 10, 200, 0, 0, 0, 0}';
    month timestamptz := date_trunc('month', now());
BEGIN
    FOR n IN 1..cardinality(filled) LOOP
        EXECUTE format(
            'CREATE TABLE lab_neglected.message_%s PARTITION OF lab_neglected.message FOR VALUES FROM (%L) TO (%L)',
            n, month + make_interval(months => bounds[n]), month + make_interval(months => bounds[n + 1]));
        INSERT INTO lab_neglected.message
        SELECT month + make_interval(months => bounds[n]) FROM generate_series(1, filled[n]);
    END LOOP;
END
$$;
