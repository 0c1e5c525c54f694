"""What a machine varies: read late, said when it is wrong, and secret where it is."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from imgur_mirror.settings import PUBLIC_CLIENT_ID, BadSettings, read_settings

SECRET = "5eCr3t0123456789"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """A folder without `.env`, and an environment without settings."""
    for name in os.environ:
        if name.upper().startswith(("IMGUR_", "CLIENT_", "DASK_SCHEDULER")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def env(monkeypatch):
    return monkeypatch.setenv


def refusal():
    with pytest.raises(BadSettings) as caught:
        read_settings()
    assert caught.value.__cause__ is caught.value.__context__ is None
    return str(caught.value)


def test_the_defaults_are_those_of_the_table():
    found = read_settings()
    assert (found.client_id, found.client_secret) == (None, None)
    assert found.api_url == "https://api.imgur.com/"
    assert found.image_hosts == ("i.imgur.com",)
    assert found.downloads == "downloads"
    assert found.max_task_runs == 64
    assert (found.connect_timeout, found.read_timeout) == (10, 30)
    assert found.max_bytes == 1 << 30
    assert (found.retries, found.backoff, found.max_requests_per_second) == (3, 1, None)
    assert found.dask_scheduler_address is None


def test_each_is_read_from_its_variable(env):
    for name, value in {
        "IMGUR_CLIENT_ID": "id",
        "IMGUR_CLIENT_SECRET": SECRET,
        "IMGUR_API_URL": "http://127.0.0.1:8765",
        "IMGUR_IMAGE_HOSTS": '["I.imgur.com", "127.0.0.1:8765", "[::1]:80"]',
        "IMGUR_DOWNLOADS": "/srv/mirror",
        "IMGUR_MAX_TASK_RUNS": "8",
        "IMGUR_CONNECT_TIMEOUT": "0.5",
        "IMGUR_READ_TIMEOUT": "2",
        "IMGUR_MAX_BYTES": "1000",
        "IMGUR_RETRIES": "0",
        "IMGUR_BACKOFF": "0.05",
        "IMGUR_MAX_REQUESTS_PER_SECOND": "2.5",
        "DASK_SCHEDULER_ADDRESS": "tcp://127.0.0.1:8786",
    }.items():
        env(name, value)
    found = read_settings()
    assert found.client_id.get_secret_value() == "id"
    assert found.client_secret.get_secret_value() == SECRET
    assert found.api_url == "http://127.0.0.1:8765/"
    assert found.image_hosts == ("i.imgur.com", "127.0.0.1:8765", "[::1]:80")
    assert found.downloads == "/srv/mirror"
    assert found.max_task_runs == 8
    assert found.dask_scheduler_address == "tcp://127.0.0.1:8786"
    wire, access = found.wire, found.access
    assert (wire.connect_timeout, wire.read_timeout, wire.max_bytes) == (0.5, 2, 1000)
    assert (wire.retries, wire.backoff, wire.max_requests_per_second) == (0, 0.05, 2.5)
    assert (access.connect_timeout, access.read_timeout, access.retries) == (0.5, 2, 0)


@pytest.mark.parametrize("name", ["CLIENT_ID", "IMGUR_CLIENT_ID"])
def test_the_credentials_have_two_names(env, name):
    env(name, "id")
    env(name.replace("ID", "SECRET"), SECRET)
    found = read_settings()
    assert found.client_id.get_secret_value() == "id"
    assert found.client_secret.get_secret_value() == SECRET


def id_used():
    return read_settings().access.client_id.get_secret_value()


@pytest.mark.parametrize("empty", [None, "", "  "])
@pytest.mark.parametrize("name", ["CLIENT_ID", "IMGUR_CLIENT_ID"])
def test_without_an_id_the_public_one_is_used(env, name, empty):
    if empty is not None:
        env(name, empty)
        Path(".env").write_text(f"{name}={empty}\n")
    assert id_used() == PUBLIC_CLIENT_ID
    assert read_settings().access.is_public
    env(name, " mine ")
    assert id_used() == "mine"
    assert not read_settings().access.is_public


@pytest.mark.parametrize("text", ["…", "...", "xxxx", "<id>", "YOUR_CLIENT_ID", "your id"])
def test_a_placeholder_is_no_id(text):
    """As a README's line leaves it in `.env`."""
    Path(".env").write_text(f"IMGUR_CLIENT_ID={text}\n", encoding="utf-8")
    said = refusal()
    assert "IMGUR_CLIENT_ID: this is the placeholder" in said
    assert "leave the line out" in said


