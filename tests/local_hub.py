"""A folder that plays the Hugging Face Hub, on a port of this machine, for the real client.

`ROOT/owner/name/COMMIT/FILE` holds the files; `ROOT/owner/name/main` names the newest commit. Only
what a push of small files and a fetch need is spoken: /api/models, /resolve, preupload, commit.
"""

import base64
import hashlib
import json
import shutil
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOKEN = "hf_of_the_tests"


def newest(root, repo):
    """The directory of the newest commit of a repository."""
    return root / repo / (root / repo / "main").read_text()


def commit(root, repo, files):
    """Add a commit that changes {name: content}; its hash is that of all contents."""
    place, hashed = root / repo, hashlib.sha1()
    made = place / "new"
    if (place / "main").exists():
        shutil.copytree(newest(root, repo), made)
    made.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (made / name).write_bytes(data)
    for path in sorted(made.iterdir()):
        hashed.update(path.name.encode() + path.read_bytes())
    name = hashed.hexdigest()
    shutil.rmtree(place / name, ignore_errors=True)
    made.rename(place / name)
    (place / "main").write_text(name)
    return name


class Handler(BaseHTTPRequestHandler):
    """The few requests, and what the hub says where it has nothing."""

    root: Path
    status = None
    """A status that every request gets, where the hub is to be ill."""

    def log_message(self, *_):
        """Say nothing."""

    def answer(self, document=None, status=200, body=b"", **headers):
        body = body if document is None else json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def lacks(self, what, status=404):
        self.answer({"error": what}, status, X_Error_Code=what, X_Error_Message=what)

    def revision(self, repo, revision):
        """The directory of a revision; None, after the answer, where there is none."""
        if not (self.root / repo / "main").exists():
            return self.lacks("RepoNotFound", 401)
        if revision == "main":
            return newest(self.root, repo)
        found = self.root / repo / revision
        return found if found.is_dir() else self.lacks("RevisionNotFound")

    def do_GET(self):
        path = self.path.split("?")[0].strip("/").split("/")
        if self.status:
            return self.answer({}, self.status)
        if path[:2] == ["api", "models"]:
            repo, revision = "/".join(path[2:4]), path[5] if len(path) > 5 else "main"
            found = self.revision(repo, revision)
            if found is None:
                return None
            sizes = {file.name: file.stat().st_size for file in sorted(found.iterdir())}
            if path[4:5] == ["tree"]:
                entry = {"type": "file", "oid": "0" * 40}
                return self.answer([{**entry, "path": n, "size": s} for n, s in sizes.items()])
            siblings = [{"rfilename": name} for name in sizes]
            return self.answer({"id": repo, "sha": found.name, "siblings": siblings})
        repo, revision, name = "/".join(path[:2]), path[3], path[4]
        found = self.revision(repo, revision)
        if found is None:
            return None
        if not (found / name).is_file():
            return self.lacks("EntryNotFound")
        data = (found / name).read_bytes()
        etag = f'"{hashlib.sha1(data).hexdigest()}"'
        return self.answer(body=data, ETag=etag, X_Repo_Commit=found.name)

    do_HEAD = do_GET

    def do_POST(self):
        data = self.rfile.read(int(self.headers["Content-Length"] or 0))
        path = self.path.split("?")[0].strip("/").split("/")
        if self.status:
            return self.answer({}, self.status)
        if path[-1] == "validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            return self.answer({"error": "who?"}, 401, X_Error_Message="Invalid credentials")
        if path[-2:] == ["repos", "create"]:
            entries = json.loads(data)
            repo = f"{entries['organization']}/{entries['name']}"
            if (self.root / repo / "main").exists():
                return self.answer({"url": self.url(repo)}, 409)
            commit(self.root, repo, {".gitattributes": b""})
            return self.answer({"url": self.url(repo), "private": entries.get("private")})
        repo = "/".join(path[2:4])
        if path[4] == "preupload":
            names = [file["path"] for file in json.loads(data)["files"]]
            plain = {"uploadMode": "regular", "shouldIgnore": False}
            return self.answer({"files": [{"path": name, **plain} for name in names]})
        lines = [json.loads(line)["value"] for line in data.splitlines()]
        files = {v["path"]: base64.b64decode(v["content"]) for v in lines if "content" in v}
        oid = commit(self.root, repo, files)
        return self.answer({"commitOid": oid, "commitUrl": f"{self.url(repo)}/commit/{oid}"})

    def url(self, repo):
        return f"http://{self.headers['Host']}/{repo}"


@contextmanager
def serving(root):
    """Serve a folder; yields the address and the class of the handler."""
    handler = type("OfRoot", (Handler,), {"root": root})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
