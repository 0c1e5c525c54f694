"""What is installed elsewhere works there: the wheel, and the service of systemd."""

import os
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import PROJECT
from tests.support.waiting import LONG

UNIT = PROJECT / "deployments" / "imgur-mirror.service"
SOURCES = ["pyproject.toml", "prefect.toml", "prefect.yaml", "README.md", "LICENSE"]
PACKAGES = [
    "benchmarks", "deployments", "flows", "imgur_mirror", "runners", "standin", "tasks",
]  # fmt: skip


def ran(*command: object, **options: object) -> str:
    """What a command prints, which is to end well."""
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=5 * LONG, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: building leaves files beside the sources."""
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        shutil.copy(PROJECT / name, copy)
    for name in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, copy / name, ignore=ignored, symlinks=True)
    ran(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
        "--no-index", "-w", copy / "dist", copy)  # fmt: skip
    (built,) = (copy / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel; what it needs comes from this environment."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    ran(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps",
        "--no-index", wheel)  # fmt: skip
    (packages,) = folder.glob("lib/*/site-packages")
    # A path alone: the .pth files there, this checkout's own among them, are not followed.
    (packages / "needs.pth").write_text(f"{site.getsitepackages()[0]}\n", "utf-8")
    return folder / "bin"


def test_the_wheel_has_what_runs_need(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {Path(name).name for name in names} >= {"prefect.toml", "prefect.yaml", UNIT.name}
    assert not any(name.startswith("tests") for name in names)


@pytest.mark.slow
def test_the_command_works_in_a_folder_of_its_own(elsewhere, new_home, tmp_path):
    environment = {"PATH": f"{elsewhere}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    where = "import flows, sys; print(flows.__file__, sys.prefix)"
    assert str(PROJECT) not in ran(elsewhere / "python", "-c", where, cwd=tmp_path)
    assert ran("imgur-mirror", "--version", cwd=tmp_path, env=environment) == "0.1.0\n"
    new_home(tmp_path / ".prefect")
    said = ran("imgur-mirror", "demo", cwd=tmp_path, env=environment)
    assert all(strategy in said for strategy in ("sequential", "threads", "dask", "async"))
    assert (tmp_path / "downloads" / "demo").is_dir()
    settings = (
        "from prefect.settings import get_current_settings as s; print(s().client.max_retries)"
    )
    script = f"from flows.cli.command_line import main; {settings}"
    assert ran(elsewhere / "python", "-c", script, cwd=tmp_path, env=environment) == "8\n"


@pytest.mark.skipif(
    not shutil.which("systemd-analyze") and "CI" not in os.environ, reason="there is no systemd"
)
def test_systemd_accepts_the_service(tmp_path):
    (tmp_path / "imgur-mirror").symlink_to(PROJECT)
    (tmp_path / "run").mkdir()
    environment = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--user", UNIT],
        env=os.environ | environment, capture_output=True, text=True, timeout=LONG,
    )  # fmt: skip
    assert (verified.returncode, verified.stderr) == (0, "")
