#!/usr/bin/env python3
"""Build wheel and sdist, look at what they hold, and do the main job from the wheel alone.

    python .ci/wheel_check.py

Everything is done in build/wheel-check, which is made anew. The wheel is built from the sdist, as pip would do it, and
installed with nothing but what it asks for into an empty environment, with the versions of constraints.txt. Then the
commands run in an empty folder. The interpreter that runs this script must have the package `build`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "wheel-check"
# What a user of the sdist has no use for.
LEFT_OUT = (".github/",)
# What no wheel may lack, whatever git says.
NEEDED = (
    "makeweight/py.typed",
    "makeweight/bench/settings.toml",
    "makeweight/report/templates/page.html",
)
JOBS = (
    ["--help"],
    ["methods"],
    ["inspect", "digits"],
    ["balance", "digits", "balanced", "--steps", "30", "--sampling-strategy", "3=160,8=150"],
    ["verify", "balanced"],
    ["sample", "balanced", "5", "--label", "3", "--out", "more"],
    ["inspect", "balanced/images", "--html", "images.html"],
    ["bench", "list"],
)


class BadReleaseError(RuntimeError):
    """Something is not as it should be."""


def tracked() -> set[str]:
    """Name the files that git knows, relative to the root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def require_same(what: str, found: set[str], expected: set[str]) -> None:
    """Refuse a set of names that is not the expected one."""
    for how, names in (("lacks", expected - found), ("holds what it should not:", found - expected)):
        if names:
            raise BadReleaseError(f"{what} {how} {', '.join(sorted(names)[:10])}")


def check_wheel(wheel: Path, version: str) -> None:
    """Refuse a wheel that holds other files than the package and its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if not name.endswith("/")}
    told = f"makeweight-{version}.dist-info"
    metadata = {f"{told}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    package = {name.removeprefix("src/") for name in tracked() if name.startswith("src/")}
    require_same(wheel.name, found, package | metadata)
    require_same(wheel.name, found & set(NEEDED), set(NEEDED))


def check_sdist(sdist: Path, version: str) -> None:
    """Refuse an sdist that holds other files than those of git and its metadata."""
    with tarfile.open(sdist) as archive:
        found = {member.name.removeprefix(f"makeweight-{version}/") for member in archive if member.isfile()}
    require_same(sdist.name, found, {name for name in tracked() if not name.startswith(LEFT_OUT)} | {"PKG-INFO"})


def timed(what: str, command: list[str | Path], *, folder: Path, environment: dict[str, str]) -> str:
    """Run a command, print what it took, and give what it printed; its failure is a fault."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    print(f"{time.perf_counter() - start:7.1f} s  {what}", flush=True)
    if done.returncode:
        raise BadReleaseError(f"{what} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def check(folder: Path) -> str:
    """Do all of it, and give the version."""
    shutil.rmtree(folder, ignore_errors=True)
    empty = folder / "empty"
    empty.mkdir(parents=True)
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"PYTHONNOUSERSITE": "1", "MPLBACKEND": "agg"}

    def run(what: str, *command: str | Path, where: Path = empty) -> str:
        return timed(what, list(command), folder=where, environment=environment)

    dist = folder / "dist"
    run("sdist, and wheel from it", sys.executable, "-m", "build", "--outdir", dist, ROOT, where=ROOT)
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    version = wheel.name.split("-")[1]
    check_wheel(wheel, version)
    check_sdist(sdist, version)
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes; {sdist.name}: {sdist.stat().st_size:,} bytes")

    venv.create(folder / "venv", with_pip=True)
    bin_ = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    quiet = ("--quiet", "--disable-pip-version-check", "--constraint", ROOT / "constraints.txt")
    run("installation of the wheel", bin_ / "python", "-m", "pip", "install", *quiet, wheel)
    run("pip check", bin_ / "python", "-m", "pip", "check")
    told = run(
        "import", bin_ / "python", "-c", "import makeweight as m; print(m.__file__); print(m.__version__)"
    ).splitlines()
    if not Path(told[0]).is_relative_to(folder):
        raise BadReleaseError(f"the package was imported from {told[0]}, not from the wheel")
    spoken = run("makeweight --version", bin_ / "makeweight", "--version").split()[-1]
    if {version, told[1], spoken} != {version}:
        raise BadReleaseError(f"the wheel is of version {version}, __version__ is {told[1]}, --version tells {spoken}")
    for job in JOBS:
        run(" ".join(["makeweight", *job]), bin_ / "makeweight", *job)
    require_same("the folder that the commands ran in", {path.name for path in empty.iterdir()}, {
        "balanced", "more", "images.html",
    })  # fmt: skip
    return version


def main() -> int:
    """Check the wheel; status 1 for a fault."""
    try:
        version = check(FOLDER)
    except BadReleaseError as fault:
        print(f"wheel-check: {fault}", file=sys.stderr)
        return 1
    print(f"makeweight {version}: wheel and sdist are good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
