"""s3.py PORT: moto's S3, one request at a time.

moto looks whether an object exists and then puts it, without a lock in between: on a busy machine two conditional puts
of one object both succeeded. What tests race on must not race itself.
"""
import sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

app = DomainDispatcherApplication(create_backend_app)
lock = threading.Lock()


def one_at_a_time(environ, start_response):
    with lock:
        return [b"".join(app(environ, start_response))]


run_simple("127.0.0.1", int(sys.argv[1]), one_at_a_time, threaded=True)
