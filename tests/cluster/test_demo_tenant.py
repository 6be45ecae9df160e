"""How one gets in to the demonstration, and what is said when that is lost."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cluster import demo_tenant
from core.kit.errors import Conflict
from core.settings import load


def test_a_password_is_made_once_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    settings = load("dev", {"SALESEDGE_DATA_DIR": str(tmp_path / "new")})
    made = demo_tenant.new_log_in(settings)
    assert demo_tenant.log_in_of(settings) == made
    assert len(made.password) >= 12
    (file,) = (path for path in (tmp_path / "new").rglob("*") if made.password in path.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("kept", [None, "", "[]", '{"email": "demo@salesedge.example"}'])
def test_a_lost_password_is_told_with_what_to_do(tmp_path: Path, kept: str | None) -> None:
    settings = load("dev", {"SALESEDGE_DATA_DIR": str(tmp_path)})
    if kept is not None:
        (tmp_path / "demo.json").write_text(kept)
    with pytest.raises(Conflict, match=f"remove the folder {tmp_path}"):
        demo_tenant.log_in_of(settings)
