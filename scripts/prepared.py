"""Lets a script run with the packages, and the Python, that scripts/setup.sh prepared.

This file must be readable for any Python 3: it is the one that refuses those that are too old.
"""

import importlib
import importlib.util
import os
import sys

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), ".deps", "python-plots")
OLDEST = (3, 11)
STARTED = "LORENTZNET_PREPARED_PYTHON"  # set for a script that runs with the Python of setup.sh


def _other_python():
    """The Python that setup.sh installed the packages for, if it is not this one."""
    try:
        with open(os.path.join(FOLDER, ".python")) as file:
            python = file.read().strip()
    except OSError:
        return None
    is_other = python != sys.executable and STARTED not in os.environ
    return python if is_other and os.access(python, os.X_OK) else None


def _missing(modules):
    """Why the script can't run with this Python, or None."""
    if sys.version_info[:2] < OLDEST:
        return "Python %d.%d or newer is needed, this is %d.%d" % (OLDEST + tuple(sys.version_info[:2]))
    for name in modules:
        if importlib.util.find_spec(name) is None:
            return "Python has no " + name
    if "numpy" in modules:
        try:  # it may be compiled for another version of Python
            importlib.import_module("numpy")
        except ImportError:
            return "this Python cannot load numpy"
    return None


def need(*modules, install="`scripts/setup.sh --plots` installs it", from_setup=True):
    """Makes `modules` importable: from what setup.sh --plots installed, if `from_setup`, else from this Python. If
    that fails, starts the script again with the Python of setup.sh, or ends it with one line."""
    if from_setup and os.path.isdir(FOLDER):
        sys.path.insert(1, FOLDER)
    reason = _missing(modules)
    if reason is None:
        return
    python = _other_python() if from_setup else None
    if python is not None:
        sys.stdout.flush()
        os.execve(python, [python] + sys.argv, dict(os.environ, **{STARTED: python}))
    sys.exit("error: %s; %s" % (reason, install))
