-- What makes and drops partitions of history, table by table, and writes down each time that it did.
-- Purpose: making and dropping lock the table itself. Whatever waits for that lock keeps polls and pages waiting behind it, and a
-- dump may hold it for hours: after two seconds it is given up, and tried again later. The record is written in the same transaction,
-- so it says neither more nor less than what was done. Workers that make or drop the same ones at once take turns: the later one looks again
-- once it has the table, and finds it done, instead of failing at what the other did; with nothing to do no lock is taken.
-- Privilege: EXECUTE; they run as the owner.

CREATE FUNCTION metrics_make_partitions(parent text, first date, days int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    made int := 0;
    held int;
    day date;
    child text;
BEGIN
    SELECT t.days INTO held FROM metrics_history_table t WHERE t.name = parent;
    IF held IS NULL THEN
        RAISE EXCEPTION '% is no table of history', parent;
    END IF;
    IF first IS NULL OR days IS NULL OR days NOT BETWEEN 1 AND 400 THEN
        RAISE EXCEPTION 'days must be between 1 and 400, not %', days;
    END IF;
    FOR day IN
        SELECT DISTINCT '1970-01-01'::date + (first + n - '1970-01-01'::date) / held * held
        FROM generate_series(0, days - 1) AS n
        ORDER BY 1
    LOOP
        child := parent || to_char(day, '_YYYYMMDD');
        CONTINUE WHEN to_regclass(format('public.%I', child)) IS NOT NULL;
        EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', parent);
        CONTINUE WHEN to_regclass(format('public.%I', child)) IS NOT NULL;
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
            child, parent, day::timestamp AT TIME ZONE 'UTC', (day + held)::timestamp AT TIME ZONE 'UTC'
        );
        -- default privileges let the serving login change rows; of history it may only add some, to chunks not even that
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'opsportal_app') THEN
            EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %I FROM opsportal_app', child);
            IF parent LIKE 'metrics\_chunk\_%' THEN
                EXECUTE format('REVOKE INSERT ON %I FROM opsportal_app', child);
            END IF;
        END IF;
        made := made + 1;
    END LOOP;
    IF made > 0 THEN
        INSERT INTO metrics_upkeep (parent, deed, at, partitions, error, tries, tried_at)
        VALUES (parent, 'make', now(), made, '', 1, now());
    END IF;
    RETURN made;
END $$;

-- Of all tables at once, as whoever seals an hour needs it, and people by hand. ($2, because the table has a column of that name.)
CREATE OR REPLACE FUNCTION metrics_make_partitions(first date, days int) RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(sum(metrics_make_partitions(t.name, $1, $2)), 0)::int FROM metrics_history_table t
$$;

CREATE OR REPLACE FUNCTION metrics_drop_partitions(parent text, before date) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    dropped int := 0;
    held int;
    locked boolean := false;
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
    -- The name is read as a day only where it is a partition's of this table: see migration 0008.
    LOOP
        SELECT i.inhrelid::regclass INTO child FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass(format('public.%I', parent))
          AND CASE WHEN c.relname ~ format('^%s_[0-9]{8}$', parent)
                   THEN to_date(right(c.relname, 8), 'YYYYMMDD') + held <= before ELSE false END
        LIMIT 1;
        EXIT WHEN child IS NULL;
        IF locked THEN
            EXECUTE format('DROP TABLE %s', child);
            dropped := dropped + 1;
        ELSE
            EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', parent);
            locked := true;
        END IF;
    END LOOP;
    IF dropped > 0 THEN
        INSERT INTO metrics_upkeep (parent, deed, at, partitions, error, tries, tried_at)
        VALUES (parent, 'drop', now(), dropped, '', 1, now());
    END IF;
    RETURN dropped;
END $$;

REVOKE ALL ON FUNCTION metrics_make_partitions(text, date, int) FROM PUBLIC;
