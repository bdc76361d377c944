"""Every setting of the service, read from the environment (prefix TRUEPRINT_) or a .env file.

Read by `app`, `cli` and `home` only; everything else is handed what it needs.
"""

import ipaddress
import os
from datetime import time
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from indexer.fingerprints.hash_lists import NAMES as HASH_LISTS
from indexer.fingerprints.kinds import DESCRIPTOR
from indexer.index.engines import DEFAULT as DEFAULT_ENGINE
from indexer.index.engines import ENGINES
from sdk.models import Effort

RENAMED = {"matchers": "search_nodes", "matcher_secret": "search_secret"}  # old name: new name
API, SEARCH = "api", "search"  # roles; a worker is everything, on an address of its own
LOG_KEY, ANSWER_KEY = "log", "answers"  # what the names of their files begin with, in the folder of keys
OPERATOR_KEY = "operator.key"
WEBHOOK_KEY, WEBHOOK_KEY_BYTES = "webhooks.key", 32


def default_home(user_folder: Path) -> Path:
    """Where everything is kept.

    The administrator's own folder is closed to the user that the embedded database runs as, and should
    stay closed, so root keeps its registry where services do.
    """
    return Path("/var/lib/trueprint") if os.name == "posix" and os.geteuid() == 0 else user_folder


