"""A broker that speaks Kafka's protocol, from a package, for a developer's own start and for tests. It is an emulator:
production has Apache Kafka or what is compatible with it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from cluster.child import Child
from core.kit.errors import Unavailable


class EmbeddedBroker(Child):
    """What it holds may be forgotten: the database knows all of it."""

    name = "broker"
    program = "noida-db"

    def command(self) -> list[str]:
        found = find_spec("noida_db")
        if found is None or found.origin is None:
            raise Unavailable(
                "There is no SALESEDGE_EVENTS__KAFKA__BOOTSTRAP_SERVERS, and no embedded broker: "
                "pip install 'salesedge[embedded]'."
            )
        program = Path(found.origin).parent / self.program  # the package's own command would start it as a child
        return [str(program), "start", "--data-dir", ".", "--only", "kafka", "--kafka-port", str(self.port)]
