-- Drop the partitions of one table that end before a day. Rows go only when they are in chunks, with two days to spare.
-- Purpose: the name is read as a day only where it is a partition's of this table. Other relations may end in eight digits too,
-- as TOAST tables do once object ids are that long, and the planner may look at all of them.
-- Privilege: EXECUTE; it runs as the owner.
CREATE OR REPLACE FUNCTION metrics_drop_partitions(parent text, before date) RETURNS int
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
          AND CASE WHEN c.relname ~ format('^%s_[0-9]{8}$', parent)
                   THEN to_date(right(c.relname, 8), 'YYYYMMDD') + held <= before ELSE false END
    LOOP
        EXECUTE format('DROP TABLE %s', child);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
