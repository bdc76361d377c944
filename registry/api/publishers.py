"""Endpoints of publishers, their signing keys, and API keys."""

from datetime import datetime

from fastapi import APIRouter
from sqlmodel import Session

from registry.api.deps import AnyKey, Operator, ServicesDep, SessionDep
from registry.publish.registration import publish_and_cosign
from registry.records import publishers
from registry.records.access import Action, require
from registry.records.acts import actor_of
from registry.storage.db import after_commit
from registry.storage.models import ApiKey as ApiKeyRow
from registry.storage.models import Publisher as PublisherRow
from registry.storage.models import PublisherKey as PublisherKeyRow
from sdk import models

router = APIRouter(prefix="/v1", tags=["publishers"])


def _wire_publisher(session: Session, row: PublisherRow) -> models.Publisher:
    """Returns what anybody may read of a publisher; the contact is not in it."""
    return models.Publisher(
        id=row.id,
        name=row.name,
        did=row.did,
        did_status=publishers.did_status(session, row),
        role=models.Role(row.role),
        issuer=row.issuer,
        enrolled_at=row.enrolled_at,
    )


def _wire_key(row: PublisherKeyRow) -> models.PublisherKey:
    return models.PublisherKey(
        kid=row.kid,
        publisher=row.publisher_id,
        jwk=row.jwk,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        revoked_at=row.revoked_at,
    )


def _wire_api_key(row: ApiKeyRow) -> models.ApiKey:
    return models.ApiKey(
        id=row.id,
        publisher=row.publisher_id,
        scopes=tuple(models.Scope(scope) for scope in row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )


@router.post("/publishers", status_code=201, operation_id="enrolPublisher")
def enrol(new: models.NewPublisher, session: SessionDep, api_key: Operator) -> models.Publisher:
    """Enrols an organisation."""
    return _wire_publisher(session, publishers.enrol(session, actor_of(api_key), new))


@router.get("/publishers", operation_id="listPublishers")
def list_all(session: SessionDep) -> list[models.Publisher]:
    """Lists all organisations."""
    return [_wire_publisher(session, row) for row in publishers.list_publishers(session)]


@router.get("/publishers/{publisher_id}", operation_id="getPublisher")
def get_one(publisher_id: str, session: SessionDep) -> models.Publisher:
    """Returns one organisation."""
    return _wire_publisher(session, publishers.get_publisher(session, publisher_id))


@router.get("/whoami", operation_id="whoAmI")
def who_am_i(session: SessionDep, api_key: AnyKey) -> models.Publisher:
    """Returns the organisation that the API key belongs to; its `issuer` stands in every statement."""
    return _wire_publisher(session, publishers.get_publisher(session, api_key.publisher_id))


@router.get("/publishers/{publisher_id}/keys", operation_id="listPublisherKeys")
def list_keys(publisher_id: str, session: SessionDep) -> list[models.PublisherKey]:
    """Lists all signing keys, retired and revoked ones too."""
    publisher = publishers.get_publisher(session, publisher_id)
    return [_wire_key(row) for row in publishers.keys_of(session, publisher)]


@router.post("/publishers/{publisher_id}/keys", status_code=201, operation_id="addPublisherKey")
def add_key(
    publisher_id: str,
    new: models.NewPublisherKey,
    services: ServicesDep,
    session: SessionDep,
    api_key: AnyKey,
) -> models.PublisherKey:
    """Enrols a signing key, which itself signs that it is to be this publisher's (scope `manage_keys`)."""
    require(api_key, Action.CHANGE_KEYS, publisher_id)
    publisher = publishers.get_publisher(session, publisher_id)
    row = publishers.add_key(session, services.log, actor_of(api_key), publisher, new)
    after_commit(session, lambda: publish_and_cosign(services))
    return _wire_key(row)


@router.post(
    "/publishers/{publisher_id}/keys/{kid}/rotate", status_code=201, operation_id="rotatePublisherKey"
)
def rotate_key(
    publisher_id: str,
    kid: str,
    new: models.NewPublisherKey,
    services: ServicesDep,
    session: SessionDep,
    api_key: AnyKey,
) -> models.PublisherKey:
    """Replaces a key: what it signed stays valid, it signs nothing new."""
    require(api_key, Action.CHANGE_KEYS, publisher_id)
    publisher = publishers.get_publisher(session, publisher_id)
    row = publishers.rotate_key(session, services.log, actor_of(api_key), publisher, kid, new)
    after_commit(session, lambda: publish_and_cosign(services))
    return _wire_key(row)


@router.post("/publishers/{publisher_id}/keys/{kid}/revoke", operation_id="revokePublisherKey")
def revoke_key(
    publisher_id: str, kid: str, services: ServicesDep, session: SessionDep, api_key: AnyKey
) -> models.PublisherKey:
    """Declares a key compromised: nothing that it signs from now on is believed."""
    require(api_key, Action.CHANGE_KEYS, publisher_id)
    publisher = publishers.get_publisher(session, publisher_id)
    row = publishers.revoke_key(session, services.log, actor_of(api_key), publisher, kid)
    after_commit(session, lambda: publish_and_cosign(services))
    return _wire_key(row)


@router.get("/keys/{kid}/validity", operation_id="getKeyValidity")
def key_validity(kid: str, at: datetime, session: SessionDep) -> models.KeyValidity:
    """Tells whether this key was valid at that time, and why."""
    return publishers.key_validity(publishers.get_key(session, kid), at)


@router.post("/api-keys", status_code=201, operation_id="issueApiKey")
def issue_api_key(new: models.NewApiKey, session: SessionDep, api_key: Operator) -> models.IssuedApiKey:
    """Issues an API key. Its secret is in this answer and in no other."""
    row, secret = publishers.issue_api_key(session, actor_of(api_key), new)
    return models.IssuedApiKey(**_wire_api_key(row).model_dump(), secret=secret)


@router.post("/api-keys/{key_id}/revoke", operation_id="revokeApiKey")
def revoke_api_key(key_id: str, session: SessionDep, api_key: Operator) -> models.ApiKey:
    """Revokes an API key at once."""
    return _wire_api_key(publishers.revoke_api_key(session, actor_of(api_key), key_id))
