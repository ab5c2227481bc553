"""What tests/schemathesis and tests/clients share: a server in a folder of its own, and people in it."""
import email
import email.policy
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
PASSWORD = "a long pass phrase for stories"


class Skipped(Exception):
    """Why something cannot be done here."""


def packages(folder, *wanted):
    """A folder of programs: a virtual environment within the folder that has these packages."""
    venv = folder / "venv"
    try:
        subprocess.run([sys.executable, "-m", "venv", venv], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        raise Skipped("Python has no venv module here") from error
    pip = [venv / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    try:
        subprocess.run(pip, check=True, capture_output=True, timeout=300)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise Skipped(f"{', '.join(wanted)} cannot be installed: the package index is out of reach") from error
    return venv / "bin"


def binaries():
    """The programs under test."""
    build = ["cargo", "build", "--quiet", "--locked", "--workspace", "--all-features", "--bins"]
    if os.environ.get("MARKETPLACE_TEST_BINARIES") is None:
        subprocess.run(build, cwd=ROOT, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
    return target / "marketplace-server", target / "marketplace"


class Market:
    """A server with people in it."""

    def __init__(self, folder, database):
        self.server, self.cli = binaries()
        self.data = folder / "data"
        self.data.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("MARKETPLACE_")}
        self.environment |= {
            "MARKETPLACE_DATABASE_URL": database or f"sqlite://{self.data}/marketplace.db",
            "MARKETPLACE_DATA_DIR": str(self.data),
            "MARKETPLACE_LISTEN": f"127.0.0.1:{self.port}",
            "MARKETPLACE_LIMITS__AUTH_PER_IP_MINUTE": "1000000",
            "MARKETPLACE_LIMITS__FAILED_LOGINS": "1000000",
            "MARKETPLACE_LIMITS__FAILED_LOGINS_ACCOUNT_HOUR": "1000000",
            "MARKETPLACE_LIMITS__MAILS_PER_ACCOUNT_HOUR": "1000000",
            "MARKETPLACE_LIMITS__PUBLIC_PER_IP_MINUTE": "0",
            "MARKETPLACE_LIMITS__SEARCHES_PER_IP_MINUTE": "0",
            "MARKETPLACE_LIMITS__READS_PER_ACCOUNT_MINUTE": "0",
            "MARKETPLACE_LIMITS__WRITES_PER_ACCOUNT_MINUTE": "0",
            "MARKETPLACE_LIMITS__UPLOADS_PER_ACCOUNT_MINUTE": "0",
        }
        self.log = open(folder / "server.log", "w+", encoding="utf-8")
        self.process = None

    def start(self):
        arguments = [self.server, "--migrate"]
        self.process = subprocess.Popen(arguments, env=self.environment, stdout=self.log, stderr=self.log)
        for _ in range(600):
            try:
                if urllib.request.urlopen(f"{self.url}/readyz", timeout=5).status == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server does not start")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=60)

    def run(self, *arguments):
        done = subprocess.run(
            [self.cli, "--db", self.environment["MARKETPLACE_DATABASE_URL"], *arguments],
            env=self.environment, capture_output=True, text=True, check=False,
        )
        if done.returncode:
            raise SystemExit(f"marketplace {' '.join(arguments)}: {done.stderr}")

    def post(self, path, body, token=None):
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        ask = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(ask, timeout=60) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise SystemExit(f"POST {path}: {error.code} {error.read().decode()}") from error

    def mailed_token(self, address):
        for _ in range(300):
            for path in sorted((self.data / "mail").glob("*.eml"), reverse=True):
                mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                found = re.search(r"token=([\w.-]+)", mail.get_body(("plain",)).get_content())
                if address.lower() in str(mail["to"]).lower() and found:
                    return found.group(1)
            time.sleep(0.1)
        raise SystemExit(f"no mail to {address}")

    def token(self, role):
        """An access token, good for ten minutes."""
        address = f"{role}.{uuid.uuid4().hex}@example.org"
        if role == "admin":
            self.run("users", "create", "--role", role, "--email", address, "--name", "Sam", "--yes")
            self.post("/v1/auth/password/reset", {"token": self.mailed_token(address), "password": PASSWORD})
        else:
            self.post("/v1/auth/signup", {"role": role, "email": address, "password": PASSWORD, "name": "Ada"})
            self.post("/v1/auth/verify-email", {"token": self.mailed_token(address)})
        return self.post("/v1/auth/login", {"email": address, "password": PASSWORD})["access_token"]
