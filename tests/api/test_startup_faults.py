"""Each fault at the start gives one line that says what and how to mend it, and exit status 1."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import unittest

from daemon import free_port

BCCD = os.environ.get("BCCD", "bccd")
TIME_LIMIT = 60  # seconds
SERVING_USER = os.environ.get("SERVING_USER", "nobody")


class StartupFaults(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="faults")
        os.chmod(self.directory, 0o755)
        self.settings = {
            "state_directory": os.path.join(self.directory, "state"),
            "listen_address": "127.0.0.1",
            "listen_port": free_port(),
            "client_listen_port": 0,
            "metrics_port": 0,
            # Reached only when no fault was found before: ends the start in any case.
            "database": "host=127.0.0.1 port=1 dbname=none connect_timeout=2",
        }
        if os.getuid() == 0:
            self.settings["user"] = SERVING_USER

    def tearDown(self):
        shutil.rmtree(self.directory)

    def path(self, name, text=None, mode=0o644):
        path = os.path.join(self.directory, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(path, mode)
        return path

    def run_bccd(self, *arguments):
        return subprocess.run([BCCD, *arguments], capture_output=True, text=True, check=False,
                              timeout=TIME_LIMIT, stdin=subprocess.DEVNULL)

    def serve(self, *arguments):
        text = "".join(f"{name} = {value}\n" for name, value in self.settings.items())
        configuration = self.path("bccd.conf", text)
        return self.run_bccd("serve", "--config", configuration, *arguments)

    def assert_line(self, done, *parts, status=1):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith("bccd"), lines[0])
        for part in parts:
            self.assertIn(part, lines[0])

    def make_certificate(self, name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-days", "2",
                        "-keyout", self.path(name + ".key"), "-out", self.path(name + ".pem")],
                       check=True, capture_output=True)
        os.chmod(self.path(name + ".key"), 0o644)

    def configure_certificate(self, certificate, key):
        self.settings["certificate"] = self.path(certificate)
        self.settings["certificate_key"] = self.path(key)

    def test_missing_certificate(self):
        self.configure_certificate("none.pem", "none.key")
        self.assert_line(self.serve(), "none.pem", "certificate")

    def test_certificate_without_key(self):
        self.settings["certificate"] = self.path("some.pem", "")
        self.assert_line(self.serve(), "certificate_key")

    def test_certificate_that_is_none(self):
        self.path("wrong.pem", "no certificate\n")
        self.path("wrong.key", "no key\n")
        self.configure_certificate("wrong.pem", "wrong.key")
        self.assert_line(self.serve(), "wrong.pem")

    def test_key_of_another_certificate(self):
        self.make_certificate("one")
        self.make_certificate("other")
        self.configure_certificate("one.pem", "other.key")
        self.assert_line(self.serve(), "other.key")

    def test_key_that_the_serving_user_cannot_read(self):
        self.make_certificate("one")
        os.chmod(self.path("one.key"), 0o600 if os.getuid() == 0 else 0)
        self.configure_certificate("one.pem", "one.key")
        self.assert_line(self.serve(), "one.key")

    def test_port_in_use(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            self.settings["listen_port"] = other.getsockname()[1]
            self.assert_line(self.serve(), str(self.settings["listen_port"]), "listen_port")

    def test_port_in_use_by_one_that_would_share_it(self):
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(("127.0.0.1", 0))
            other.listen()
            self.settings["listen_port"] = other.getsockname()[1]
            self.assert_line(self.serve(), str(self.settings["listen_port"]))

    def test_address_of_another_host(self):
        self.settings["listen_address"] = "192.0.2.1"
        self.assert_line(self.serve(), "192.0.2.1")

    def test_database_that_is_not_there(self):
        self.assert_line(self.serve(), "database")

    def test_database_host_without_address(self):
        self.settings["database"] = "host=bccd.invalid dbname=none"
        self.assert_line(self.serve(), "the database's host bccd.invalid has no address")

    def test_bug_0039_more_sockets_than_workers(self):
        """From systemd: nobody would have accepted on the second one."""
        self.settings["workers"] = 1
        with socket.socket() as one, socket.socket() as other:
            for each in (one, other):
                each.bind(("127.0.0.1", 0))
                each.listen()

            def hand_over():
                kept = [os.dup(each.fileno()) for each in (one, other)]
                for place, descriptor in enumerate(kept, 3):
                    os.dup2(descriptor, place)

            text = "".join(f"{name} = {value}\n" for name, value in self.settings.items())
            done = subprocess.run(
                ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", BCCD, "serve", "--config",
                 self.path("bccd.conf", text)], capture_output=True, text=True, check=False,
                timeout=TIME_LIMIT, stdin=subprocess.DEVNULL, preexec_fn=hand_over,
                close_fds=False,
                env={**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "public:public"})
        self.assert_line(done, "public", "raise workers")

    def test_bad_database_string(self):
        self.settings["database"] = "postgresql://bccd:hidden@[::1/none"
        done = self.serve()
        self.assert_line(done, "database", "postgresql://HOST/NAME")
        self.assertNotIn("hidden", done.stderr)

    def test_state_directory_below_nothing(self):
        self.settings["state_directory"] = self.path("none/state")
        self.assert_line(self.serve(), "state_directory", "none/state")

    def test_state_directory_that_cannot_be_written(self):
        # Root has it belong to somebody else; others, to themselves without the right.
        os.mkdir(self.settings["state_directory"], 0o500 if os.getuid() != 0 else 0o755)
        self.assert_line(self.serve(), "state_directory", "writable")

    def test_state_directory_that_is_a_file(self):
        self.path("state", "")
        self.assert_line(self.serve(), "state")

    def test_bad_master_key(self):
        self.settings["master_key_file"] = self.path("key", "0123\n")
        self.assert_line(self.serve(), self.path("key"))

    # Root has another user serve; for others the option is not looked at, and the start goes on to
    # what is wrong with the database.
    def test_user_that_is_none(self):
        self.settings["user"] = "no-such-user"
        self.assert_line(self.serve(),
                         *(("no-such-user", "adduser") if os.getuid() == 0 else ("database",)))

    def test_root_may_not_serve(self):
        self.settings["user"] = pwd.getpwuid(0).pw_name
        self.assert_line(self.serve(), "user" if os.getuid() == 0 else "database")

    def test_password_that_cannot_be_shown(self):
        path = self.path("password")
        for password, problem in ((b"short\n", "give 12 to 256"), (b"caf\xe9" * 4, "not UTF-8")):
            with open(path, "wb") as file:
                file.write(password)
            self.assert_line(
                self.run_bccd("admin", "create-operator", "--email", "a@example.com", "--role",
                              "auditor", "--password-file", path, "--set",
                              "state_directory=" + self.path("state")), path, problem)

    def test_bad_options(self):
        self.settings["workers"] = "many"
        self.assert_line(self.serve(), "bccd.conf:", "workers")
        self.settings["workers"] = 65
        self.assert_line(self.serve(), "bccd.conf:", "workers", "64")
        del self.settings["workers"]
        self.settings["worker"] = 2
        self.assert_line(self.serve(), "bccd.conf:", "workers")
        del self.settings["worker"]
        self.assert_line(self.serve("--set", "time_zone=Asia/Atlantis"), "time_zone")
        self.assert_line(self.serve("--set", "listen_port"), "NAME=VALUE")

    def test_configuration_that_is_not_there(self):
        self.assert_line(self.run_bccd("serve", "--config", self.path("none")), self.path("none"))

    def test_command_line(self):
        self.assert_line(self.run_bccd(), "--help", status=2)
        self.assert_line(self.run_bccd("serv"), "serv", "--help", status=2)
        self.assert_line(self.run_bccd("serve", "--port"), "--port", status=2)
        self.assert_line(self.run_bccd("serve", "--config"), "--config", status=2)
        self.assert_line(self.run_bccd("admin", "create-operator"), "--email", status=2)

    def test_check_config(self):
        done = self.run_bccd("check-config", "--set", "state_directory=" + self.directory)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = self.run_bccd("check-config", "--print", "--set", "listen_port=1234")
        self.assertEqual(done.returncode, 0)
        self.assertIn("\nlisten_port = 1234\n", done.stdout)
        # What it prints is a configuration that is read again.
        printed = self.path("printed.conf", done.stdout)
        self.assertEqual(self.run_bccd("check-config", "--config", printed).returncode, 0)
        self.assert_line(self.run_bccd("check-config", "--set", "log_level=quiet"), "log_level")


if __name__ == "__main__":
    unittest.main()