def _separated(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


class Settings(BaseSettings):
    """Where things are, and how much of them."""

    model_config = SettingsConfigDict(env_prefix="TRUEPRINT_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Field(
        default_factory=lambda: default_home(user_data_path("trueprint")),
        description="folder of everything that is not given by its own setting",
    )
    database_url: str | None = Field(
        default=None, description="PostgreSQL 15 or later; embedded when unset"
    )
    blob_url: str | None = Field(
        default=None, description="s3://bucket/prefix; a folder under home when unset"
    )
    log_origin: str = Field(default="localhost/log", description="name of the log; never changes")
    log_keys: str | None = Field(
        default=None,
        description="where private keys of the log are, separated by spaces: file:PATH, env:VARIABLE, "
        "pkcs11:...; files under home when unset",
    )
    answer_keys: str | None = Field(
        default=None, description="where private keys of answers are, in the same form"
    )
    host: str = Field(default="127.0.0.1", description="address that the server listens on")
    port: int = Field(default=8000, description="port that the server listens on")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s\"'<>]+$",
        description="address that others reach the registry at, as decisions name it; as it was asked "
        "when unset",
    )
    allowed_hosts: str = Field(
        default="",
        description="names that the server answers to, separated by commas; when unset, those of the "
        "loopback where it listens there, else any",
    )
    index: str = Field(
        default=DEFAULT_ENGINE, description=f"where fingerprints are searched: {', '.join(ENGINES)}"
    )
    milvus: str = Field(
        default="http://127.0.0.1:19530", description="address of Milvus, where the index lies there"
    )
    gpu_memory: str | None = Field(
        default=None,
        pattern=r"^\d+ ?(MiB|GiB)$",
        description="device memory that the index may take, as 40GiB; most of it when unset",
    )
    role: str = Field(
        default="all",
        pattern="^(all|api|search|worker)$",
        description="what this process does: all, api (requests), search (for others), worker (videos)",
    )
    search_nodes: str | None = Field(
        default=None,
        description="addresses of search nodes, separated by commas; an index of its own when unset",
    )
    search_secret: SecretStr | None = Field(
        default=None, min_length=16, description="secret that search nodes and those who ask them share"
    )
    processes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="processes that answer requests, one a core",
    )
    decoder_workers: int = Field(default=2, ge=1, description="limited processes that decode uploads")
    video_workers: int = Field(
        default=1, ge=0, description="videos worked on at a time; 0: by other processes"
    )
    video_wait_s: float = Field(
        default=10.0, ge=0, le=60, description="how long a request waits for its video before it gets a job"
    )
    uploads: int = Field(default=12, ge=1, description="uploads with a key that are received and worked on")
    uploads_per_key: int = Field(default=8, ge=1, description="of these, those of one API key")
    uploads_waiting: int = Field(
        default=96, ge=0, description="uploads that wait for their turn; half a caller's"
    )
    turn_wait_s: float = Field(
        default=10.0, gt=0, le=60, description="how long a request waits for its turn"
    )
    lookups: int = Field(default=4, ge=1, description="uploads to the page that are received and worked on")
    lookups_per_minute: int = Field(default=30, ge=1, description="look-ups on the page by one address")
    lookups_per_minute_in_all: int = Field(default=240, ge=1, description="look-ups on the page by all")
    jobs: int = Field(default=1024, ge=1, description="videos that are worked on or wait for it")
    jobs_per_key: int = Field(default=256, ge=1, description="of these, those of one API key")
    jobs_of_the_page: int = Field(default=16, ge=1, description="of these, those of the page")
    followers: int = Field(default=256, ge=1, description="requests that wait for jobs or follow them")
    followers_per_key: int = Field(default=16, ge=1, description="of these, those of one API key")
    page_video_s: int = Field(
        default=300, ge=1, description="seconds of a video that is asked about on the page, at most"
    )
    webhook_ports: str = Field(
        default="443",
        pattern=r"^\s*\d{1,5}(\s*,\s*\d{1,5})*\s*$",
        description="ports of webhooks' addresses",
    )
    webhooks_to_private_networks: bool = Field(
        default=False, description="let webhooks lead into private networks, over http, and to any port"
    )
    preview_long_side: int = Field(default=1024, ge=128, le=4096, description="pixels of a kept preview")
    detail_long_side: int = Field(
        default=2048, ge=0, le=2048, description="pixels of what is kept beside it to tell small changes by"
    )
    candidates: int = Field(default=12, ge=1, le=100, description="hits per query that are compared")
    effort: Effort = Field(
        default=Effort.STANDARD,
        description="`fast`: only the whole picture is asked about; `standard`: its parts too, and a quick "
        "check decides which candidates are compared; `thorough`: all are",
    )
    probed_windows: int = Field(
        default=128,
        ge=16,
        description="what one organisation may learn of a hidden fingerprint in two days",
    )
    thresholds: Path | None = Field(
        default=None, description="TOML file of lines that replace the defaults of docs/thresholds.md"
    )
    nightly_audit: str = Field(
        default="03:00",
        pattern=r"^(off|([01]\d|2[0-3]):[0-5]\d)$",
        description="when, in UTC, everything is derived again each day; `off`: by nobody",
    )
    witnesses: Path | None = Field(
        default=None,
        description="policy of the witnesses that cosign the log (docs/witnesses.md); the file `witnesses` "
        "under home, where there is one, when unset",
    )
    witness_timeout_s: float = Field(
        default=2.0, gt=0, le=30, description="how long a witness is waited for"
    )
    cosigned_every_s: float = Field(
        default=600.0, ge=10, description="how often the newest checkpoint is cosigned anew"
    )
    poll_interval_s: float = Field(default=0.5, gt=0, description="how often the index looks for changes")
    hash_lists: str = Field(
        default="",
        description="kinds of hashes of lists that others keep, separated by commas; refused when unset",
    )
    descriptor: str | None = Field(
        default=None, description="kind of the descriptor; what `trueprint models use` chose when unset"
    )
    faces: bool = Field(
        default=True, description="compare faces, one to one, while a match is explained; nothing is kept"
    )
    device: str | None = Field(
        default=None, description="torch device of the descriptor; chosen when unset"
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_old_names(cls, given: dict[str, Any]) -> dict[str, Any]:
        """A node that ignored an old name would silently build an index of its own."""
        # Of the environment pydantic passes on the known names only; of a .env file it passes on all.
        environment = {name.lower(): value for name, value in os.environ.items()}
        for old, new in RENAMED.items():
            if given.get(old) or environment.get(f"trueprint_{old}"):
                raise ValueError(f"TRUEPRINT_{old.upper()} is now called TRUEPRINT_{new.upper()}")
        return given

    @field_validator("index")
    @classmethod
    def _require_known_engine(cls, name: str) -> str:
        if name not in ENGINES:
            raise ValueError(f"must be one of {', '.join(ENGINES)}")
        return name

    @field_validator("hash_lists")
    @classmethod
    def _require_hash_list_kinds(cls, names: str) -> str:
        unknown = sorted(set(_separated(names)) - set(HASH_LISTS))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: the kinds are {', '.join(HASH_LISTS)}")
        return names

    @property
    def audited_at(self) -> time | None:
        """The time of day (UTC) of the daily audit; None: there is none."""
        return None if self.nightly_audit == "off" else time.fromisoformat(self.nightly_audit)

    @property
    def hash_list_kinds(self) -> tuple[str, ...]:
        """Kinds of hashes of others' lists that are accepted, computed and searched by here."""
        return tuple(kind for kind in HASH_LISTS if kind in _separated(self.hash_lists))

    @property
    def webhook_port_numbers(self) -> tuple[int, ...]:
        """The ports that a webhook may lead to."""
        return tuple(int(port) for port in _separated(self.webhook_ports))

    @property
    def allowed_host_names(self) -> tuple[str, ...]:
        """The names that the server answers to; `*.` begins those that stand for all below."""
        return tuple(name.lower() for name in _separated(self.allowed_hosts))

    @property
    def is_local(self) -> bool:
        """Whether the server listens for its own machine only."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def search_node_addresses(self) -> list[str]:
        """The addresses of the search nodes; none when this process holds an index of its own."""
        return [address.rstrip("/") for address in _separated(self.search_nodes or "")]

    @property
    def gpu_memory_bytes(self) -> int | None:
        """Device memory that the index may take."""
        if self.gpu_memory is None:
            return None
        return int(self.gpu_memory[:-3]) << (30 if self.gpu_memory.endswith("GiB") else 20)

    @property
    def key_folder(self) -> Path:
        """Private keys of the log and of the registry's answers."""
        return self.home / "keys"

    @property
    def database_folder(self) -> Path:
        """The embedded PostgreSQL."""
        return self.home / "pg"

    @property
    def blob_folder(self) -> Path:
        """Previews, when they are not in S3."""
        return self.home / "blobs"

    @property
    def index_folder(self) -> Path:
        """Snapshots of the index; derived, may be deleted."""
        return self.home / "index"

    @property
    def model_folder(self) -> Path:
        """Weights of descriptors that do not ship with the package."""
        return self.home / "models"

    @property
    def descriptor_file(self) -> Path:
        """The kind that `trueprint models use` chose."""
        return self.home / "descriptor"

    @property
    def wanted_descriptor(self) -> str:
        """The kind that pictures are described by."""
        if self.descriptor is not None:
            return self.descriptor
        if self.descriptor_file.exists():
            return self.descriptor_file.read_text(encoding="utf-8").strip()
        return DESCRIPTOR.name

    @property
    def witness_policy_file(self) -> Path | None:
        """The policy of witnesses; None: the log has none."""
        at_home = self.home / "witnesses"
        return self.witnesses or (at_home if at_home.exists() else None)

    @property
    def checkpoint_file(self) -> Path:
        """The last checkpoint that was published, outside the database on purpose."""
        return self.home / "checkpoint"
