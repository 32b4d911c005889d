"""The rooms of the house and what each may contain: `python -m tools.house` names whatever has no place.

A module is named for what it knows, so a new name is a small decision: it is written down here, once, in ROOMS.
The floors (who imports whom) are in pyproject.toml, held by import-linter.
"""

import ast
import sys
from fnmatch import fnmatchcase
from pathlib import Path

APPS = Path(__file__).resolve().parent.parent / "apps"

# In every room.
COMMON = "__init__ apps models views urls forms tasks migrations/* management/__init__ management/commands/*"
# In a room that watches a part of the data tier: the anatomy of docs/architecture.md.
TIER = f"{COMMON} probes checks actions charts exported"
# Each room's own modules; `folder/*` stands for a folder whose files follow one contract.
ROOMS = {
    "ledger": f"{COMMON} abreast bundle chain checkpoints examine export keys kinds leaf offline/* proofs search"
    " state templatetags/* tree verify witness",
    "batch": f"{COMMON} attempt breaker bundles chunks copying crew files how job operations result resume run running"
    " seen session shape signals tables terminal work",
    "accounts": f"{COMMON} adapter assertion batches checks factor_urls factors grants middleware notices passkeys"
    " place_urls places policy recent request roles routes sessions statements third_party",
    "telemetry": f"{COMMON} addresses callers carrying controls correlation echoes figures forking lines log_views logs masking"
    " middleware monitor names numbers outbox pairs process query_views readiness serving sessions shapes sketches"
    " statements streaming templatetags/* tokens tracing tracing_export tracing_scrub tracing_setup uncaught unreadable"
    " windows",
    "metrics": f"{TIER} alert_forms alert_rows alert_views alerting alerts announce application backlog board budget"
    " catalogue catalogue_views channel_forms channel_views channels chunks collect columns context copyformat costs curves damaged"
    " dependence exporters exports exposition exposition_views facts figures hashes histories/* hosts inward inward_checks"
    " itself judge kept kernel levels limits_drawn lines lives mailing marks mute_views muting names node_views noticed now"
    " occasions outbox pages planes poll present probe proof_rows proofs proven ranges readers/* readings record registry removal rolls"
    " rows seal secrets shell silence store templatetags/* threshold_views thresholds transitions unchanged units"
    " upkeep watchman webhook",
    "replicas": f"{TIER} lag router topology",
    "pools": f"{TIER} joined",
    "queries": f"{TIER} advice blocking compare_views comparison explain history index_checks indexes literals minutes plan"
    " plan_views servers statement statement_views texts upkeep_checks windows workload",
    "cache": f"{TIER} aside joined",
    "ratelimits": f"{TIER} limiter",
    "partitions": f"{TIER} bounds coverage inventory own own_checks own_store targets wanted",
    "playbook": f"{COMMON} difference guides mistakes parse pin plan read rules validate",
    "runbooks": f"{COMMON} escalation naming readings tree_urls walk_views walking walks",
    "rollouts": f"{COMMON} act_views advancing amending amendment_views answers attachments baseline ceremony checklist commands"
    " compare_views comparing comparison comparisons criteria criteria_file criteria_views criterion dates definitions"
    " distributions drawing entries events evidence evidence_views file_views follow_views following gates gathering"
    " gathering_views holders notices observing occasions of_week outcomes override_views overrides pins present"
    " progress proposals reach record_views refusals rollback rollback_models rollback_run rollback_views schedule scope"
    " sheet sign_models sign_views signing since start statement stretch tally templatetags/* ticks timeline"
    " timeline_file timeline_views turns uncompared unobserved waiving watch_models watch_views watches watching window"
    " windowed words",
    "overview": f"{COMMON} away doctor/* health own own_partitions own_partition_views own_queries own_query_views own_views summary",
    "lab": f"{COMMON} address application/* binaries burdens crowds culprit demo environment faults/* generator hindrances intruders"
    " keys layout links load misbehaviour people pgbouncer postgres processes proving proxy redis register rehearsal seed servers stop"
    " supervisor switches tier traffic trials twin witness",
}
# Modules that have to run where nothing is installed, or whose worth is that they depend on nothing.
STANDARD_LIBRARY_ONLY = (
    "apps.lab.binaries",
    "apps.metrics.kernel",
    "tools.bootstrap",
    "tools.installer",
    "tools.virtualenv",
)
# Names that say nothing of what is inside.
NAMELESS = {"utils", "helpers", "services", "common", "misc", "base_utils"}


def misplaced(apps: Path = APPS, rooms: dict[str, str] = ROOMS) -> list[str]:
    """One sentence for each room or module without a place, and what to do about it."""
    complaints = []
    for room in sorted(path for path in apps.iterdir() if (path / "__init__.py").exists()):
        if room.name not in rooms:
            complaints.append(
                f"apps/{room.name}/ is no room of the house: add it to ROOMS in tools/house.py and to the floors in pyproject.toml."
            )
            continue
        if not ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))):
            complaints.append(
                f"apps/{room.name}/__init__.py does not say what this room watches and what it may change: write its docstring."
            )
        complaints += _unlisted(room, rooms[room.name].split())
    missing = sorted(name for name in rooms if not (apps / name / "__init__.py").exists())
    return complaints + [
        f"apps/{name}/ is listed in ROOMS of tools/house.py and does not exist: take it off the list."
        for name in missing
    ]


def _unlisted(room: Path, allowed: list[str]) -> list[str]:
    complaints = []
    for path in sorted(room.rglob("*.py")):
        name = path.relative_to(room).with_suffix("").as_posix()
        if path.stem in NAMELESS:
            complaints.append(
                f"apps/{room.name}/{name}.py: a module is named for what it knows; {path.stem!r} says nothing."
            )
        elif not any(fnmatchcase(name, pattern) for pattern in allowed):
            complaints.append(
                f"apps/{room.name}/{name}.py has no place: add {name!r} to {room.name!r} in ROOMS of tools/house.py."
            )
    return complaints


def imports(source: str) -> set[str]:
    """Top-level packages that a module imports, wherever in the module.

    >>> sorted(imports("import os.path\\nfrom django.db import models\\nfrom tools import lock"))
    ['django', 'os', 'tools']
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0] if not node.level else "a relative import")
    return found


def dependent() -> list[str]:
    """One sentence for each module that should need nothing and needs something."""
    allowed = sys.stdlib_module_names | {"apps", "tools"}
    complaints = []
    for module in STANDARD_LIBRARY_ONLY:
        path = APPS.parent.joinpath(*module.split(".")).with_suffix(".py")
        complaints += [
            f"{module} imports {package}: it must need the standard library only (STANDARD_LIBRARY_ONLY in tools/house.py)."
            for package in sorted(imports(path.read_text(encoding="utf-8")) - allowed)
        ]
    return complaints


if __name__ == "__main__":
    complaints = misplaced() + dependent()
    sys.exit("\n".join(complaints) if complaints else 0)
