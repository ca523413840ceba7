"""The report in a real browser: no sideways scroll of the page, no request, no script run."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from googlenet.report import write_report
from tests.report_runs import write_run

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed"),
]

WIDTHS = (390, 1280)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1400,1000",
    "--virtual-time-budget=20000",
    "--dump-dom",
)
# A frame may be narrower than the smallest window that Chromium opens. The report runs no script,
# so the page around it measures; it opens what is folded away first.
MEASURE = """<!doctype html><link rel="icon" href="data:,"><pre id="measured"></pre><script>
const frames = WIDTHS.map(width => {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0`;
  frame.src = "report.html";
  document.body.append(frame);
  return frame;
});
addEventListener("load", () => {
  measured.textContent = JSON.stringify(frames.map(frame => {
    const page = frame.contentDocument;
    page.querySelectorAll("details").forEach(folded => folded.open = true);
    const root = page.documentElement;
    return {
      seen: root.clientWidth,
      needed: root.scrollWidth,
      sections: page.querySelectorAll("section").length,
      broken: [...page.images].filter(image => !image.naturalWidth).length,
      attacked: "attacked" in frame.contentWindow,
    };
  }));
});
</script>"""

ATTACK = ("<script>attacked=1</script>", '"><img src=stolen onerror=attacked=1>', "x" * 400)


class Server(ThreadingHTTPServer):
    """Serve a directory on this machine alone, and remember what was asked for."""

    asked: list[str]


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def log_message(self, *_: Any) -> None:
        self.server.asked.append(self.path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "run").mkdir()
    serving = Server(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "run")))
    serving.asked = []
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    yield serving
    serving.shutdown()
    thread.join()
    serving.server_close()


def measure(run: Path, server: Server, profile: Path) -> list[dict[str, Any]]:
    """Open the report of ``run`` at every width, and return what the browser measured."""
    write_report(run)
    page = MEASURE.replace("WIDTHS", json.dumps(WIDTHS))
    (run / "measure.html").write_text(page, encoding="utf-8")
    command = [
        str(BROWSER),
        *FLAGS,
        f"--user-data-dir={profile}",
        f"http://127.0.0.1:{server.server_address[1]}/measure.html",
    ]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="measured">(.+?)</pre>', dom, re.DOTALL)
    assert found, dom[:2000]
    measured: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
    return measured


@pytest.mark.parametrize(
    ("count", "settings"),
    [
        (2, {}),
        (2, {"epochs": 1, "planned_epochs": 9, "stop": "SIGINT", "heads": False, "batch": False}),
        (10, {}),
        (20, {}),
        (40, {}),
        (130, {}),
    ],
)
def test_page_fits_and_asks_for_nothing(
    tmp_path: Path, server: Server, count: int, settings: dict[str, Any]
) -> None:
    plain = (f"a class of its own, number {place}" for place in range(count))
    names = (*ATTACK, *plain)[:count]
    run = tmp_path / "run"
    run.rmdir()
    write_run(
        run,
        classes=names,
        data="photographs of " + "y" * 200,
        mistake_files=[*ATTACK, *(f"folder/{place}.jpg" for place in range(21))],
        unreadable=[(name, "truncated") for name in ATTACK],
        **settings,
    )
    measured = measure(run, server, tmp_path / "profile")
    assert [each["seen"] for each in measured] == list(WIDTHS)
    for each in measured:
        assert each["needed"] <= each["seen"]
        assert each["sections"] >= 6
        assert each["broken"] == 0
        assert not each["attacked"]
    assert set(server.asked) == {"/measure.html", "/report.html"}
