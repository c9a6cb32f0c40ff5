"""Who may wait, how long, and who is computed next: a bounded queue in front of a few workers.

All of it belongs to one event loop, so there are no locks. Nothing waits for company: a free worker
takes what is there. What was started is finished, whoever has left. Knows no HTTP and no models.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from foveate.server.limits import Limits
from foveate.server.metrics import Metrics
from foveate.server.work import Answer, Outcome, Work

HIGH_WATER = 0.8  # of the queue: above it the server is not ready
FIRST_RATE = 2_000.0  # source tokens times hypotheses a second, until some are measured
MEMORY = 0.8  # how much of what was measured before counts after a batch
MOST_WAIT = 600  # seconds that anybody is told to wait


class BusyError(Exception):
    """There is no room, or a request waited too long: try again in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooLargeError(Exception):
    """A request that would not fit into an empty queue."""


class ClientLeftError(Exception):
    """Nobody waits for the answer any more."""


@dataclass(eq=False, slots=True)
class _Job:
    """A work that waits, and all who wait for it."""

    work: Work
    rows: int
    tokens: int
    waiters: set[asyncio.Future[Answer]] = field(default_factory=set)
    is_started: bool = False


class Admission:
    """The queue and the workers of one app.

    Args:
        compute: computes several works of one kind; runs in a worker's thread.
        limits: how much may wait, and how much is computed together.
        metrics: what is counted.
        workers: batches that are computed at a time.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Work]], list[Outcome]],
        limits: Limits,
        metrics: Metrics,
        workers: int,
    ) -> None:
        self._compute, self._limits, self._metrics = compute, limits, metrics
        self._workers = self._free = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="foveate")
        self._waiting: dict[Work, _Job] = {}  # in the order in which they came
        self._running: set[asyncio.Task[None]] = set()
        self._rows = self._tokens = 0
        self._measured_tokens = self._measured_seconds = 0.0

    @property
    def is_busy(self) -> bool:
        """Say whether a batch is being computed."""
        return bool(self._running)

    @property
    def is_nearly_full(self) -> bool:
        """Say whether the queue is above its high-water mark."""
        limits = self._limits
        return (
            self._rows > HIGH_WATER * limits.queue_rows
            or self._tokens > HIGH_WATER * limits.queue_tokens
        )

    def estimate_wait(self, tokens: int = 0) -> float:
        """Return in how many seconds what waits, and some tokens more, will have been computed."""
        seconds = self._measured_seconds
        rate = self._measured_tokens / seconds if seconds else FIRST_RATE
        return (self._tokens + tokens) / (rate * self._workers)

    async def ask(
        self, work: Work, size: tuple[int, int], seconds: float, left: Callable[[], Awaitable[Any]]
    ) -> Answer:
        """Return the answer to a work when it has had its turn.

        Args:
            work: what is wanted; one that waits already is joined.
            size: hypotheses, and source tokens times hypotheses.
            seconds: how long it may wait.
            left: returns what is done when the client has left.

        Raises:
            TooLargeError: it would not fit into an empty queue.
            BusyError: there is no room for it, or its time has passed before its turn.
            ClientLeftError: nobody waits any more.
            Exception: what the computation raised.
        """
        job = self._join(work) or self._admit(work, size, seconds)
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        job.waiters.add(waiter)
        leaving = asyncio.ensure_future(left())
        either: set[asyncio.Future[Any]] = {waiter, leaving}
        try:
            await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if not waiter.done() and job.is_started:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if waiter.done():
                return waiter.result()
            if leaving.done():
                raise self._shed("left", ClientLeftError())
            raise self._shed("expired", self._busy(f"it waited {seconds:g} s for its turn"))
        finally:
            leaving.cancel()
            self._leave(job, waiter)

    def close(self) -> None:
        """Let the workers go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --- coming and leaving ---------------------------------------------------------------------

    def _join(self, work: Work) -> _Job | None:
        job = self._waiting.get(work)
        if job is not None:
            self._metrics.joined.inc()
        return job

    def _admit(self, work: Work, size: tuple[int, int], seconds: float) -> _Job:
        rows, tokens = size
        self._check_size(rows, tokens)
        limits = self._limits
        if self._rows + rows > limits.queue_rows or self._tokens + tokens > limits.queue_tokens:
            raise self._shed("full", self._busy("the queue is full"))
        if self._waiting and self.estimate_wait() > seconds:
            raise self._shed("slow", self._busy(f"its turn would not come within {seconds:g} s"))
        job = self._waiting[work] = _Job(work, rows, tokens)
        self._count(rows, tokens)
        asyncio.get_running_loop().call_soon(self._dispatch)
        return job

    def _check_size(self, rows: int, tokens: int) -> None:
        limits = self._limits
        for what, size, most, flag in (
            ("hypotheses", rows, limits.queue_rows, "--queue-rows"),
            ("source tokens times hypotheses", tokens, limits.queue_tokens, "--queue-tokens"),
        ):
            if size > most:
                raise TooLargeError(
                    f"the request has {size:,} {what}, and this server takes {most:,} at most "
                    f"({flag}): send fewer texts, or a smaller beam_size"
                )

    def _leave(self, job: _Job, waiter: asyncio.Future[Answer]) -> None:
        job.waiters.discard(waiter)
        if not job.waiters and not job.is_started and self._waiting.get(job.work) is job:
            self._take(job)

    def _take(self, job: _Job) -> None:
        del self._waiting[job.work]
        self._count(-job.rows, -job.tokens)

    def _count(self, rows: int, tokens: int) -> None:
        self._rows += rows
        self._tokens += tokens
        self._metrics.queue_rows.set(self._rows)
        self._metrics.queue_tokens.set(self._tokens)

    def _busy(self, why: str) -> BusyError:
        seconds = min(MOST_WAIT, max(1, math.ceil(self.estimate_wait())))
        return BusyError(f"the server is busy, {why}: try again in {seconds} s", seconds)

    def _shed(self, reason: str, error: BusyError | ClientLeftError) -> BusyError | ClientLeftError:
        self._metrics.shed.labels(reason).inc()
        return error

    # --- computing ------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._run(self._pick()))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    def _pick(self) -> list[_Job]:
        """Take the first job, and those of its kind that fit into a batch with it."""
        jobs = iter(list(self._waiting.values()))
        picked = [next(jobs)]
        rows, tokens = picked[0].rows, picked[0].tokens
        for job in jobs if picked[0].work.kind is not None else ():
            if rows >= self._limits.batch_rows or tokens >= self._limits.batch_tokens:
                break
            fits = (
                rows + job.rows <= self._limits.batch_rows
                and tokens + job.tokens <= self._limits.batch_tokens
            )
            if fits and job.work.kind == picked[0].work.kind:
                picked.append(job)
                rows, tokens = rows + job.rows, tokens + job.tokens
        for job in picked:
            self._take(job)
            job.is_started = True
        return picked

    async def _run(self, jobs: Sequence[_Job]) -> None:
        begun = time.perf_counter()
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(
                self._pool, self._compute, [job.work for job in jobs]
            )
        except Exception as error:
            outcomes = [error] * len(jobs)
        finally:
            self._free += 1
        self._measure(jobs, time.perf_counter() - begun)
        for job, outcome in zip(jobs, outcomes, strict=True):
            for waiter in job.waiters:
                _settle(waiter, outcome)
        self._dispatch()

    def _measure(self, jobs: Sequence[_Job], seconds: float) -> None:
        tokens = sum(job.tokens for job in jobs)
        self._measured_tokens = MEMORY * self._measured_tokens + tokens
        self._measured_seconds = MEMORY * self._measured_seconds + seconds
        rate = self._measured_tokens / max(self._measured_seconds, 1e-9) * self._workers
        self._metrics.rate.set(rate)
        self._metrics.batch_rows.observe(sum(job.rows for job in jobs))
        self._metrics.batch_seconds.observe(seconds)


def _settle(waiter: asyncio.Future[Answer], outcome: Outcome) -> None:
    if waiter.done():
        return
    if isinstance(outcome, Exception):
        waiter.set_exception(outcome)
    else:
        waiter.set_result(outcome)
