-- message_queue: drop the weeks that are further ahead than the four that are kept. They are empty.
-- Run by: a superuser, to heal a fault of the lab.

DO $$
DECLARE
    week regclass;
BEGIN
    FOR week IN
        SELECT c.oid::regclass
        FROM pg_class AS c
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname ~ '^message_queue_\d{4}w\d{2}$'
            AND to_date(right(relname, 7), 'IYYY"w"IW') > now() + interval '4 weeks'
    LOOP
        EXECUTE format('DROP TABLE %s', week);
    END LOOP;
END
$$;
