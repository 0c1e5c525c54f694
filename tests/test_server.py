"""A server of one's own: on the database that is configured, or with the reason why it is not."""

import os
import subprocess
import sys

import pytest

from flows.cli.server import PROJECT, ServerError, prefect_server

pytestmark = pytest.mark.slow


def test_a_server_that_ends_at_once_is_said_with_its_log(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "nonsense")
    with pytest.raises(ServerError, match=r"server\.log"), prefect_server(tmp_path):
        pass


CODE = """
import sys
from pathlib import Path
from flows.cli.server import prefect_server
with prefect_server(Path(sys.argv[1])):
    pass
"""


def test_a_database_of_the_profile_is_used_by_a_server_with_another_home(tmp_path):
    home, other, database = tmp_path / "home", tmp_path / "other", tmp_path / "mine.db"
    home.mkdir()
    (home / "profiles.toml").write_text(
        'active = "mine"\n\n[profiles.mine]\n'
        f'PREFECT_SERVER_DATABASE_CONNECTION_URL = "sqlite+aiosqlite:///{database}"\n'
    )
    environment = {name: text for name, text in os.environ.items() if "PREFECT" not in name}
    subprocess.run(
        [sys.executable, "-c", CODE, other],
        cwd=PROJECT,
        env=environment | {"PREFECT_HOME": str(home)},
        check=True,
    )
    assert database.exists()
    assert list(other.glob("*.db")) == []
