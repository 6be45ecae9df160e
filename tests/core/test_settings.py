from __future__ import annotations

import os
import pickle
import stat
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.kit.placement import Placement
from core.settings import PREFIX, Settings, SettingsError, configs_dir, load, placement

SECRET = "correct-horse-battery-staple-0123456789"
PROD = {
    "SALESEDGE_AUTH__SIGNING_KEY": SECRET,
    "SALESEDGE_DATABASE__URL": "postgresql://app:hunter2@db.example/salesedge",
    "SALESEDGE_REDIS__URL": "redis://cache.example:6379",
}


def refused(env: dict[str, str], environment: str | None = None) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(environment, env)
    return caught.value.detail.splitlines()


def with_files(folder: Path, **files: str) -> dict[str, str]:
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content, "utf-8")
    return {"SALESEDGE_CONFIGS": str(folder), "SALESEDGE_DATA_DIR": str(folder / "data")}


def test_nothing_given_is_a_developers_machine(tmp_path: Path) -> None:
    settings = load(env={"SALESEDGE_DATA_DIR": str(tmp_path)})
    assert settings.environment == "dev"
    assert settings.database.url is None
    assert settings.objects.url == f"file:{tmp_path / 'objects'}"
    assert settings.models.dir == tmp_path / "models"


def test_environment_goes_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    env = with_files(tmp_path, dev="http: {port: 9001, host: 10.0.0.1}\nredis:\n")
    settings = load(
        "dev", env | {"SALESEDGE_HTTP__PORT": "9002", "SALESEDGE_HTTP__CORS_ORIGINS": '["https://a.example"]'}
    )
    assert (settings.http.port, settings.http.host, settings.http.docs) == (9002, "10.0.0.1", True)
    assert settings.http.cors_origins == ["https://a.example"]


def test_the_process_environment_is_read_when_none_is_handed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALESEDGE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("SALESEDGE_HTTP__PORT", "9003")
    assert load().http.port == 9003
    assert Settings().http.port == 8000, "only `load` looks at the environment"


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    settings = load(
        env={"SALESEDGE_DATA_DIR": str(tmp_path), "SALESEDGE_DATABASE__URL": "", "SALESEDGE_ENVIRONMENT": ""}
    )
    assert settings.database.url is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SALESEDGE_HTTP__PORT", "eighty", "integer"),
        ("SALESEDGE_HTTP__PORT", "70000", "65535"),
        ("SALESEDGE_HTTP__CORS_ORIGINS", "[http://a", "list"),
        ("SALESEDGE_HTTP", "on", "HttpSettings"),
        ("SALESEDGE_HTTP__PROT", "8001", "no such setting"),
        ("SALESEDGE_HTPP__PORT", "8001", "no such setting"),
        ("SALESEDGE_DATABASE_URL", "postgresql://x", "no such setting"),
        ("SALESEDGE_PROFILE", "tpu", "'auto', 'cpu' or 'gpu'"),
        ("SALESEDGE_OBJECTS__URL", "ftp://bucket", "pattern"),
        ("SALESEDGE_AUTH__SIGNING_KEY", "short", "at least 32 characters"),
        ("SALESEDGE_AUTH__TOKEN_KEYS", '["short"]', "at least 32 random characters"),
        ("SALESEDGE_AUTH__TOKEN_KEYS", '["-----BEGIN PRIVATE KEY----- no such thing"]', "no unencrypted Ed25519 key"),
    ],
)
def test_each_wrong_variable_is_one_line_with_its_name(tmp_path: Path, name: str, value: str, says: str) -> None:
    (line,) = refused({"SALESEDGE_DATA_DIR": str(tmp_path), name: value})
    assert line.startswith(f"{name}: ")
    assert says in line
    assert line.rstrip(".").count(". ") >= 1, "and what to do about it"


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    env = with_files(tmp_path, dev="http: {prot: 1}\nlogg: {}\n")
    lines = refused(env | {"SALESEDGE_HTTP__PORT": "x", "SALESEDGE_CALL__X": "1"})
    assert sorted(line.partition(":")[0] for line in lines) == [
        "SALESEDGE_CALL__X", "SALESEDGE_HTTP__PORT", "SALESEDGE_HTTP__PROT", "SALESEDGE_LOGG",
    ]  # fmt: skip


def test_what_is_secret_never_stands_in_a_message(tmp_path: Path) -> None:
    env = with_files(tmp_path, dev="auth: hunter2\ndatabase: {url: {password: hunter2}}\nredis: [hunter2]\n")
    said = "\n".join(refused(env | {"SALESEDGE_OBJECTS__SECRET_KEY__X": "hunter2"}))
    for name in ("AUTH", "DATABASE__URL", "REDIS", "OBJECTS__SECRET_KEY"):
        assert f"{PREFIX}{name}: " in said
    assert "hunter2" not in said
    assert "hunter2" not in repr(load("prod", PROD))


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_away_from_a_developers_machine_nothing_is_made_up(environment: str) -> None:
    lines = refused({}, environment)
    assert [line.partition(":")[0] for line in lines] == list(PROD)
    settings = load(environment, PROD)
    assert settings.auth.signing_key is not None
    assert settings.auth.signing_key.get_secret_value() == SECRET


