"""The only place where the parts are joined: settings in, a running application out."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine

from indexer.compare.faces.weights import missing_face_models
from indexer.fingerprints.embedders import Embedder, Embedders, MissingRuntime, open_embedder
from indexer.fingerprints.lite0 import WrongWeights
from indexer.fingerprints.model_store import ModelError, find_model, known_models
from indexer.index.choice import MILVUS, SHARED, open_device
from indexer.index.engine import EngineUnavailable
from indexer.index.faiss_package import FaissUnavailable
from indexer.media.limits import VideoLimits
from indexer.media.sandbox import DecoderPool
from registry import __version__, db
from registry.answers import AnswerSigner
from registry.api import compare, health, jobs, log, match, problems, publishers, records
from registry.api.body_limit import BodyLimit
from registry.api.searches import Matcher
from registry.blobs import Blobs
from registry.cores import use_one_core_per_request
from registry.errors import LogRolledBack, MissingModel, StartRefused
from registry.index_access import IndexAccess
from registry.indexing import Indexing
from registry.log import Log, create_log, has_log, head_of, load_log_key
from registry.matchers import Matchers
from registry.previews import PreviewCache, sweep_orphans
from registry.publishers import enrol, issue_api_key
from registry.reembedding import Reembedding
from registry.services import Services
from registry.settings import Settings
from registry.shared_indexing import SharedIndexing
from registry.thresholds import Thresholds
from registry.web import pages
from registry.webhooks import load_or_make_key
from registry.worker import JobWorker
from sdk.checkpoint import parse_checkpoint_unverified
from sdk.keys import generate_key, save_private_key
from sdk.models import NewApiKey, NewPublisher, Role, Scope

API, MATCHER = "api", "matcher"  # roles; a worker is everything, on an address of its own
FORM_BYTES = 1 << 20  # statement, boundaries and headers of a multipart body
FACES_ARE_OFF = "comparing faces is switched off here (TRUEPRINT_FACES)"
LOG_KEY, ANSWER_KEY, OPERATOR_KEY = "log.pem", "answers.pem", "operator.key"


def initialise(settings: Settings, engine: Engine) -> str | None:
    """Migrate an empty database, make keys, log and operator; the operator's API key, if it is new.

    Does nothing to a database that has a log: a missing key is then an error at start, never replaced.
    """
    if db.is_empty(engine):
        _require_new(settings.checkpoint_file)
        db.migrate(engine)
    db.require_migrated(engine)
    with db.transaction(engine) as session:
        if has_log(session):
            return None
        _require_new(settings.checkpoint_file)
        settings.key_folder.mkdir(parents=True, exist_ok=True)
        settings.key_folder.chmod(0o700)
        private_key = _make_log_key(settings.key_folder / LOG_KEY)
        if not (settings.key_folder / ANSWER_KEY).exists():
            save_private_key(generate_key(), settings.key_folder / ANSWER_KEY)
        log = Log(settings.log_origin, private_key, settings.checkpoint_file)
        create_log(session, log, private_key)
        new = NewPublisher(name="Operator", contact="operator@localhost", role=Role.OPERATOR)
        operator = enrol(session, new)
        scopes = tuple(Scope)
        _, secret = issue_api_key(session, NewApiKey(publisher=operator.id, scopes=scopes))
        session.flush()
        log.publish(session)
    return secret


def _require_new(checkpoint_file: Path) -> None:
    """An empty database beside a published checkpoint is a lost database, not a new registry."""
    if checkpoint_file.exists():
        size = parse_checkpoint_unverified(checkpoint_file.read_text(encoding="utf-8")).size
        if size:
            raise LogRolledBack(
                f"a checkpoint over {size} entries was published, but the database is empty"
            )


def _make_log_key(path: Path) -> Ed25519PrivateKey:
    if path.exists():  # left by a start that was killed before its commit
        return load_log_key(path)
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


@contextmanager
def running_services(
    settings: Settings, engine: Engine, embedder: Embedder | None = None
) -> Iterator[Services]:
    """Check everything that start-up refuses, then hold the services open."""
    db.require_migrated(engine)
    db.require_durable(engine)
    private_key = load_log_key(settings.key_folder / LOG_KEY)
    log = Log(settings.log_origin, private_key, settings.checkpoint_file)
    with db.transaction(engine) as session:
        log.require_sound(session)
        log.publish(session)
        registry_id = head_of(session).registry_id
    embedders = _open_embedders(settings, embedder)
    with ExitStack() as stack:
        indexing = stack.enter_context(open_index(settings, engine, registry_id))
        services = Services(
            settings=settings,
            engine=engine,
            log=log,
            indexing=indexing,
            blobs=Blobs(settings.blob_url, settings.blob_folder),
            decoder=stack.enter_context(DecoderPool(settings.decoder_workers)),
            video_decoder=stack.enter_context(DecoderPool(max(1, settings.video_workers))),
            embedders=embedders,
            signer=AnswerSigner(settings.key_folder / ANSWER_KEY),
            webhook_key=load_or_make_key(settings.key_folder),
            thresholds=Thresholds(),
            faces_missing=missing_face_models() if settings.faces else FACES_ARE_OFF,
        )
        use_one_core_per_request()  # now that every library is loaded
        sweep_orphans(services)
        if settings.role == API:
            yield services
            return
        reembedding = Reembedding(services)
        reembedding.start()
        stack.callback(reembedding.stop)
        if settings.video_workers:
            worker = JobWorker(services)
            worker.start()
            stack.callback(worker.stop)
        yield services


@contextmanager
def open_index(settings: Settings, engine: Engine, registry_id: str) -> Iterator[IndexAccess]:
    """The index of this process, or the matchers'. Raises StartRefused."""
    with ExitStack() as stack:
        if settings.matcher_addresses:
            matchers = Matchers(settings.matcher_addresses, _matcher_secret(settings))
            stack.callback(matchers.close)
            yield matchers
            return
        if settings.index in SHARED:
            yield stack.enter_context(_shared_index(settings, engine, registry_id))
            return
        yield stack.enter_context(_own_index(settings, engine, registry_id))


