"""A PostgreSQL node: that the polling login can change nothing there, and the lines that take away what it could."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from apps.metrics.kernel import Row
from apps.overview.doctor.asked import OWN_LOGIN, SHARED, Asked
from apps.overview.doctor.finding import Finding, State

READS_ONLY = ("nodes.reads_only", "Reads only")
MOST_TOLD = 3


def name(text: str) -> str:
    """A name as SQL takes it."""
    return sql.Identifier(text).as_string(None)


@dataclass(frozen=True, slots=True)
class Written:
    """What a login could change: in words, the line that takes it away, and whether everybody may."""

    told: str
    line: str
    everybody: bool
    mild: bool  # PUBLIC may create in a schema, as it is by default before PostgreSQL 15


def examine(asked: Asked, row: Row, found: Sequence[Row], where: str) -> Finding:
    """`row`: of polling_login.sql; `found`: rows of writable.sql; `where`: where lines are run."""
    login = row["login"]
    if row["attributes"]:
        undone = " ".join(f"NO{attribute}" for attribute in row["attributes"].split(" "))
        told = f"{login} is {row['attributes']}: whoever gets hold of its password could change the server."
        if "SUPERUSER" in row["attributes"] and login != OWN_LOGIN:
            remedy = "Give the portal a login of its own, with a password for the …, and add the node again with it. On the primary:"
            line = f"CREATE ROLE {OWN_LOGIN} LOGIN PASSWORD '…' IN ROLE pg_monitor;"
        else:
            remedy, line = f"{SHARED} {where}", f"ALTER ROLE {name(login)} {undone};"
        return asked.finding(READS_ONLY, State.FAILURE, told, remedy, [line])
    if not found:
        return asked.finding(READS_ONLY, State.FINE, f"{login} may write to no table and create nothing")
    written = [_written(login, each) for each in found]
    more = f" And {len(written) - MOST_TOLD} more." if len(written) > MOST_TOLD else ""
    told = f"{login} may {'; '.join(each.told for each in written[:MOST_TOLD])}.{more}"
    if any(each.everybody for each in written):
        where = f"Others may count on what PUBLIC has: grant it to them first. {where}"
    if not all(each.everybody for each in written):
        where = f"{SHARED} {where}"
    state = State.WARNING if all(each.mild for each in written) else State.FAILURE
    return asked.finding(READS_ONLY, state, told, where, list(dict.fromkeys(each.line for each in written)))


def _written(login: str, row: Row) -> Written:
    everybody, through = row["everybody"], row["through"]
    own = through == login and not everybody
    told, line = _grant(row, "PUBLIC" if everybody else name(through))
    if not own and not everybody:
        by = "" if row["kind"] == "role" else f" through {through}"
        told, line = f"{told}{by}", f"REVOKE {name(through)} FROM {name(login)};"
    elif row["owned"]:  # an owner gives itself any right again
        line = f"REASSIGN OWNED BY {name(login)} TO CURRENT_USER;"
    told = f"{told} through PUBLIC" if everybody else told
    return Written(told, line, everybody, everybody and row["kind"] == "schema")


def _grant(row: Row, grantee: str) -> tuple[str, str]:
    """A right in words, and the line that revokes it from whom it was granted to."""
    match row["kind"]:
        case "role":
            return f"do what {row['object']} may", ""
        case "table":
            more = f" and {row['objects'] - 1} more of that schema" if row["objects"] > 1 else ""
            deeds = "INSERT, UPDATE, DELETE, TRUNCATE" + (", MAINTAIN" if row["maintains"] else "")
            line = f"REVOKE {deeds} ON ALL TABLES IN SCHEMA {name(row['place'])} FROM {grantee};"
            deed = "write to" if row["writes"] else "lock and rebuild"
            return f"{deed} {row['place']}.{row['object']}{more}", line
        case kind:
            line = f"REVOKE CREATE ON {kind.upper()} {name(row['object'])} FROM {grantee};"
            return f"create in {kind} {row['object']}", line
