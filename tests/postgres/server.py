"""A PostgreSQL 15 of our own: its data in a folder of ours, a socket of our own, no TCP; gone when we are."""
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

BIN = os.environ.get("POSTGRES_BIN", "/usr/lib/postgresql/15/bin")
PR_SET_PDEATHSIG = 1
# Speed instead of durability: the data lives as long as the test. The locale's order is that of code points.
SETTINGS = {"listen_addresses": "", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
            "autovacuum": "off", "max_connections": "10", "shared_buffers": "64MB", "timezone": "UTC",
            "datestyle": "ISO, YMD", "intervalstyle": "postgres", "extra_float_digits": "1", "bytea_output": "hex",
            "lc_messages": "C", "standard_conforming_strings": "on", "jit": "off", "logging_collector": "off",
            "log_min_messages": "fatal", "client_min_messages": "error", "statement_timeout": "300s"}


PREFIX = "kappa-pg-"


def sweep(place):
    """Removes what runs left behind that were killed; their servers ended with them."""
    for name in os.listdir(place):
        pid = name.removeprefix(PREFIX).split("-")[0]
        if name.startswith(PREFIX) and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)


class Postgres:
    """A context: the server runs inside it."""

    def __init__(self, build):
        self.build = build

    def __enter__(self):
        # PostgreSQL refuses to run as root: then it is the user that Debian's package made for it.
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.folder = self.home()
        self.process = None
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def home(self):
        """A folder in one of the places: the system's own for what is temporary is the last resort, where the others
        are too deep for the address of a socket (107 bytes), or where the server's user may not go."""
        for place in (os.environ.get("TEST_TMP"), self.build, tempfile.gettempdir()):
            if not place or len(place) > 70 or not os.access(place, os.W_OK):
                continue
            sweep(place)
            folder = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place)
            if self.user:
                os.chown(folder, self.user.pw_uid, self.user.pw_gid)
            reached = subprocess.run(["test", "-w", folder, "-a", "-x", folder], check=False, **self.as_user())
            if reached.returncode == 0:
                return folder
            shutil.rmtree(folder)
        raise SystemExit("FAIL no folder that PostgreSQL may write to")

    def as_user(self):
        def dies_with_us():
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
        identity = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}
        # A session of its own, so that Ctrl-C is for us alone: we then end it in good order.
        return {**identity, "preexec_fn": dies_with_us, "start_new_session": True, "cwd": "/"}

    def start(self):
        if not os.path.exists(os.path.join(BIN, "initdb")):
            raise SystemExit(f"FAIL there is no PostgreSQL in {BIN}; `make setup` installs postgresql-15")
        data = os.path.join(self.folder, "data")
        self.log = open(os.path.join(self.folder, "log"), "w+b")
        subprocess.run([os.path.join(BIN, "initdb"), "--no-sync", "-A", "trust", "-U", "kappa", "--encoding=UTF8",
                        "--locale=C.UTF-8", "-D", data], check=True, stdin=subprocess.DEVNULL, stdout=self.log,
                       stderr=self.log, **self.as_user())
        options = [word for item in SETTINGS.items() for word in ("-c", "=".join(item))]
        self.process = subprocess.Popen([os.path.join(BIN, "postgres"), "-D", data, "-k", self.folder] + options,
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **self.as_user())
        while subprocess.run([os.path.join(BIN, "pg_isready"), "-q", "-t", "30", "-h", self.folder],
                             check=False).returncode != 0:
            if self.process.poll() is not None:
                self.log.seek(0)
                raise SystemExit("FAIL PostgreSQL does not start:\n" + self.log.read().decode(errors="replace"))

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # fast shutdown
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self):
        """The command that runs SQL from its standard input and stops at the first error."""
        return ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "kappa", "-d",
                "postgres"]
