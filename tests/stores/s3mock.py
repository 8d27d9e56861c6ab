"""An S3 in memory that does what networks do to requests, for tests. It checks no signatures.

    python3 s3mock.py

It takes a free port of 127.0.0.1 and prints "port N". Then it reads commands, a line each, and answers with a line:

    fault KIND SUFFIX   what happens to the PUTs of keys that end so, from now on; replaces the fault before
    release             lets the PUTs that are held go on
    puts SUFFIX         how many PUTs there were of keys that end so
    held                how many PUTs are held

Kinds: `none`; `503applied` (stored, and answered with 503, once per key); `resetapplied` (stored, and the connection
closed, once per key); `409always` (never stored, answered with 409); `hold` (waits for a release, once per key).
It ends when its standard input does.
"""

import hashlib
import http.server
import re
import socketserver
import sys
import threading
import time
import urllib.parse as url
import xml.sax.saxutils as sax

lock = threading.Lock()
store = {}  # path -> (bytes, time)
puts = {}  # path -> how many PUTs
fault = ["none", ""]
struck = set()  # (kind, path) that the fault has hit
released = threading.Event()
held = 0


def error(code, message="x"):
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


def etag(body):
    return '"%s"' % hashlib.md5(body).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def answer(self, code, body=b"", headers=None):
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_PUT(self):
        global held
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = url.unquote(url.urlparse(self.path).path)
        with lock:
            puts[path] = puts.get(path, 0) + 1
            kind = fault[0] if path.endswith(fault[1]) else "none"
            if kind in ("503applied", "resetapplied", "hold"):
                if (kind, path) in struck:
                    kind = "none"
                struck.add((kind, path))
            if kind == "hold":
                held += 1
        if kind == "hold":
            released.wait()
        if kind == "409always":
            return self.answer(409, error("ConditionalRequestConflict"))
        with lock:
            if self.headers.get("If-None-Match") == "*" and path in store:
                return self.answer(412, error("PreconditionFailed"))
            store[path] = (body, time.time())
        if kind == "503applied":
            return self.answer(503, error("SlowDown"))
        if kind == "resetapplied":
            self.close_connection = True
            return self.connection.shutdown(2)
        self.answer(200, b"", {"ETag": etag(body)})

    def listing(self, path, query):
        first = lambda name: query.get(name, [""])[0]
        prefix, after, delimiter = first("prefix"), first("start-after"), first("delimiter")
        bucket = "/" + path.strip("/").split("/")[0] + "/"
        contents, prefixes = "", set()
        with lock:
            known = sorted(store.items())
        for name, (body, at) in known:
            key = name[len(bucket):]
            if not key.startswith(prefix) or key <= after:
                continue
            if delimiter and delimiter in key[len(prefix):]:
                prefixes.add(prefix + key[len(prefix):].split(delimiter)[0] + delimiter)
                continue
            modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at))
            contents += (
                f"<Contents><Key>{sax.escape(key)}</Key><LastModified>{modified}</LastModified>"
                f"<ETag>{sax.escape(etag(body))}</ETag><Size>{len(body)}</Size></Contents>"
            )
        contents += "".join(f"<CommonPrefixes><Prefix>{sax.escape(p)}</Prefix></CommonPrefixes>" for p in sorted(prefixes))
        text = f"<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        self.answer(200, text.encode(), {"Content-Type": "application/xml"})

    def do_GET(self):
        parsed = url.urlparse(self.path)
        path, query = url.unquote(parsed.path), url.parse_qs(parsed.query)
        if "list-type" in query:
            return self.listing(path, query)
        with lock:
            found = store.get(path)
        if found is None:
            return self.answer(404, error("NoSuchKey"))
        body, at = found
        modified = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(at))
        headers = {"ETag": etag(body), "Last-Modified": modified}
        wanted = self.headers.get("Range")
        if not wanted:
            return self.answer(200, body, headers)
        start, end = wanted.split("=")[1].split("-")
        last = len(body) - 1
        start, end = (max(0, len(body) - int(end)), last) if start == "" else (int(start), min(int(end or last), last))
        if start > last:
            return self.answer(416, error("InvalidRange"))
        headers["Content-Range"] = f"bytes {start}-{end}/{len(body)}"
        self.answer(206, body[start:end + 1], headers)

    do_HEAD = do_GET

    def do_DELETE(self):
        with lock:
            store.pop(url.unquote(url.urlparse(self.path).path), None)
        self.answer(204)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if "delete" not in self.path:
            return self.answer(501, error("NotImplemented"))
        bucket = "/" + url.urlparse(self.path).path.strip("/").split("/")[0] + "/"
        keys = re.findall(r"<Key>(.*?)</Key>", body)
        with lock:
            for key in keys:
                store.pop(bucket + sax.unescape(key), None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self.answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode(), {"Content-Type": "application/xml"})


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # A client that is killed closes its connection.


def command(words):
    global fault
    if words[0] == "fault":
        with lock:
            fault = [words[1], words[2] if len(words) > 2 else ""]
            struck.clear()
            released.clear()
        return "ok"
    if words[0] == "release":
        released.set()
        return "ok"
    if words[0] == "puts":
        with lock:
            return str(sum(count for path, count in puts.items() if path.endswith(words[1])))
    if words[0] == "held":
        return str(held)
    return "what?"


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("port", server.server_address[1], flush=True)
for line in sys.stdin:
    print(command(line.split()), flush=True)
