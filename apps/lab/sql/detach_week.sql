-- message_queue: detach the third of the weeks to come, and keep it as a table of its own. They are empty.
-- Run by: a superuser, as a fault of the lab; drop_detached_weeks.sql heals it.

DO $$
DECLARE
    week regclass;
BEGIN
    week := (
        SELECT c.oid::regclass
        FROM pg_class AS c
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname ~ '^message_queue_\d{4}w\d{2}$'
            AND to_date(right(relname, 7), 'IYYY"w"IW') > now()
            AND relispartition
        ORDER BY relname OFFSET 2 LIMIT 1);
    EXECUTE format('ALTER TABLE message_queue DETACH PARTITION %s', week);
END
$$;
