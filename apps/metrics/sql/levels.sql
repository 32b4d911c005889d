-- Levels of history in chunks, beside the rows of the last days: see docs/decisions/0017.
-- Owned by the migration's login. The serving login may read, add rows, and call the functions; what it keeps in chunks it may
-- replace only while the rows it was made from are still there.

-- Every table of history that is cut by time, and how many days one partition holds.
CREATE TABLE metrics_history_table (
    name text PRIMARY KEY,
    days int NOT NULL
);
INSERT INTO metrics_history_table VALUES
    ('metrics_sample', 1), ('metrics_poll', 1), ('metrics_chunk_raw', 1), ('metrics_chunk_5m', 8), ('metrics_chunk_1h', 32);

-- One row for each whole hour that was put into chunks, with the number of polls it had then. The latest is the watermark.
CREATE TABLE metrics_sealed (
    hour timestamptz PRIMARY KEY,
    polls bigint NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE metrics_chunk_raw (
    series_id bigint NOT NULL,
    start timestamptz NOT NULL,
    packed bytea NOT NULL,
    PRIMARY KEY (series_id, start)
) PARTITION BY RANGE (start);
ALTER TABLE metrics_chunk_raw ALTER packed SET STORAGE EXTERNAL; -- it is compressed already
CREATE TABLE metrics_chunk_5m (LIKE metrics_chunk_raw INCLUDING ALL) PARTITION BY RANGE (start);
CREATE TABLE metrics_chunk_1h (LIKE metrics_chunk_raw INCLUDING ALL) PARTITION BY RANGE (start);

CREATE OR REPLACE FUNCTION metrics_make_partitions(first date, days int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made int := 0;
    parent record;
    day date;
    child text;
BEGIN
    IF days NOT BETWEEN 1 AND 400 THEN
        RAISE EXCEPTION 'days must be between 1 and 400, not %', days;
    END IF;
    FOR parent IN SELECT t.name, t.days AS held FROM metrics_history_table t ORDER BY t.name LOOP
        FOR day IN
            SELECT DISTINCT '1970-01-01'::date + (first + n - '1970-01-01'::date) / parent.held * parent.held
            FROM generate_series(0, days - 1) AS n
        LOOP
            child := parent.name || to_char(day, '_YYYYMMDD');
            CONTINUE WHEN to_regclass(format('public.%I', child)) IS NOT NULL;
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                child, parent.name, day::timestamp AT TIME ZONE 'UTC', (day + parent.held)::timestamp AT TIME ZONE 'UTC'
            );
            -- default privileges let the serving login change rows; of history it may only add some, to chunks not even that
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'opsportal_app') THEN
                EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %I FROM opsportal_app', child);
                IF parent.name LIKE 'metrics\_chunk\_%' THEN
                    EXECUTE format('REVOKE INSERT ON %I FROM opsportal_app', child);
                END IF;
            END IF;
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;

-- The end of the last hour that is in chunks; rows before it serve no reader any more.
CREATE FUNCTION metrics_sealed_until() RETURNS timestamptz
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT coalesce(max(hour) + interval '1 hour', '-infinity') FROM metrics_sealed
$$;

DROP FUNCTION metrics_drop_partitions(date);

-- Drop the partitions of one table that end before a day. Rows go only when they are in chunks, with two days to spare.
CREATE FUNCTION metrics_drop_partitions(parent text, before date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    dropped int := 0;
    held int;
    child regclass;
BEGIN
    SELECT t.days INTO held FROM metrics_history_table t WHERE t.name = parent;
    IF held IS NULL THEN
        RAISE EXCEPTION '% is no table of history', parent;
    END IF;
    IF before IS NULL OR before > current_date - 1 THEN
        RAISE EXCEPTION 'the last day is never dropped (asked for before %)', before;
    END IF;
    IF parent = 'metrics_sample' AND before > (metrics_sealed_until() AT TIME ZONE 'UTC')::date - 1 THEN
        RAISE EXCEPTION 'rows before % are not all in chunks for a day', before;
    END IF;
    FOR child IN
        SELECT i.inhrelid::regclass FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass(format('public.%I', parent))
          AND c.relname ~ '_[0-9]{8}$' AND to_date(right(c.relname, 8), 'YYYYMMDD') + held <= before
    LOOP
        EXECUTE format('DROP TABLE %s', child);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;

-- Keep chunks of one level, replacing those that are still open. A chunk that ended two days before the watermark is final.
CREATE FUNCTION metrics_keep_chunks(parent text, begin timestamptz, ids bigint[], contents bytea[]) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    span interval;
    kept int;
BEGIN
    span := CASE parent
        WHEN 'metrics_chunk_raw' THEN interval '6 hours'
        WHEN 'metrics_chunk_5m' THEN interval '24 hours'
        WHEN 'metrics_chunk_1h' THEN interval '768 hours'
    END;
    IF span IS NULL THEN
        RAISE EXCEPTION '% is no level of history', parent;
    END IF;
    IF begin IS NULL OR date_bin(span, begin, '1970-01-01 UTC') <> begin THEN
        RAISE EXCEPTION 'no chunk of % begins at %', parent, begin;
    END IF;
    IF begin + span <= metrics_sealed_until() - interval '2 days' THEN
        RAISE EXCEPTION 'the chunks of % from % on are final', parent, begin;
    END IF;
    EXECUTE format(
        'INSERT INTO %I AS mine (series_id, start, packed) SELECT id, $1, content FROM unnest($2, $3) AS u(id, content)'
        ' ON CONFLICT (series_id, start) DO UPDATE SET packed = excluded.packed WHERE mine.packed <> excluded.packed',
        parent
    ) USING begin, ids, contents;
    GET DIAGNOSTICS kept = ROW_COUNT;
    RETURN kept;
END $$;

REVOKE ALL ON FUNCTION metrics_make_partitions(date, int), metrics_drop_partitions(text, date), metrics_sealed_until(),
    metrics_keep_chunks(text, timestamptz, bigint[], bytea[]) FROM PUBLIC;
SELECT metrics_make_partitions(current_date - 1, 8);
