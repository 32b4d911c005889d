-- pg_stat_statements: run statements of ever new shapes until its list was full and it dropped the least used ones once.
-- Run by: a superuser in the database postgres, where nobody else works, as a fault of the lab; forget_statements.sql heals it.
-- A shape is 31 columns, each a number or a truth value: the digits of a number that is hardly drawn twice.

SET pg_stat_statements.track = 'all';
DO $$
DECLARE
    before bigint := (SELECT dealloc FROM pg_stat_statements_info);
    start integer := (random() * 1000000000)::integer;
BEGIN
    FOR n IN start..start + 50000 LOOP
        EXECUTE 'SELECT ' || rtrim(replace(replace(regexp_replace(n::bit(31)::text, '(.)', '\1,', 'g'), '1', 'true'), '0', '1'), ',');
        EXIT WHEN n % 100 = 0 AND (SELECT dealloc FROM pg_stat_statements_info) > before;
    END LOOP;
END
$$;
