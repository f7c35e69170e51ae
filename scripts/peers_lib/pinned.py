"""A script's own virtual environment, made once from a pinned list.

SPDX-License-Identifier: MIT
"""
import os
import pathlib
import shutil
import subprocess
import sys


def enter(venv, wanted, installs, failed, **environment):
    """Goes on in venv; makes it first where it is missing, or for another list than `wanted`. installs: what pip is to install, one call each;
    failed(): what is done when that cannot be, and does not return. environment: variables to go on with."""
    stamp, python = venv / "requirements.txt", venv / "bin" / "python"
    if pathlib.Path(sys.prefix) == venv:
        return
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"{pathlib.Path(sys.argv[0]).name}: making {venv}", flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        commands = [[sys.executable, "-m", "venv", venv], *([*pip, *words] for words in installs)]
        if any(subprocess.run(command).returncode for command in commands):
            failed()
        stamp.write_text(wanted)
    os.execve(python, [str(python), *sys.argv], {**os.environ, **environment})
