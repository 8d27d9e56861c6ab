"""Packs the wheel of a library that cargo built.

`maturin build` builds the crate by itself, with the features of that crate alone, and so all of DataFusion a second time.
This takes the library of the workspace's build; what the wheel says of itself is maturin's.

    python pack.py LIBRARY OUT
"""

from __future__ import annotations

import base64
import hashlib
import pathlib
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = "datafusion_timetravel"


def pack(library: pathlib.Path, out: pathlib.Path) -> pathlib.Path:
    with tempfile.TemporaryDirectory() as folder:
        command = ["maturin", "pep517", "write-dist-info", "--metadata-directory", folder, "--interpreter", sys.executable]
        subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.DEVNULL)
        (info,) = pathlib.Path(folder).iterdir()
        files = {f"{info.name}/{path.name}": path.read_bytes() for path in sorted(info.iterdir())}
    tag = next(line.split(": ")[1] for line in files[f"{info.name}/WHEEL"].decode().splitlines() if line.startswith("Tag: "))
    for path in sorted((HERE / PACKAGE).glob("**/*")):
        if path.suffix in (".py", ".pyi", ".typed") or path.name == "py.typed":
            files[path.relative_to(HERE).as_posix()] = path.read_bytes()
    suffix = ".pyd" if library.suffix == ".dll" else ".abi3.so"
    files[f"{PACKAGE}/_native{suffix}"] = library.read_bytes()

    record = f"{info.name}/RECORD"
    lines = [f"{name},sha256={digest(data)},{len(data)}" for name, data in files.items()] + [f"{record},,"]
    files[record] = ("\n".join(lines) + "\n").encode()
    out.mkdir(parents=True, exist_ok=True)
    wheel = out / f"{info.name.removesuffix('.dist-info')}-{tag}.whl"
    # Not compressed: it is installed once, right here.
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return wheel


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    print(pack(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])))