@contextmanager
def _shared_index(settings: Settings, engine: Engine, registry_id: str) -> Iterator[SharedIndexing]:
    address = settings.milvus if settings.index == MILVUS else None
    try:
        indexing = SharedIndexing(engine, settings.index, address, registry_id, settings.poll_interval_s)
        indexing.start()
    except EngineUnavailable as error:
        raise StartRefused(str(error)) from error
    try:
        yield indexing
    finally:
        indexing.stop()


@contextmanager
def _own_index(settings: Settings, engine: Engine, registry_id: str) -> Iterator[Indexing]:
    with ExitStack() as stack:
        device = open_device(settings.index, settings.device, settings.gpu_memory_bytes)
        if device is not None:
            stack.callback(device.close)
        try:
            indexing = Indexing(
                engine, settings.index, settings.index_folder, registry_id, settings.poll_interval_s, device
            )
        except FaissUnavailable as error:
            raise StartRefused(str(error)) from error
        indexing.start()
        stack.callback(indexing.stop)
        yield indexing


@contextmanager
def running_matcher(settings: Settings, engine: Engine) -> Iterator[Matcher]:
    """The index alone, for other nodes. Raises StartRefused."""
    secret = _matcher_secret(settings)
    db.require_migrated(engine)
    known_models(settings.model_folder)  # their kinds become known before the index is built
    with db.transaction(engine) as session:
        registry_id = head_of(session).registry_id
    with _own_index(settings, engine, registry_id) as indexing:
        use_one_core_per_request()
        yield Matcher(indexing, engine, secret)


def _matcher_secret(settings: Settings) -> str:
    if settings.matcher_secret is None:
        raise StartRefused("matchers and those who ask them need TRUEPRINT_MATCHER_SECRET, the same")
    return settings.matcher_secret.get_secret_value()


def _open_embedders(settings: Settings, given: Embedder | None) -> Embedders:
    """The wanted descriptor must be there. Raises MissingModel."""
    try:
        known_models(settings.model_folder)  # their kinds become known before the index is built
        wanted = given or open_embedder(
            find_model(settings.model_folder, settings.wanted_descriptor),
            settings.model_folder,
            settings.device,
        )
    except (ModelError, WrongWeights, MissingRuntime) as error:
        raise MissingModel(str(error)) from error
    return Embedders(settings.model_folder, wanted, settings.device)


def create_app(services: Services) -> FastAPI:
    """The application over services that run; it opens and closes nothing itself."""
    max_body_bytes = VideoLimits().max_bytes + FORM_BYTES
    app = FastAPI(
        title="Trueprint",
        version=__version__,
        summary="The open registry that tells what a picture or a video really is.",
        # FastAPI's own pages load their scripts from a CDN; the document itself is served.
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    app.state.features = PreviewCache()
    problems.install(app)
    problems.describe(app)
    app.add_middleware(BodyLimit, max_bytes=max_body_bytes)
    for router in (publishers, records, match, jobs, compare, log, health):
        app.include_router(router.router)
    app.include_router(log.tiles)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "web" / "static"), name="static")
    return app
