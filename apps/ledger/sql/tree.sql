-- Purpose: the Merkle tree's hashes of whole groups, the signed checkpoints, and what an examination found.
-- Privilege: the owner of the portal's database. The serving login may SELECT; it may add checkpoints and findings, and renew a note.
-- Columns: level 1 is over 256 entries, level 2 over 65536, …; at: the store's clock; hashes: 32 bytes, SHA-256.

CREATE TABLE ledger_tile (
    level smallint NOT NULL CHECK (level > 0),
    index bigint   NOT NULL CHECK (index >= 0),
    hash  bytea    NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, index)
);

-- One row a size: a later signature over the same entries replaces the earlier one, since it says the same and more recently.
CREATE TABLE ledger_checkpoint (
    size bigint      PRIMARY KEY CHECK (size >= 0),
    root bytea       NOT NULL CHECK (octet_length(root) = 32),
    at   timestamptz NOT NULL,
    note text        NOT NULL
);

CREATE TABLE ledger_finding (
    id   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at   timestamptz NOT NULL,
    said text        NOT NULL CHECK (said <> '')
);

-- RFC 6962's root over 256 neighbours: eight rounds of SHA-256(0x01 || left || right).
CREATE FUNCTION ledger_fold(hashes bytea[]) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    folded bytea[];
BEGIN
    IF cardinality(hashes) <> 256 THEN
        RAISE EXCEPTION 'ledger: a group has 256 hashes, not %', cardinality(hashes);
    END IF;
    WHILE cardinality(hashes) > 1 LOOP
        SELECT array_agg(sha256('\x01'::bytea || hashes[2 * n - 1] || hashes[2 * n]) ORDER BY n)
          INTO folded FROM generate_series(1, cardinality(hashes) / 2) AS n;
        hashes := folded;
    END LOOP;
    RETURN hashes[1];
END $$;

-- The group that entry `seq` completes, and the groups of groups that it completes with it.
CREATE FUNCTION ledger_complete(seq bigint) RETURNS void
    LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    step smallint := 1;
    groups bigint := seq / 256;
    hashes bytea[];
BEGIN
    SELECT array_agg(e.hash ORDER BY e.seq) INTO hashes FROM ledger_entry e WHERE e.seq > ledger_complete.seq - 256 AND e.seq <= ledger_complete.seq;
    LOOP
        INSERT INTO ledger_tile VALUES (step, groups - 1, ledger_fold(hashes));
        EXIT WHEN groups % 256 <> 0;
        SELECT array_agg(t.hash ORDER BY t.index) INTO hashes FROM ledger_tile t
         WHERE t.level = step AND t.index >= groups - 256 AND t.index < groups;
        step := step + 1;
        groups := groups / 256;
    END LOOP;
END $$;

-- Runs with the owner's rights: it alone may add to the tree (see ledger_admit on search_path).
CREATE FUNCTION ledger_grow() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = {schema}, pg_temp AS $$
BEGIN
    PERFORM ledger_complete(NEW.seq);
    RETURN NULL;
END $$;

-- A checkpoint's note may be renewed; what it is over may not.
CREATE FUNCTION ledger_renew() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size <> OLD.size OR NEW.root <> OLD.root OR NEW.at < OLD.at THEN
        RAISE EXCEPTION 'ledger: the checkpoint of % entries stands', OLD.size USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

SELECT ledger_complete(seq) FROM ledger_entry WHERE seq % 256 = 0 ORDER BY seq;

CREATE TRIGGER ledger_grow AFTER INSERT ON ledger_entry FOR EACH ROW WHEN (NEW.seq % 256 = 0) EXECUTE FUNCTION ledger_grow();
CREATE TRIGGER ledger_tile_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_tile FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_renew BEFORE UPDATE ON ledger_checkpoint FOR EACH ROW EXECUTE FUNCTION ledger_renew();
CREATE TRIGGER ledger_checkpoint_stays BEFORE DELETE OR TRUNCATE ON ledger_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_finding_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_finding FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
ALTER TABLE ledger_entry ENABLE ALWAYS TRIGGER ledger_grow;
ALTER TABLE ledger_tile ENABLE ALWAYS TRIGGER ledger_tile_stays;
ALTER TABLE ledger_checkpoint ENABLE ALWAYS TRIGGER ledger_renew;
ALTER TABLE ledger_checkpoint ENABLE ALWAYS TRIGGER ledger_checkpoint_stays;
ALTER TABLE ledger_finding ENABLE ALWAYS TRIGGER ledger_finding_stays;

REVOKE ALL ON ledger_tile, ledger_checkpoint, ledger_finding FROM PUBLIC, {app};
GRANT SELECT ON ledger_tile TO {app};
GRANT SELECT, INSERT, UPDATE (at, note) ON ledger_checkpoint TO {app};
GRANT SELECT, INSERT ON ledger_finding TO {app};
REVOKE ALL ON FUNCTION ledger_grow(), ledger_renew(), ledger_complete(bigint) FROM PUBLIC, {app};