def test_the_longer_name_counts_and_an_empty_one_does_not(env):
    env("CLIENT_ID", "short")
    env("IMGUR_CLIENT_ID", "long")
    assert read_settings().client_id.get_secret_value() == "long"
    env("IMGUR_CLIENT_ID", "")
    assert read_settings().client_id.get_secret_value() == "short"


def test_an_empty_variable_is_none(env):
    for name in ("IMGUR_READ_TIMEOUT", "IMGUR_IMAGE_HOSTS", "IMGUR_DOWNLOADS"):
        env(name, "")
    found = read_settings()
    assert (found.read_timeout, found.downloads) == (30, "downloads")
    assert found.image_hosts == ("i.imgur.com",)


def test_a_file_in_the_working_folder_is_read_and_the_environment_comes_first(env):
    Path(".env").write_text(
        "CLIENT_ID=from-the-file\nIMGUR_RETRIES=7\nIMGUR_IMAGE_HOSTS='[\"a.example\"]'\nELSE=x\n"
    )
    found = read_settings()
    assert found.client_id.get_secret_value() == "from-the-file"
    assert (found.retries, found.image_hosts) == (7, ("a.example",))
    env("IMGUR_RETRIES", "1")
    assert read_settings().retries == 1


def test_what_is_not_ours_is_left_alone(env):
    env("IMGUR_COLOUR", "blue")
    Path(".env").write_text("IMGUR_COLOUR=blue\nPATH_TO=x\n")
    assert not hasattr(read_settings(), "colour")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("IMGUR_API_URL", f"https://user:{SECRET}@api.imgur.com/", "leave user and password out"),
        ("IMGUR_API_URL", f"https://{SECRET}@api.imgur.com/", "leave user and password out"),
        ("IMGUR_API_URL", f"https://u:{SECRET}@a℀.example/", "give a web address"),
        ("IMGUR_API_URL", f"ftp://{SECRET}/", "give a web address"),
        ("IMGUR_API_URL", f"{SECRET}.example", "give a web address"),
        ("IMGUR_API_URL", f"https:///{SECRET}", "give a web address"),
        ("IMGUR_API_URL", f"https://[{SECRET}/", "give a web address"),
        ("IMGUR_API_URL", f"https://{SECRET}.example:99999/", "give a web address"),
        ("IMGUR_API_URL", f"https://{SECRET}.example:port/", "give a web address"),
        ("IMGUR_API_URL", f"https://api.imgur.com/?key={SECRET}", "give a web address"),
        ("IMGUR_API_URL", f"https://api.imgur.com/ {SECRET}", "give a web address"),
        ("IMGUR_CLIENT_ID", f"{SECRET}\nHost: evil", "a space, a line's end"),
        ("IMGUR_CLIENT_SECRET", f"{SECRET}é", "a space, a line's end"),
        ("IMGUR_IMAGE_HOSTS", SECRET, 'give a JSON list such as ["i.imgur.com"]'),
        ("IMGUR_IMAGE_HOSTS", f'["{SECRET}"', 'give a JSON list such as ["i.imgur.com"]'),
        ("IMGUR_IMAGE_HOSTS", f'"{SECRET}"', 'give a JSON list such as ["i.imgur.com"]'),
        ("IMGUR_IMAGE_HOSTS", f'{{"{SECRET}": 1}}', 'give a JSON list such as ["i.imgur.com"]'),
        ("IMGUR_IMAGE_HOSTS", "[" * 100_000, 'give a JSON list such as ["i.imgur.com"]'),
        ("IMGUR_IMAGE_HOSTS", "[5]", "valid string"),
        ("IMGUR_IMAGE_HOSTS", f'["user:{SECRET}@host"]', "give hosts, or host:port"),
        ("IMGUR_IMAGE_HOSTS", f'["https://{SECRET}/"]', "give hosts, or host:port"),
        ("IMGUR_IMAGE_HOSTS", f'["{SECRET}:port"]', "give hosts, or host:port"),
        ("IMGUR_IMAGE_HOSTS", f'["{SECRET}:99999"]', "give hosts, or host:port"),
        ("IMGUR_IMAGE_HOSTS", f'["{SECRET}:"]', "give hosts, or host:port"),
        ("IMGUR_IMAGE_HOSTS", f'["{SECRET}?x"]', "give hosts, or host:port"),
        ("IMGUR_IMAGE_HOSTS", f'["{SECRET} "]', "give hosts, or host:port"),
        ("IMGUR_IMAGE_HOSTS", f'["ı{SECRET}"]', "give hosts, or host:port"),
        ("IMGUR_IMAGE_HOSTS", '["::1"]', "give hosts, or host:port"),
        ("IMGUR_IMAGE_HOSTS", '[""]', "give hosts, or host:port"),
        ("IMGUR_MAX_TASK_RUNS", "0", "greater than or equal to 1"),
        ("IMGUR_MAX_TASK_RUNS", SECRET, "valid integer"),
        ("IMGUR_MAX_BYTES", "0", "greater than or equal to 1"),
        ("IMGUR_CONNECT_TIMEOUT", "0", "greater than 0"),
        ("IMGUR_READ_TIMEOUT", "-1", "greater than 0"),
        ("IMGUR_READ_TIMEOUT", "inf", "finite"),
        ("IMGUR_CONNECT_TIMEOUT", "nan", "finite"),
        ("IMGUR_BACKOFF", "-1", "greater than or equal to 0"),
        ("IMGUR_BACKOFF", "inf", "finite"),
        ("IMGUR_RETRIES", "-1", "greater than or equal to 0"),
        ("IMGUR_RETRIES", "21", "less than or equal to 20"),
        ("IMGUR_MAX_REQUESTS_PER_SECOND", "0", "greater than 0"),
        ("IMGUR_MAX_REQUESTS_PER_SECOND", "inf", "finite"),
        ("IMGUR_MAX_REQUESTS_PER_SECOND", SECRET, "valid number"),
    ],
)
def test_what_cannot_be_used_is_named_and_never_shown(env, name, value, says):
    env(name, value)
    said = refusal()
    assert f"{name}: " in said
    assert says in said
    assert SECRET.lower() not in said.lower()
    assert "mend them in the environment or in .env" in said


