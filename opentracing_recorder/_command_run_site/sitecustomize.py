"""Sets up tracing at the start of each Python process that the command ``run`` starts.

Python imports the first module of this name on its path. The next one is imported from here.
"""

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any


def _start() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    # The application's path is its own; its child processes find the folder in PYTHONPATH.
    sys.path[:] = [each for each in sys.path if os.path.abspath(each) != folder]
    try:
        next_one = PathFinder.find_spec("sitecustomize")
        loader: Any = None if next_one is None else next_one.loader
        if next_one is not None and loader is not None:
            sys.modules["sitecustomize"] = module = module_from_spec(next_one)
            loader.exec_module(module)
    finally:
        _set_up()


def _set_up() -> None:
    try:
        from opentracing_recorder.environment import set_up_from_environment
    except ImportError as error:
        # If that is missing, this is a child process with another Python.
        if error.name != "opentracing_recorder" and sys.stderr is not None:
            sys.stderr.write(f"This process is not traced: {error}\n")
        return
    set_up_from_environment()


_start()
