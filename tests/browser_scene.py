"""What a failed test in Chromium had before it: the page, its focus, its keys, the server's log.

Browser tests fail rarely, and on other machines: what is known of it has to be in the report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page, WebSocket

LAST_EVENTS = 40
LAST_LOG_LINES = 25
MOST_TEXT = 1500

#: Kept by the page itself: keys, presses, focus, when a desk comes and goes, what the script does.
RECORDER = """
(() => {
  const events = (window.recordedEvents = []);
  const words = (e) => (e?.getAttribute?.("aria-label") ?? e?.textContent ?? "").slice(0, 40);
  const note = (...what) => {
    events.push([Math.round(performance.now()), ...what]);
    if (events.length > 400) events.shift();
  };
  for (const name of ["keydown", "click", "focusin", "focusout"])
    addEventListener(name, (event) => {
      const at = event.composedPath()[0];
      note(name, event.key ?? "", at?.tagName ?? "", words(at));
    }, true);
  let state = "", desk = null;
  new MutationObserver(() => {
    const now = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState ?? "";
    if (now !== state) note("script", (state = now));
  }).observe(document, { subtree: true, childList: true, attributes: true,
                         attributeFilter: ["data-test-script-state"] });
  const nativeAttach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (...options) {
    const key = this.closest?.("[class*=st-key]")?.className.match(/st-key-\\S+/);
    note("component", key?.[0] ?? "");
    return nativeAttach.apply(this, options);
  };
})();
"""


def record(tab: Page) -> None:
    """Have a page remember what happens in it; call it before the page goes anywhere."""
    tab.add_init_script(RECORDER)
    said: list[str] = []
    tab.on("console", lambda message: said.append(f"{message.type}: {message.text[:200]}"))
    tab.on("pageerror", lambda error: said.append(f"error: {str(error)[:300]}"))

    def connected(socket: WebSocket) -> None:
        said.append("a websocket was opened")
        socket.on("close", lambda _: said.append("a websocket was closed"))

    tab.on("websocket", connected)
    tab.recorded_console = said  # type: ignore[attr-defined]


def scene(funcargs: Mapping[str, Any]) -> str:
    """In words what a test had before it; what cannot be told is left out.

    Args:
        funcargs: The values of its fixtures.
    """
    parts = []
    for name, value in funcargs.items():
        if type(value).__name__ == "Page":
            parts.append(f"--- {name}\n{_page(value)}")
        elif isinstance(log := getattr(value, "log", None), Path) and log.is_file():
            lines = log.read_text(errors="replace").splitlines()[-LAST_LOG_LINES:]
            parts.append(f"--- the server's log, {name}\n" + "\n".join(lines))
    return "\n".join(dict.fromkeys(parts))


def _page(tab: Page) -> str:
    try:
        if tab.is_closed():
            return "closed"
        focus = tab.evaluate("document.activeElement?.outerHTML.slice(0, 200)")
        text = tab.evaluate("document.querySelector('[data-testid=stMain]')?.innerText ?? ''")
        events = tab.evaluate("(window.recordedEvents ?? []).map((e) => JSON.stringify(e))")
    except Exception as error:
        return f"cannot be asked: {error}"
    console = getattr(tab, "recorded_console", [])[-LAST_EVENTS:]
    return "\n".join(
        [
            f"address: {tab.url}",
            f"focus: {focus}",
            f"text: {json.dumps(text[:MOST_TEXT])}",
            "events (ms, what, ...):",
            *events[-LAST_EVENTS:],
            "console:",
            *console,
        ]
    )
