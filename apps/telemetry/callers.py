"""Which line of whose code is behind what happens now, seen past the frames of libraries."""

import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_OURS = str(Path(__file__).resolve().parent)
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
DEEPEST = 200


def caller() -> str:
    """`apps/metrics/store.py:42 verdicts`, the innermost frame that is neither Django's nor a library's; empty without one."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  inspect.stack() reads source files
    for _ in range(DEEPEST):
        if frame is None:
            break
        name = _shown(frame.f_code.co_filename)
        if name:
            return f"{name}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return ""


@lru_cache(maxsize=4096)
def _shown(file: str) -> str:
    """The file as it is shown, relative to where the process works; empty when it is a library's or this room's."""
    if file.startswith(("<", _OURS, *_LIBRARIES)) or "site-packages" in file:
        return ""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return "/".join(Path(file).parts[-2:])
