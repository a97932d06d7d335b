"""nginx, answering a constant over TLS as bccd is set: the same certificate, protocol and ciphers."""

import os
import subprocess
import tempfile
import time

import wire
from daemon import die_with_parent, free_port

START_TIME, STOP_TIME = 20, 20  # seconds
CONFIGURATION = """
daemon off;
worker_processes {workers};
pid {directory}/pid;
error_log {directory}/error.log;
events {{ worker_connections 10000; }}
http {{
    access_log off;
    server_tokens off;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    default_type application/json;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {tls}/server.pem;
        ssl_certificate_key {tls}/server.key;
        ssl_protocols TLSv1.3;
        {padding}
        return 200 '{body}';
    }}
}}
"""


class Nginx:
    """`answer` is the bytes of bccd's answer: nginx's has the same body, and is as long."""

    def __init__(self, daemon, workers, answer=b"\r\n\r\n{}"):
        self.directory = tempfile.mkdtemp(prefix="n")
        self.port = free_port()
        self.settings = {"workers": workers, "directory": self.directory, "port": self.port,
                         "tls": os.path.join(daemon.state, "tls"), "padding": "",
                         "body": answer.partition(b"\r\n\r\n")[2].decode()}
        self.length = len(answer)
        self.process = None

    def __enter__(self):
        self.start()
        missing = self.length - len(wire.answer(self.port)) - len("X-Padding: \r\n")
        if missing > 0:
            self.stop()
            self.settings["padding"] = f"add_header X-Padding {'x' * missing};"
            self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def launch(self):
        path = os.path.join(self.directory, "nginx.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(**self.settings))
        self.process = subprocess.Popen(
            ["nginx", "-e", os.path.join(self.directory, "error.log"), "-c", path],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def start(self):
        self.launch()
        wire.wait_until_answered(self.port, "/", START_TIME, self.process)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(STOP_TIME)
            self.process = None
