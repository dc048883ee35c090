"""Stands in for a server or a background process of the trading host: holds $PORT and answers GET /health.

GET /break makes it unhealthy, GET /mend well again.
"""
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

well = True


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        global well
        if self.path == "/break":
            well = False
        if self.path == "/mend":
            well = True
        self.send_response(200 if well else 503)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    allow_reuse_address = True
    # Without this, the base class asks the resolver for our own name.
    def server_bind(self):
        self.socket.setsockopt(1, 2, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.server_address


print(f"{sys.argv[0]} listens on {os.environ['PORT']}", flush=True)
Server(("127.0.0.1", int(os.environ["PORT"])), Answers).serve_forever()