def test_the_local_signing_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    env = {"SALESEDGE_DATA_DIR": str(tmp_path / "new")}
    first, second = load(env=env).auth.signing_key, load(env=env).auth.signing_key
    assert first == second
    assert first is not None
    assert len(first) >= 32
    assert stat.S_IMODE(os.stat(tmp_path / "new" / "signing_key").st_mode) == 0o600
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["signing_key"]


def test_a_data_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (line,) = refused({"SALESEDGE_DATA_DIR": str(tmp_path / "file")})
    assert line.startswith("SALESEDGE_DATA_DIR: ")


@pytest.mark.parametrize("content", ["http: {port", "- http", "just words", "1: 2"])
def test_a_file_that_holds_no_settings_is_named(tmp_path: Path, content: str) -> None:
    (line,) = refused(with_files(tmp_path, dev=content))
    assert line.startswith("configs/dev.yaml: ")


def test_an_unknown_environment_or_folder_is_said(tmp_path: Path) -> None:
    (line,) = refused({"SALESEDGE_ENVIRONMENT": "production"})
    assert "dev, staging, prod" in line
    (line,) = refused({"SALESEDGE_CONFIGS": str(tmp_path)})
    assert line.startswith("SALESEDGE_CONFIGS: ")


def test_settings_travel_between_processes(tmp_path: Path) -> None:
    settings = load(env={"SALESEDGE_DATA_DIR": str(tmp_path), "SALESEDGE_HTTP__PORT": "9004"})
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - just written here


@given(st.dictionaries(st.sampled_from(["PORT", "HOST", "DOCS", "CORS_ORIGINS", "WHAT", "A__B", "PORT__X"]), st.text()))
def test_any_text_in_a_variable_gives_settings_or_named_lines(values: dict[str, str]) -> None:
    said = ""
    try:
        load("prod", PROD | {f"SALESEDGE_HTTP__{name}": value for name, value in values.items()})
    except SettingsError as error:
        said = error.detail
    assert all(line.startswith(PREFIX) for line in said.split("\n") if said)


@pytest.mark.parametrize("profile", ["cpu", "gpu"])
def test_every_profile_places_every_deployment(profile: str) -> None:
    placed = placement(profile)
    assert all(one.max_replicas >= one.min_replicas for one in vars(placed).values())


def test_the_cpu_profile_fits_two_cores() -> None:
    placed = placement("cpu")
    assert sum(one.cpus * one.max_replicas for one in vars(placed).values()) <= 2
    assert not any(one.gpus for one in vars(placed).values())


def test_a_wrong_profile_is_said_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALESEDGE_CONFIGS", str(tmp_path))
    (tmp_path / "profiles").mkdir()
    every = {name: {} for name in Placement.model_fields} | {"stt": {"cpus": -1}, "more": {}}
    (tmp_path / "profiles" / "cpu.yaml").write_text(yaml.safe_dump(every))
    with pytest.raises(SettingsError) as caught:
        placement("cpu")
    assert sorted(line.partition(":")[0] for line in caught.value.detail.splitlines()) == ["more", "stt.cpus"]
    with pytest.raises(SettingsError, match="SALESEDGE_PROFILE"):
        placement("gpu")


def test_roles_inherit_only_roles_that_there_are() -> None:
    table = yaml.safe_load((configs_dir() / "roles.yaml").read_text("utf-8"))
    expected = {
        "SUPER_ADMIN",
        "ADMIN",
        "MANAGER",
        "LEADER",
        "REP",
        "SDR",
        "DATA_SCIENTIST",
        "DEVOPS",
        "SYSTEM",
        "GUEST",
    }
    assert set(table) == expected
    assert all(set(role) <= {"inherits", "permissions"} for role in table.values())
    assert {above for role in table.values() for above in role.get("inherits", [])} <= expected


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"SALESEDGE_EVENTS__TRANSPORT": "pigeon"}, "embedded"),
        ({"SALESEDGE_EVENTS__KAFKA__BOOTSTRAP_SERVERS": "broker without port"}, "pattern"),
        ({"SALESEDGE_EVENTS__KAFKA__SECURITY": "SASL_SSL"}, "mechanism, username and password"),
        ({"SALESEDGE_EVENTS__KAFKA__USERNAME": "ana"}, "mechanism, username and password"),
        ({"SALESEDGE_EVENTS__KAFKA__CA_FILE": "/nowhere/ca.pem"}, "no file"),
    ],
)
def test_a_broker_is_described_whole(env: dict[str, str], says: str, tmp_path: Path) -> None:
    [line] = refused({"SALESEDGE_DATA_DIR": str(tmp_path), **env})
    assert says in line


def test_a_broker_has_an_address_where_none_is_embedded() -> None:
    [line] = refused(PROD | {"SALESEDGE_EVENTS__TRANSPORT": "kafka"}, "prod")
    assert line.startswith("SALESEDGE_EVENTS__KAFKA__BOOTSTRAP_SERVERS: missing")
