"""A server of one's own: where it does not start, the reason is what is said."""

import pytest

from flows.server import ServerError, prefect_server


def test_a_server_that_ends_at_once_is_said_with_its_log(tmp_path, monkeypatch):
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "nonsense")
    with pytest.raises(ServerError, match=r"server\.log"), prefect_server(tmp_path):
        pass
