"""Every Python block of the README runs, in order, and prints what stands below it."""

import contextlib
import io
import pathlib
import re

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_readme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(python|text)\n(.*?)```", README.read_text(), flags=re.S)
    assert sum(kind == "python" for kind, _ in blocks) >= 5
    space = {}
    printed = ""
    for kind, block in blocks:
        if kind == "text":
            assert printed.strip() == block.strip()
            printed = ""
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(block, str(README), "exec"), space)
        printed = out.getvalue()
