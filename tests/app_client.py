"""A browser's half of a Streamlit session, without a browser: it connects, uploads and clicks."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect

_WAIT_S = 300.0
_ADDRESS = re.compile(r'"((?:https?:/)?/[^"]*)"')
#: Any token that the server's own check takes: it compares the header with the cookie.
_XSRF = "_streamlit_xsrf"


def _trusting() -> ssl.SSLContext:
    """Takes any certificate: that of a test is its own."""
    return ssl._create_unverified_context()


class AppClient:
    """One tab.

    Args:
        url: Address of the app, with its base path.
        origin: What the browser says of the page that connects; the app's own address if None.
        headers: Further headers.
        session: A session to take up again, as a browser does whose connection broke.
    """

    def __init__(
        self,
        url: str,
        *,
        origin: str | None = None,
        headers: Mapping[str, str] | None = None,
        session: str = "",
    ) -> None:
        parts = urlsplit(url)
        self._host, self._path = parts.netloc, parts.path.rstrip("/")
        self._secure = parts.scheme == "https"
        scheme = "wss" if self._secure else "ws"
        self._xsrf = self._get_xsrf()
        self._open = ExitStack()
        self._socket = self._open.enter_context(
            connect(
                f"{scheme}://{self._host}{self._path}/_stcore/stream",
                origin=origin or f"{parts.scheme}://{self._host}",  # type: ignore[arg-type]
                subprotocols=["streamlit", self._xsrf, *filter(None, [session])],  # type: ignore[list-item]
                additional_headers={"Cookie": f"{_XSRF}={self._xsrf}", **(headers or {})},
                max_size=None,
                ssl=_trusting() if self._secure else None,
                max_queue=None,
            )
        )
        self.session_id = ""
        self._page = self._tabs = ""
        self._elements: dict[str, str] = {}
        #: What the page said last, and the addresses in all it ever sent.
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self._states: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}

    def __enter__(self) -> AppClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the tab."""
        self._open.close()

    def vanish(self) -> None:
        """Cut the connection, as a machine that is switched off."""
        self._socket.socket.close()

    def open(self, page: str) -> None:
        """Go to another page.

        Args:
            page: The last part of its address; empty for the first page.
        """
        self._page, self._states = page, {}
        self.run()

    def choose(self, label: str, value: str) -> None:
        """Choose a segment by what it says, and run the page."""
        chosen = next(i for i, text in self._elements.items() if label in text)
        state = self._states.setdefault(chosen, WidgetState(id=chosen))
        state.string_array_value.data[:] = [value]
        self.run()

    def open_tab(self, title: str) -> None:
        """Open a tab of the page's only row of tabs, and run the page."""
        state = self._states.setdefault(self._tabs, WidgetState(id=self._tabs))
        state.string_value = title
        self.run()

    def run(self) -> None:
        """Run the page and wait until it is done."""
        message = BackMsg()
        message.rerun_script.query_string = ""
        message.rerun_script.page_name = self._page
        for state in self._states.values():
            message.rerun_script.widget_states.widgets.add().CopyFrom(state)
        self._send(message)
        self.texts = []
        self._until(lambda m: m.WhichOneof("type") == "script_finished")

    def upload(
        self,
        files: Mapping[str, bytes | Callable[[], bytes]],
        label: str = "photographs",
        at_once: int = 4,
    ) -> list[int]:
        """Give files to an uploader and run the page; the server's status for each.

        Args:
            files: By name, or what makes them when it is their turn.
            label: Part of the uploader's label.
            at_once: How many are on their way at a time; browsers send up to six.
        """
        uploader = next(i for i, text in self._elements.items() if label in text)
        asked = BackMsg()
        asked.file_urls_request.request_id = uuid.uuid4().hex
        asked.file_urls_request.file_names.extend(files)
        asked.file_urls_request.session_id = self.session_id
        self._send(asked)
        said = self._until(lambda m: m.WhichOneof("type") == "file_urls_response")
        state = self._states.setdefault(uploader, WidgetState(id=uploader))
        places = said.file_urls_response.file_urls
        with ThreadPoolExecutor(at_once) as pool:
            statuses = list(
                pool.map(self._put, (place.upload_url for place in places), files, files.values())
            )
        for name, urls in zip(files, places, strict=True):
            info = state.file_uploader_state_value.uploaded_file_info.add()
            info.file_id, info.name, info.size = urls.file_id, name, self._sizes[name]
            info.file_urls.CopyFrom(urls)
        self.run()
        return statuses

    def _get_xsrf(self) -> str:
        connection = self._connection()
        connection.request("GET", f"{self._path}/_stcore/health")
        answer = connection.getresponse()
        cookie = answer.getheader("Set-Cookie") or ""
        connection.close()
        return cookie.split(f"{_XSRF}=", 1)[-1].split(";", 1)[0] if _XSRF in cookie else ""

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(self._host, timeout=_WAIT_S, context=_trusting())
        return http.client.HTTPConnection(self._host, timeout=_WAIT_S)

    def _put(self, address: str, name: str, file: bytes | Callable[[], bytes]) -> int:
        data = file if isinstance(file, bytes) else file()
        self._sizes[name] = len(data)
        edge = uuid.uuid4().hex
        said = json.dumps(name)
        head = f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename={said}\r\n\r\n'
        # Not joined: copying 200 MB would stop the threads that watch the server.
        body = (head.encode(), data, f"\r\n--{edge}--\r\n".encode())
        connection = self._connection()
        connection.request(
            "PUT",
            f"{self._path}{address}" if not address.startswith(self._path or "\0") else address,
            body,
            {
                "Content-Type": f"multipart/form-data; boundary={edge}",
                "Content-Length": str(sum(map(len, body))),
                "X-Xsrftoken": self._xsrf,
                "Cookie": f"{_XSRF}={self._xsrf}",
            },
        )
        status = connection.getresponse().status
        connection.close()
        return status

    def _send(self, message: BackMsg) -> None:
        self._socket.send(message.SerializeToString())

    def _until(self, wanted: Callable[[ForwardMsg], bool]) -> ForwardMsg:
        end = time.monotonic() + _WAIT_S
        while time.monotonic() < end:
            message = ForwardMsg()
            message.ParseFromString(self._socket.recv(timeout=end - time.monotonic()))
            self._learn(message)
            if wanted(message):
                return message
        raise TimeoutError("the app did not answer")

    def _learn(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        self.addresses += _ADDRESS.findall(str(message))
        if kind == "new_session":
            self.session_id = message.new_session.initialize.session_id
        if kind == "delta" and message.delta.add_block.WhichOneof("type") == "tab_container":
            self._tabs = message.delta.add_block.tab_container.id or message.delta.add_block.id
        if kind != "delta" or message.delta.WhichOneof("type") != "new_element":
            return
        element = message.delta.new_element
        inner = getattr(element, element.WhichOneof("type") or "", None)
        words = [getattr(inner, name, "") for name in ("body", "label", "alert")]
        self.texts.append(" ".join(str(word) for word in words if word))
        if getattr(inner, "id", ""):
            self._elements[inner.id] = str(getattr(inner, "label", ""))