def test_all_that_is_wrong_is_said_at_once(env):
    env("IMGUR_RETRIES", "many")
    env("IMGUR_IMAGE_HOSTS", "one")
    env("CLIENT_ID", "a b")
    said = refusal()
    assert "IMGUR_RETRIES: " in said
    assert "IMGUR_IMAGE_HOSTS: " in said
    assert "CLIENT_ID: " in said


def test_a_file_that_cannot_be_read_is_said():
    Path(".env").write_bytes(b"IMGUR_CLIENT_ID=\xff\n")
    assert ".env is not written in UTF-8" in refusal()


def test_a_file_that_may_not_be_read_is_said():
    """Root may read all: there, another user asks."""
    code = """
import os
from imgur_mirror.settings import PUBLIC_CLIENT_ID, BadSettings, read_settings
assert read_settings().retries == 7
os.chmod(".env", 0)
if os.getuid() == 0:
    os.setuid(65534)
try:
    read_settings()
except BadSettings as error:
    print(error)
"""
    Path(".env").write_text("IMGUR_RETRIES=7\n")
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ".env cannot be read: Permission denied" in said.stdout


def test_the_secrets_stay_where_they_are_needed(env):
    env("IMGUR_CLIENT_ID", SECRET)
    env("IMGUR_CLIENT_SECRET", SECRET)
    found = read_settings()
    for shown in (repr(found), str(found), found.model_dump_json(), repr(found.access)):
        assert SECRET not in shown
    assert SECRET.encode() not in pickle.dumps(found.wire)


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        read_settings().retries = 5
