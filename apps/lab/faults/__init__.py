"""What can be broken in the lab, on purpose and for real, and how each is healed.

`book` has the list and the record of what is in; the other modules declare faults by kind. A fault is used by its name only.
"""

from apps.lab.faults.book import FAULTS, UnknownFault, active, calm, heal, heal_all, inject, named
from apps.lab.faults.kinds import Fault, FaultImpossible

__all__ = [
    "FAULTS",
    "Fault",
    "FaultImpossible",
    "UnknownFault",
    "active",
    "calm",
    "heal",
    "heal_all",
    "inject",
    "named",
]
