"""A virtual environment for each peer, because what they require contradicts each other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FOLDER = ROOT / "env" / "bench" / "{}.{}".format(*sys.version_info)


def requirements(peer: str) -> Path:
    """The peer's requirements, for pip."""
    return HERE / "peers" / f"{peer}.txt"


def python_for(peer: str) -> Path:
    """The Python of the peer's environment, which is made if there is none for its requirements.

    ``${ROOT}`` in them stands for this checkout. Where they can't be installed, pip says why, and
    the peer will say what it misses.
    """
    folder = FOLDER / peer
    python = folder / "bin" / "python"
    installed = folder / ".installed"
    wanted = requirements(peer).read_text()
    if not installed.exists() or installed.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        # Before 21.3, pip cannot install a project with a pyproject.toml as editable.
        subprocess.run([*pip, "pip>=21.3"], check=True)
        variables = {**os.environ, "ROOT": str(ROOT)}
        run = subprocess.run([*pip, "-r", str(requirements(peer))], cwd=ROOT, env=variables)
        if run.returncode == 0:
            installed.write_text(wanted)
    return python
