"""The stubs, the hints and the docstrings."""

import doctest
import importlib
import inspect
import pathlib
import pkgutil
import subprocess
import sys

import datafusion_timetravel as tt
from datafusion_timetravel import _native

PACKAGE = pathlib.Path(tt.__file__).parent
ROOT = pathlib.Path(__file__).parents[1]

USE = '''
import datetime as dt
import datafusion_timetravel as tt
import pandas, polars

db: tt.Database = tt.connect("./lake", storage_options={"a": "b"}, user="u")
frame: tt.Frame = db.sql("SELECT $1", [1])
t: tt.Table = db.table("t").at(3).at(dt.datetime.now()).at(version=1)
version: int = t.append({"a": [1]})
n: int = len(t.changes(1, 2))
t.merge([{"k": 1}]).when_matched_update().execute()
try:
    pass
except tt.ConflictError as error:
    code: str | None = error.code
'''


def modules():
    return [importlib.import_module(f"datafusion_timetravel.{found.name}") for found in pkgutil.iter_modules([str(PACKAGE)])]


def mypy(*arguments):
    # Not from the folder of the sources: what is installed is what is checked.
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_package_is_typed(tmp_path):
    assert (PACKAGE / "py.typed").exists()
    result = mypy("-p", "datafusion_timetravel")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_use_of_it_is_checked(tmp_path):
    good = tmp_path / "good.py"
    good.write_text(USE)
    result = mypy(good)
    assert result.returncode == 0, result.stdout + result.stderr
    wrong = tmp_path / "wrong.py"
    wrong.write_text(USE + "\nversion = t.at('x').history()\ndb.nothing()\n")
    result = mypy(wrong)
    assert 'incompatible type "Frame"' in result.stdout or "Incompatible types" in result.stdout
    assert 'no attribute "nothing"' in result.stdout


def test_the_stubs_are_those_of_the_module():
    """mypy's own tool imports the module and compares."""
    command = [sys.executable, "-m", "mypy.stubtest", "datafusion_timetravel._native", "--ignore-disjoint-bases"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_docstrings_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tried = 0
    for module in [tt, *modules()]:
        if module is _native:
            continue
        result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
        assert result.failed == 0, module.__name__
        tried += result.attempted
    assert tried > 80


def test_everything_public_has_a_docstring():
    undocumented = []
    for name in tt.__all__:
        thing = getattr(tt, name)
        if inspect.isclass(thing):
            members = [(f"{name}.{member}", value) for member, value in vars(thing).items() if not member.startswith("_")]
            for full, value in [(name, thing), *members]:
                if callable(value) or isinstance(value, property):
                    if not inspect.getdoc(value):
                        undocumented.append(full)
        elif callable(thing) and not inspect.getdoc(thing):
            undocumented.append(name)
    assert undocumented == []
