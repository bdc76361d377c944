"""The only place where the parts are joined: settings in, a running application out."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine

from indexer.compare.faces.weights import missing_face_models
from indexer.fingerprints.embedders import Embedders, open_embedder
from indexer.fingerprints.embedding import Embedder
from indexer.fingerprints.lite0 import WrongWeights
from indexer.fingerprints.model_store import ModelError, find_model, register_model_kinds
from indexer.media.limits import VideoLimits
from indexer.media.sandbox import DecoderPool
from indexer.thread_limits import use_one_core_per_request
from registry import __version__
from registry.api import (
    acts,
    compare,
    decisions,
    gate,
    health,
    jobs,
    log,
    match,
    metrics,
    policies,
    problems,
    publishers,
    records,
)
from registry.api.admission import HEALTH, UPLOADS, Admission
from registry.api.body_limit import BodyLimit
from registry.api.hosts import KnownHosts
from registry.api.internal import SearchNode
from registry.api.safe_headers import SafeHeaders
from registry.errors import MissingModel, StartRefused
from registry.index.mapped import FilesOfAnother
from registry.index.opening import open_index, open_local_index, search_secret_of
from registry.jobs.followers import JobFollowers
from registry.jobs.reembedding import Reembedding
from registry.jobs.webhooks import load_key
from registry.jobs.worker import JobWorker
from registry.log.answer_signer import AnswerSigner
from registry.log.transparency_log import head_of
from registry.log.witnessing import Witnessing
from registry.media.decoding import VIDEOS_OF_THE_PAGE_AT_A_TIME, Decoders
from registry.media.previews import PreviewCache, named_blobs, sweep_orphans
from registry.media.uploads import UploadReader
from registry.operate.bootstrap import answer_ring, open_log, witnesses_of
from registry.operate.nightly import NightlyAudit
from registry.operate.starting import note_start, settings_told
from registry.records.publishers import commit_to_keys
from registry.records.query_chains import QueryChains
from registry.services import Services
from registry.settings import API, Settings
from registry.storage import db
from registry.storage.blobs import Blobs
from registry.storage.watch import DatabaseWatch
from registry.thresholds import load_thresholds
from registry.web import gate_pages, pages

JSON_BYTES = 1 << 20  # three times the largest list of fingerprints with its statement
FORM_BYTES = 1 << 20  # statement, boundaries and headers of a multipart body
FACES_ARE_OFF = "comparing faces is switched off here (TRUEPRINT_FACES)"


@dataclass(frozen=True)
class Further:
    """What a further process of a server has from the first one."""

    index_files: FilesOfAnother | None  # None: the index lies outside both
    noted: Mapping[str, str]  # the version and the settings that the first one was started with


@contextmanager
def running_services(
    settings: Settings,
    engine: Engine,
    embedder: Embedder | None = None,
    *,
    audits_nightly: bool = True,
    further: Further | None = None,
) -> Iterator[Services]:
    """Check everything that start-up refuses, then hold the services open.

    `further`: what this process shares with the first one of its server, which does what is done once.
    """
    db.require_migrated(engine)
    db.require_durable(engine)
    witnesses, log = witnesses_of(settings), open_log(settings)
    signer = AnswerSigner(answer_ring(settings))
    with db.transaction(engine) as session:
        log.keys.adopt(session)
        log.require_sound(session)
        log.keys.require_signers(head_of(session).size)
        signer.adopt(session)
        registry_id = head_of(session).registry_id
    embedders = _open_embedders(settings, embedder)
    with ExitStack() as stack:
        witnessing = Witnessing(engine, log, witnesses)
        witnessing.start()  # before anything is signed
        stack.callback(witnessing.stop)
        with db.transaction(engine) as session:
            if log.may_sign(session):
                commit_to_keys(session, log)
        with db.transaction(engine) as session:  # what is published must be committed
            log.publish(session)
        database = DatabaseWatch(engine)
        database.start()
        stack.callback(database.stop)
        files = None if further is None else further.index_files
        index = stack.enter_context(open_index(settings, engine, registry_id, files))
        blobs = Blobs(settings.blob_url, settings.blob_folder)
        decoders = Decoders(
            images=stack.enter_context(DecoderPool(settings.decoder_workers)),
            videos=stack.enter_context(DecoderPool(settings.video_workers + VIDEOS_OF_THE_PAGE_AT_A_TIME)),
        )
        webhook_key, fault = load_key(settings.key_folder)
        thresholds = load_thresholds(settings.thresholds)
        policy = None if witnesses is None else witnesses.policy
        services = Services(
            settings=settings,
            noted=settings_told(settings, thresholds, policy),
            engine=engine,
            database=database,
            log=log,
            witnessing=witnessing,
            index=index,
            blobs=blobs,
            uploads=UploadReader(decoders, embedders, index, settings.hash_list_kinds),
            previews=PreviewCache(blobs, decoders),
            signer=signer,
            webhook_key=webhook_key,
            thresholds=thresholds,
            chains=QueryChains(settings.probed_windows),
            faces_missing=missing_face_models() if settings.faces else FACES_ARE_OFF,
            faults=(fault,) if fault else (),
        )
        use_one_core_per_request()  # now that every library is loaded
        if further is not None:
            if services.noted != further.noted:
                raise StartRefused("settings or files changed since this server started: start it again")
            yield services
            return
        with db.transaction(engine) as session:
            named = named_blobs(session)
            note_start(session, settings.role, services.noted)
        sweep_orphans(blobs, named)
        if settings.audited_at is not None and audits_nightly:
            nightly = NightlyAudit(services, settings.audited_at)
            nightly.start()
            stack.callback(nightly.stop)
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
def running_search_node(settings: Settings, engine: Engine) -> Iterator[SearchNode]:
    """An index alone, which other nodes search. Raises StartRefused."""
    secret = search_secret_of(settings)
    db.require_migrated(engine)
    register_model_kinds(settings.model_folder)
    with db.transaction(engine) as session:
        registry_id = head_of(session).registry_id
    with open_local_index(settings, engine, registry_id) as index:
        use_one_core_per_request()
        yield SearchNode(index, engine, secret)


def _open_embedders(settings: Settings, given: Embedder | None) -> Embedders:
    """The wanted descriptor must be there. Raises MissingModel."""
    try:
        register_model_kinds(settings.model_folder)
        wanted = given or open_embedder(
            find_model(settings.model_folder, settings.wanted_descriptor),
            settings.model_folder,
            settings.device,
        )
    except (ModelError, WrongWeights) as error:
        raise MissingModel(str(error)) from error
    return Embedders(settings.model_folder, wanted, settings.device)


def create_app(services: Services, public_url: str | None = None) -> FastAPI:
    """The application over services that run; it opens and closes nothing itself.

    `public_url`: the address that others reach it at, where no setting says so.
    """
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
    app.state.public_url = public_url
    app.state.followers = JobFollowers(services)
    app.state.readiness = health.readiness_of(services)
    app.state.metrics = metrics.Metrics()
    app.state.on_stop = [app.state.followers.close]
    problems.install(app)
    problems.describe(app)
    app.add_middleware(
        BodyLimit, max_bytes=JSON_BYTES, max_upload_bytes=max_body_bytes, uploads=UPLOADS.keys()
    )
    app.add_middleware(Admission, services=services, metrics=app.state.metrics)
    app.add_middleware(KnownHosts, services=services, open_paths=HEALTH)
    app.add_middleware(SafeHeaders)
    app.add_middleware(metrics.Measured, metrics=app.state.metrics)  # the outermost: added last
    for router in (
        publishers,
        records,
        match,
        gate,
        decisions,
        policies,
        jobs,
        compare,
        log,
        health,
        acts,
        metrics,
    ):
        app.include_router(router.router)
    app.include_router(log.tiles)
    app.include_router(log.answer_keys)
    app.include_router(pages.router)
    app.include_router(gate_pages.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "web" / "static"), name="static")
    return app
