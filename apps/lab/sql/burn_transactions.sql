-- Use up a million transaction ids: of subtransactions that write to a temporary table, which costs hardly any WAL.
-- Run by: the login app, inside a transaction without limits, as a fault of the lab. Nothing takes ids back; there are two thousand million.

CREATE TEMPORARY TABLE lab_burnt () ON COMMIT DROP;
DO $$
BEGIN
    FOR n IN 1..1000000 LOOP
        BEGIN
            INSERT INTO lab_burnt DEFAULT VALUES;
        EXCEPTION WHEN data_exception THEN
            NULL;  -- what makes it a subtransaction
        END;
    END LOOP;
END
$$;
