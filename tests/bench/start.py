"""Cold start to ready, and memory by process, against a bare Ray Serve with one no-op deployment."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import defaultdict

import psutil

from cluster.local import LocalCluster
from core.settings import Settings
from tests.bench.harness import line, servers


class BareCluster(LocalCluster):
    """The same Ray and proxy, with nothing of ours in it."""

    def start_serve(self) -> None:
        from ray import serve

        from tests.bench.noop import app

        http = self.settings.http
        serve.start(proxy_location="HeadOnly", http_options={"host": http.host, "port": http.port})
        serve.run(app(), name="noop", route_prefix="/noop")


def run() -> None:
    # Each in a process of its own: a Ray once started and stopped starts faster the second time.
    ready_s, pss = _in_child("ours")
    peer_ready_s, peer_pss = _in_child("bare")
    line("start", "ready_s", ready_s, "s", "bare Ray Serve", peer_ready_s, more_is_better=False)
    line("start", "pss_mib", pss, "MiB", "bare Ray Serve", peer_pss, more_is_better=False)


def _in_child(which: str) -> tuple[float, float]:
    import subprocess

    told = subprocess.run(
        [sys.executable, "-c", f"from tests.bench.start import measure; measure({which!r})"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    sys.stderr.write(told.stderr if os.environ.get("SALESEDGE_BENCH_VERBOSE") else "")
    for text in told.stdout.splitlines():
        if text.startswith("process "):
            print(text, file=sys.stderr)
    ready_s, pss = next(line for line in told.stdout.splitlines() if line.startswith("RESULT ")).split()[1:]
    return float(ready_s), float(pss)


def measure(which: str) -> None:
    with servers() as settings:
        begun = time.perf_counter()
        with _cluster(which, settings):
            ready_s = time.perf_counter() - begun
            by_name = _pss()
    for name, mib in sorted(by_name.items(), key=lambda item: -item[1]):
        print(f"process {which:5} {mib:7.0f} MiB  {name}")
    print(f"RESULT {ready_s} {sum(by_name.values())}")


def _cluster(which: str, settings: Settings) -> LocalCluster:
    return LocalCluster(settings) if which == "ours" else BareCluster(settings)


def _pss() -> dict[str, float]:
    """Proportional set size in MiB of this process and all below it, by what they are."""
    found: defaultdict[str, float] = defaultdict(float)
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            name = " ".join(process.cmdline())[:60] or process.name()
            found[_short(name)] += process.memory_full_info().pss / 2**20
        except psutil.Error:
            continue
    return dict(found)


def _short(name: str) -> str:
    if name.startswith("ray::"):
        return re.split(r"[#. ]", name)[0]
    if "raylet" in name or "gcs_server" in name:
        return "ray core"
    return name.split(" ")[0].rsplit("/", 1)[-1]
