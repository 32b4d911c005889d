-- Day partitions of the portal's own history, made ahead and dropped when past retention.
-- Owned by the migration's login; the serving login may only call the two functions.

CREATE TABLE metrics_sample (
    series_id bigint NOT NULL,
    at timestamptz NOT NULL,
    value double precision,
    PRIMARY KEY (series_id, at)
) PARTITION BY RANGE (at);

CREATE TABLE metrics_poll (
    node_id bigint NOT NULL,
    at timestamptz NOT NULL,          -- the slot
    failure text NOT NULL DEFAULT '', -- empty: it answered
    message text NOT NULL DEFAULT '',
    duration_seconds double precision NOT NULL,
    clock_offset_seconds double precision,
    PRIMARY KEY (node_id, at)
) PARTITION BY RANGE (at);

CREATE FUNCTION metrics_make_partitions(first date, days int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made int := 0;
    day date;
    parent text;
BEGIN
    IF days NOT BETWEEN 1 AND 400 THEN
        RAISE EXCEPTION 'days must be between 1 and 400, not %', days;
    END IF;
    FOR day IN SELECT first + n FROM generate_series(0, days - 1) AS n LOOP
        FOREACH parent IN ARRAY ARRAY['metrics_sample', 'metrics_poll'] LOOP
            IF to_regclass(format('public.%I', parent || to_char(day, '_YYYYMMDD'))) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                    parent || to_char(day, '_YYYYMMDD'), parent,
                    day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC'
                );
                -- default privileges let the serving login change rows; of history it may only add some
                IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'opsportal_app') THEN
                    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %I FROM opsportal_app', parent || to_char(day, '_YYYYMMDD'));
                END IF;
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

CREATE FUNCTION metrics_drop_partitions(before date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    dropped int := 0;
    child regclass;
BEGIN
    IF before > current_date - 1 THEN
        RAISE EXCEPTION 'the last day is never dropped (asked for before %)', before;
    END IF;
    FOR child IN
        SELECT i.inhrelid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('metrics_sample'::regclass, 'metrics_poll'::regclass)
          AND c.relname ~ '_[0-9]{8}$' AND to_date(right(c.relname, 8), 'YYYYMMDD') < before
    LOOP
        EXECUTE format('DROP TABLE %s', child);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;

REVOKE ALL ON FUNCTION metrics_make_partitions(date, int), metrics_drop_partitions(date) FROM PUBLIC;
SELECT metrics_make_partitions(current_date - 1, 8);
