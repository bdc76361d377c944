"""Lets requests wait for jobs on the event loop: no worker thread is held meanwhile."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool

from registry.api.deps import AnyKey, ServicesDep
from registry.api.gates import Turn
from registry.jobs import lifecycle as jobs
from registry.jobs.followers import JobFollowers
from registry.services import Services
from registry.storage.db import transaction
from registry.storage.models import Job

FOLLOWED_S = 3600.0  # then a follower asks again


async def followers_of(request: Request) -> JobFollowers:
    """Returns the followers of this application."""
    followers: JobFollowers = request.app.state.followers
    return followers


FollowersDep = Annotated[JobFollowers, Depends(followers_of)]


def own_job(job_id: str, services: ServicesDep, api_key: AnyKey) -> str:
    """The id of a job that the caller may follow, looked up before any event is sent. Raises UnknownJob."""
    with transaction(services.engine) as session:
        return jobs.get_job(session, api_key, job_id).id


async def followed_job(
    job_id: Annotated[str, Depends(own_job)], api_key: AnyKey, followers: FollowersDep
) -> AsyncIterator[str]:
    """The same, and the caller counts as a follower until the answer is over, also by a disconnect.

    Raises TooManyRequests or Overloaded, before any event is sent.
    """
    with followers.admitted(api_key.id):
        yield job_id


FollowedJob = Annotated[str, Depends(followed_job)]


async def finished_in_time(
    services: Services, followers: JobFollowers, turn: Turn, job_id: str, caller: str, seconds: float
) -> Job:
    """Waits for a job, out of turn; returns its row finished, or as it is when the time is over."""
    turn.leave()
    await followers.wait_for(job_id, caller, seconds)
    return await run_in_threadpool(jobs.read_job, services, job_id)
