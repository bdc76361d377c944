"""Sets the server's clock an hour forward and back while it runs, and starts it with a wrong one.

Needs libfaketime (Debian: libfaketime), which stands between a program and the time of day. The clock of
the database stays right, as that of another machine would.
"""

import secrets
import time
from collections.abc import Callable
from pathlib import Path

from joserfc.jwk import ECKey

from bench.faults.counts import Counts
from bench.faults.servers import Server
from bench.faults.site import Site
from bench.faults.writes import animation
from sdk.client import Client
from sdk.errors import SdkError
from sdk.keys import generate_key, public_jwk, thumbprint
from sdk.local import local_registration
from sdk.models import FingerprintValue, Job, JobStatus
from sdk.possession import prove_possession
from sdk.records import AssetClass
from sdk.verify import verify_receipt

LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
)
HOUR_S = 3600
SEEN_AFTER_S = 2.5  # the library looks at its file every second
JOB_WITHIN_S = 120.0
NOT_YET = "time that has not come yet"  # what an audit says of acts and records until it has come


def library() -> str | None:
    """Where libfaketime is; None: it is not installed."""
    return next((path for path in LIBRARIES if Path(path).exists()), None)


def run(site: Site, counts: Counts, *, small: bool) -> None:
    """Goes through the steps; the small run ends when the clock was set back."""
    found = library()
    if found is None:
        print("the clock is not set: libfaketime is not installed (Debian: libfaketime)")
        return
    clock = _Clock(site.path("clock"))
    environment = {
        "LD_PRELOAD": found,
        "FAKETIME_TIMESTAMP_FILE": str(clock.file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TRUEPRINT_VIDEO_WORKERS": "0" if small else "1",
    }
    clock.set(0)
    server = Server(site, **environment)
    server.start()
    try:
        with Client(server.url, site.api_key) as client:
            _Steps(site, client, clock, counts, with_jobs=not small).forward_and_back()
        if not small:
            server.stop()
            clock.set(-HOUR_S)
            server.start()
            with Client(server.url, site.api_key) as client:
                _Steps(site, client, clock, counts, with_jobs=True).an_hour_slow()
    finally:
        server.stop()


class _Clock:
    """The time of day of a server, as a distance from the true one."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def set(self, ahead_s: int) -> None:
        """Takes effect at once."""
        self.file.write_text(f"{ahead_s:+d}s\n")
        time.sleep(SEEN_AFTER_S)


class _Steps:
    """What is asked of the server at each time, and what must come of it."""

    def __init__(
        self, site: Site, client: Client, clock: _Clock, counts: Counts, *, with_jobs: bool
    ) -> None:
        self._site, self._client, self._clock, self._counts = site, client, clock, counts
        self._with_jobs = with_jobs
        self._size = client.log_state().size

    def forward_and_back(self) -> None:
        """An hour ahead keys come and go; then the clock is right again."""
        job = self._client.start_match(animation()) if self._with_jobs else None
        self._clock.set(HOUR_S)
        self._answered("ahead: registered", lambda: self._register(self._site.key))
        new, retired, revoked = self._enrol(), self._enrol(), self._enrol()
        self._answered("ahead: signed with a new key", lambda: self._register(new))
        self._answered("ahead: signed with a key that is retired next", lambda: self._register(retired))
        self._rotate(retired)
        self._client.revoke_key(self._site.publisher_id, thumbprint(revoked))
        self._look("ahead", job, of_an_hour_ahead=False)
        self._clock.set(0)
        self._answered("set back: registered", lambda: self._register(self._site.key))
        self._answered("set back: signed with the new key", lambda: self._register(new))
        self._refused("set back: signed with the retired key", lambda: self._register(retired))
        self._refused("set back: signed with the revoked key", lambda: self._register(revoked))
        self._client.revoke_key(self._site.publisher_id, thumbprint(new))
        self._refused("set back: signed with a key that is revoked now", lambda: self._register(new))
        job = self._client.start_match(animation()) if self._with_jobs else None
        self._look("set back", job)

    def an_hour_slow(self) -> None:
        """Started with a clock that is behind: statements of others seem to come from the future."""
        self._refused("started an hour slow: a statement of now", lambda: self._register(self._site.key))
        self._look("started an hour slow", self._client.start_match(animation()))
        self._clock.set(0)
        self._answered("set right: registered", lambda: self._register(self._site.key))
        self._look("set right", None)

    def _register(self, key: ECKey) -> None:
        values = [FingerprintValue(value=f"pdq.v1:{secrets.token_hex(32)}", quality=100)]
        digest, issuer = secrets.token_hex(32), self._site.issuer
        request = local_registration(values, issuer, AssetClass.AUTHENTIC, digest, "a", key)
        verify_receipt(self._client.register_fingerprints(request).receipt)

    def _enrol(self) -> ECKey:
        key, publisher = generate_key(), self._site.publisher_id
        self._client.add_key(publisher, public_jwk(key), prove_possession(key, publisher))
        return key

    def _rotate(self, key: ECKey) -> None:
        new, publisher = generate_key(), self._site.publisher_id
        self._client.rotate_key(
            publisher, thumbprint(key), public_jwk(new), prove_possession(new, publisher)
        )

    def _look(self, when: str, job: object, *, of_an_hour_ahead: bool = True) -> None:
        """The audit finds what is of an hour ahead and nothing else, the log has grown, a job ends."""
        findings = self._client.audit().findings
        of_future = [finding for finding in findings if NOT_YET in finding.detail]
        wrong = [f"{finding.what}: {finding.detail}" for finding in findings if finding not in of_future]
        if of_an_hour_ahead != bool(of_future):
            wrong.append(f"the audit {'misses' if of_an_hour_ahead else 'says'} what is of a {NOT_YET}")
        size = self._client.log_state().size
        if size < self._size:
            wrong.append(f"the log shrank from {self._size} to {size} entries")
        self._size = size
        if isinstance(job, Job) and not self._is_done(job):
            wrong.append("a job does not come to its end")
        self._counts.add(f"{when}: audit, log, jobs", "looked at", wrong=wrong)

    def _is_done(self, job: Job) -> bool:
        deadline = time.monotonic() + JOB_WITHIN_S
        while self._client.get_job(job.id).status is not JobStatus.DONE:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        return True

    def _answered(self, what: str, act: Callable[[], None]) -> None:
        try:
            act()
        except SdkError as error:
            self._counts.add(what, "refused", wrong=[str(error)])
        else:
            self._counts.add(what, "answered")

    def _refused(self, what: str, act: Callable[[], None]) -> None:
        try:
            act()
        except SdkError:
            self._counts.add(what, "refused")
        else:
            self._counts.add(what, "answered", wrong=["it should have been refused"])
