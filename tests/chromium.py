"""A real browser for tests: headless Chromium, driven over pipes by its own DevTools protocol.

Nothing has to be installed beside the browser. Tests that use it are skipped where there is none.
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
KEYS = {"ArrowLeft": 37, "ArrowRight": 39, "ArrowUp": 38, "ArrowDown": 40, "Home": 36, "End": 35}
KEYS |= {"Tab": 9, "Enter": 13, " ": 32}
TYPED = {"Enter": "\r", " ": " "}


def find_chromium():
    """The path of a browser, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium:
    """One tab of a browser of its own, in a profile of its own."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        our_read, their_write = os.pipe()
        their_read, our_write = os.pipe()

        def as_three_and_four():
            # Out of the way of 3 and 4 first: either pipe may have one of these numbers.
            read, write = os.dup(their_read), os.dup(their_write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        command = (find_chromium(), *OPTIONS, f"--user-data-dir={self.profile.name}", "about:blank")
        self.process = subprocess.Popen(
            command,
            pass_fds=(3, 4),
            close_fds=True,
            preexec_fn=as_three_and_four,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(their_read)
        os.close(their_write)
        self.reader, self.writer = os.fdopen(our_read, "rb"), os.fdopen(our_write, "wb")
        self.count, self.session, self.events = 0, None, []
        targets = self.send("Target.getTargets")["targetInfos"]
        (page,) = [t["targetId"] for t in targets if t["type"] == "page"]
        attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **params):
        """One command, and its result; events on the way are kept."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.writer.write(json.dumps(message).encode() + b"\0")
        self.writer.flush()
        while True:
            answer = self.receive()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def receive(self):
        """The next message."""
        data = bytearray()
        while (byte := self.reader.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("the browser is gone")
            data += byte
        return json.loads(data)

    def run(self, script):
        """The value of an expression; a promise is waited for."""
        found = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return found["result"].get("value")

    def open(self, path, width=1280, height=900, dark=False):
        """A file, in a window of this size, once it is ready."""
        self.events.clear()
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=Path(path).resolve().as_uri())
        self.wait_for("document.documentElement.dataset.ready === 'yes'")

    def wait_for(self, condition, seconds=60):
        """Wait until an expression is true."""
        script = f"""new Promise((done, fail) => {{
            const begun = performance.now(), look = () => {{
                let holds = false;
                try {{ holds = {condition}; }} catch {{ holds = false; }}
                if (holds) done(true);
                else if (performance.now() - begun > {1000 * seconds}) fail(new Error('timeout'));
                else setTimeout(look, 20);
            }};
            look();
        }})"""
        return self.run(script)

    def press(self, key):
        """A key, as a person presses it."""
        number = KEYS.get(key, ord(key[0].upper()))
        event = {"key": key, "code": key, "windowsVirtualKeyCode": number}
        text = TYPED.get(key, key if len(key) == 1 else None)
        more = {"text": text} if text else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **event, **more)
        self.send("Input.dispatchKeyEvent", type="keyUp", **event)

    def insert(self, text):
        """Text into the field that has the focus, all at once."""
        self.send("Input.insertText", text=text)

    def screenshot(self, path, whole=False):
        """The window, or the whole page, as PNG."""
        found = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(found["data"]))

    def complaints(self):
        """Exceptions, errors of the console, and requests that left the file."""
        found = []
        for event in self.events:
            params = event.get("params", {})
            if event.get("method") == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"]["exception"].get("description"))
            if event.get("method") == "Runtime.consoleAPICalled" and params["type"] == "error":
                found.append(str(params["args"]))
            if event.get("method") == "Network.requestWillBeSent":
                url = params["request"]["url"]
                if url.split(":")[0] not in ("file", "data", "blob", "about"):
                    found.append(url)
        return found

    def close(self):
        """End the browser."""
        try:
            self.session = None
            self.send("Browser.close")
        except (RuntimeError, OSError):
            self.process.kill()
        self.process.wait(timeout=30)
        self.reader.close()
        self.writer.close()
        self.profile.cleanup()
