-- Purpose: the ledger's tables, and the rules that hold whoever writes: order, chain, no change, no removal.
-- Privilege: the owner of the portal's database. The serving login may SELECT and INSERT entries, nothing else.
-- Columns: seq 1, 2, 3 … without gaps; at: the store's clock; body: RFC 8785 JSON in UTF-8; hashes: 32 bytes, SHA-256.

CREATE TABLE ledger_entry (
    seq       bigint      PRIMARY KEY CHECK (seq > 0),
    at        timestamptz NOT NULL CHECK (isfinite(at)),
    actor     text        NOT NULL CHECK (actor <> ''),
    kind      text        NOT NULL CHECK (kind <> ''),
    subject   text        NOT NULL CHECK (subject <> ''),
    tier      text        NOT NULL,
    body      bytea       NOT NULL,
    prev_hash bytea       NOT NULL CHECK (octet_length(prev_hash) = 32),
    hash      bytea       NOT NULL CHECK (octet_length(hash) = 32)
);
CREATE INDEX ledger_entry_kind    ON ledger_entry (kind, seq DESC);
CREATE INDEX ledger_entry_actor   ON ledger_entry (actor, seq DESC);
CREATE INDEX ledger_entry_tier    ON ledger_entry (tier, seq DESC);
CREATE INDEX ledger_entry_subject ON ledger_entry (subject text_pattern_ops, seq DESC);
CREATE INDEX ledger_entry_at      ON ledger_entry (at);

CREATE TABLE ledger_head (
    id   smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    seq  bigint   NOT NULL,
    hash bytea    NOT NULL CHECK (octet_length(hash) = 32)
) WITH (fillfactor = 50);
INSERT INTO ledger_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

CREATE FUNCTION ledger_netstring(part bytea) RETURNS bytea
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN convert_to(octet_length(part)::text, 'UTF8') || '\x3a'::bytea || part || '\x2c'::bytea;

-- The leaf's exact bytes (see leaf.py) and their RFC 6962 leaf hash.
CREATE FUNCTION ledger_hash(e ledger_entry) RETURNS bytea
    LANGUAGE sql STABLE STRICT PARALLEL SAFE
    RETURN sha256(
        '\x00'::bytea
        || ledger_netstring(convert_to('opsportal.ledger/entry/1', 'UTF8'))
        || ledger_netstring(convert_to(e.seq::text, 'UTF8'))
        || ledger_netstring(convert_to(to_char(e.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'UTF8'))
        || ledger_netstring(convert_to(e.actor, 'UTF8'))
        || ledger_netstring(convert_to(e.kind, 'UTF8'))
        || ledger_netstring(convert_to(e.subject, 'UTF8'))
        || ledger_netstring(convert_to(e.tier, 'UTF8'))
        || ledger_netstring(e.prev_hash)
        || ledger_netstring(e.body)
    );

-- One writer at a time until its commit; each statement in here sees what the writer before has committed.
CREATE FUNCTION ledger_lock(OUT seq bigint, OUT hash bytea, OUT at timestamptz)
    LANGUAGE plpgsql VOLATILE SET search_path = {schema}, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('opsportal'), hashtext('ledger'));
    SELECT h.seq, h.hash, clock_timestamp() INTO STRICT seq, hash, at FROM ledger_head h;
END $$;

-- Runs with the owner's rights: it alone may move the head. pg_temp stands last, or a temporary table could pose as the head.
CREATE FUNCTION ledger_admit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
DECLARE
    head ledger_head;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('opsportal'), hashtext('ledger'));
    SELECT * INTO STRICT head FROM ledger_head;
    IF NEW.seq <> head.seq + 1 THEN
        RAISE EXCEPTION 'ledger: entry % does not follow entry %', NEW.seq, head.seq USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.prev_hash <> head.hash THEN
        RAISE EXCEPTION 'ledger: entry % does not link to entry %', NEW.seq, head.seq USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.hash <> ledger_hash(NEW) THEN
        RAISE EXCEPTION 'ledger: the hash of entry % is not the hash of its content', NEW.seq USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE ledger_head SET seq = NEW.seq, hash = NEW.hash;
    RETURN NEW;
END $$;

CREATE FUNCTION ledger_refuse() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger: % of % is refused; the ledger is only appended to', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER ledger_admit BEFORE INSERT ON ledger_entry FOR EACH ROW EXECUTE FUNCTION ledger_admit();
CREATE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE ON ledger_entry FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger_entry FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_head_stays BEFORE INSERT OR DELETE ON ledger_head FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_head_no_truncate BEFORE TRUNCATE ON ledger_head FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
-- ALWAYS: also where session_replication_role would switch ordinary triggers off.
ALTER TABLE ledger_entry ENABLE ALWAYS TRIGGER ledger_admit;
ALTER TABLE ledger_entry ENABLE ALWAYS TRIGGER ledger_no_change;
ALTER TABLE ledger_entry ENABLE ALWAYS TRIGGER ledger_no_truncate;
ALTER TABLE ledger_head ENABLE ALWAYS TRIGGER ledger_head_stays;
ALTER TABLE ledger_head ENABLE ALWAYS TRIGGER ledger_head_no_truncate;

REVOKE ALL ON ledger_entry, ledger_head FROM PUBLIC, {app};
GRANT SELECT, INSERT ON ledger_entry TO {app};
GRANT SELECT ON ledger_head TO {app};
-- A trigger function lends its owner's rights to whatever table it is put on: by way of a table and a cast of its own, a login
-- that may EXECUTE it would run anything as the owner. Firing on ledger_entry needs no such right.
REVOKE ALL ON FUNCTION ledger_admit(), ledger_refuse() FROM PUBLIC, {app};
