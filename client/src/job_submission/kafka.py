"""Submits over Kafka: records in the documented form, and their outcomes. Needs the extra `kafka`."""

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, Self, Unpack

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from job_submission.errors import JobSubmissionError, ServiceUnreachable, TimedOut, refusal
from job_submission.identity import submission_key
from job_submission.parameters import Parameters
from job_submission.request_body import body_of
from job_submission.signatures import signed

__all__ = ["KafkaSubmitter", "Submitted", "submission_key"]

SUBMISSION_TYPE: Final = "io.job-submission.submission"
CANCEL_TYPE: Final = "io.job-submission.cancel"
ACKNOWLEDGE_SECONDS: Final = 30.0
"""How long brokers may take to acknowledge a record, also where nobody waits for its outcome; aiokafka has no end."""
CLOSE_SECONDS: Final = 10.0
"""How long a record that nobody acknowledges keeps a producer open."""
LOOK_SECONDS: Final = 5.0
"""How often, at the least, it is looked whether the topic of outcomes has got more partitions."""


class Submitted(NamedTuple):
    """A submission that has its job: the job's name, the submission's id, and what was warned of."""

    name: str
    submission: str
    warnings: tuple[str, ...] = ()
    objects: tuple[dict[str, Any], ...] = ()
    """Of a dry run: what would be stored."""


class KafkaSubmitter:
    """Produces submissions to the topic of a service, and reads what becomes of them.

    Args:
        bootstrap_servers: of the cluster, as aiokafka takes them.
        source: who submits, a URI reference such as `/pipelines/nightly`: `idempotency_key` counts within it. The
            service keeps to itself what begins with `/api/` and `/job-submission`.
        user: the submitting user, `ra-user`.
        submissions: the topic that takes submissions.
        outcomes: the topic that tells what became of them.
        signing_key: a JWK to sign with, where the service requires signatures; see `signatures`.
        options: whatever else aiokafka's producer and consumer both take: logins, certificates.
    """

    def __init__(
        self,
        bootstrap_servers: str | list[str],
        *,
        source: str = "/client",
        user: str | None = None,
        submissions: str = "job-submissions",
        outcomes: str = "job-outcomes",
        signing_key: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self._servers = bootstrap_servers if isinstance(bootstrap_servers, str) else ",".join(bootstrap_servers)
        self._source = source
        self._user = user
        self._submissions = submissions
        self._outcomes = outcomes
        self._signing_key = signing_key
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap_servers, acks="all", enable_idempotence=True, **options
        )
        reading = {"metadata_max_age_ms": int(LOOK_SECONDS * 1000), **options}
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap_servers, enable_auto_commit=False, group_id=None, **reading
        )
        self._places: list[TopicPartition] = []
        self._waiting: dict[str, asyncio.Queue[Any]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect. Raises ServiceUnreachable."""
        try:
            with self._telling():
                await self._producer.start()
                await self._consumer.start()
                await self._follow()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; who still waits for an outcome is told by `asyncio.CancelledError`."""
        if self._reading is not None:
            self._reading.cancel()
        await self._consumer.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._producer.stop()

    async def submit(
        self,
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
        timeout: float | None = 120.0,
        **parameters: Unpack[Parameters],
    ) -> Submitted:
        """Submit a job and return its name once it exists; arguments as of `Client.submit`.

        Raises Refused, by its reason; TimedOut without an outcome in `timeout` seconds; ServiceUnreachable, caused by
        aiokafka's KafkaError, where the record was not acknowledged or the outcomes cannot be read: submit again under
        `error.idempotency_key`, and there will be one job.
        """
        return await self.submit_document(
            body_of(parameters), dry_run=dry_run, idempotency_key=idempotency_key, timeout=timeout
        )

    async def submit_document(
        self,
        document: Mapping[str, Any],
        *,
        dry_run: bool = False,
        idempotency_key: str | None = None,
        timeout: float | None = 120.0,
    ) -> Submitted:
        """Submit a body as the service documents it, `{"job": {...}}`; else as `submit`."""
        own_id = idempotency_key or uuid.uuid4().hex
        key = submission_key(self._source, own_id)
        headers = {"dry-run": "true"} if dry_run else {}
        body, warnings = await self._exchange(document, own_id, SUBMISSION_TYPE, key, headers, timeout)
        return Submitted(body["name"], key, warnings, tuple(body.get("objects", ())))

    async def cancel(
        self, *, submission: str, idempotency_key: str | None = None, timeout: float | None = 120.0
    ) -> None:
        """Cancel a submission by its id, also before there is a job of it.

        Raises Refused, TimedOut, ServiceUnreachable.
        """
        own_id = idempotency_key or uuid.uuid4().hex
        document = {"cancel": {"submission": submission}}
        await self._exchange(document, own_id, CANCEL_TYPE, submission, {}, timeout)

    async def _follow(self) -> None:
        """Read the outcomes from now on, of all partitions, as a member of no group."""
        partitions = await self._producer.partitions_for(self._outcomes)
        self._places = [TopicPartition(self._outcomes, partition) for partition in sorted(partitions)]
        self._consumer.assign(self._places)
        await self._consumer.seek_to_end(*self._places)
        for place in self._places:
            await self._consumer.position(place)  # the ends of now, not of when the first record is fetched
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            fetched = await self._consumer.getmany(timeout_ms=int(LOOK_SECONDS * 1000))
            for record in itertools.chain.from_iterable(fetched.values()):
                waiting = self._waiting.get(_header(record, "correlation-id") or "")
                if waiting is not None and record.value is not None:
                    waiting.put_nowait(record)
            await self._take_added_partitions()

    async def _take_added_partitions(self) -> None:
        """Read partitions that the topic has got since from their beginnings, and go on with the others."""
        numbers = self._consumer.partitions_for_topic(self._outcomes) or set()
        added = sorted(numbers - {place.partition for place in self._places})
        if not added:
            return
        positions = {place: await self._consumer.position(place) for place in self._places}
        positions |= {TopicPartition(self._outcomes, number): 0 for number in added}
        self._places = list(positions)
        self._consumer.assign(self._places)  # forgets the positions
        for place, position in positions.items():
            self._consumer.seek(place, position)

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Raise ServiceUnreachable for what aiokafka raises."""
        try:
            yield
        except KafkaError as error:
            raise ServiceUnreachable(f"Kafka at {self._servers} cannot be used: {error}") from error

    async def _exchange(
        self,
        document: Mapping[str, Any],
        own_id: str,
        kind: str,
        key: str,
        more: Mapping[str, str],
        timeout: float | None,
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Produce a record and return the body of its outcome, and its warnings.

        Raises Refused, TimedOut, ServiceUnreachable.
        """
        if self._reading is None:
            raise RuntimeError("a KafkaSubmitter is used within `async with`")
        correlation_id = uuid.uuid4().hex
        headers = {
            "ce_specversion": "1.0",
            "ce_id": own_id,
            "ce_source": self._source,
            "ce_type": kind,
            "content-type": "application/json",
            "correlation-id": correlation_id,
            **({} if self._user is None else {"ra-user": self._user}),
            **more,
        }
        value = json.dumps(document, ensure_ascii=False).encode()
        encoded: list[tuple[str, bytes | None]] = [(name, text.encode()) for name, text in headers.items()]
        if self._signing_key is not None:
            encoded = signed(encoded, value, self._signing_key)
        outcomes: asyncio.Queue[Any] = asyncio.Queue()
        self._waiting[correlation_id] = outcomes
        try:
            with self._telling():
                async with asyncio.timeout(None if timeout is None else max(timeout, ACKNOWLEDGE_SECONDS)):
                    written = await self._producer.send_and_wait(
                        self._submissions,
                        value,
                        key=key.encode(),
                        headers=encoded,
                    )
                # a record that is not believed is answered under its place; anyone may write our correlation id
                place = submission_key(
                    f"/topics/{written.topic}/partitions/{written.partition}", f"{written.offset}-{written.timestamp}"
                )
                async with asyncio.timeout(timeout):
                    record = await self._answer(self._reading, outcomes, (submission_key(self._source, own_id), place))
            return _outcome(record)
        except TimeoutError:
            late = TimedOut(f"there is no outcome of submission {key} in {timeout:g} s")
            late.sent_under(own_id, key)
            raise late from None
        except JobSubmissionError as error:
            error.sent_under(own_id, key)
            raise
        finally:
            del self._waiting[correlation_id]

    async def _answer(self, reading: asyncio.Task[None], outcomes: asyncio.Queue[Any], ids: tuple[str, ...]) -> Any:
        """Return the first outcome under one of these ids. Raises what has ended the reading of outcomes.

        The key of one that does not decide about the id, as of a dry run, goes on behind it.
        """
        while True:
            coming = asyncio.ensure_future(outcomes.get())
            try:
                await asyncio.wait((coming, reading), return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not coming.done():
                    coming.cancel()
            if not coming.done():
                reading.result()
            record = await coming
            if (record.key or b"").startswith(tuple(each.encode() for each in ids)):
                return record


def _outcome(record: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the body of an outcome, and its warnings. Raises Refused."""
    body = json.loads(record.value)
    if _header(record, "status") != "200":
        raise refusal(body)
    return body, tuple((_header(record, "warnings") or "").splitlines())


def _header(record: Any, name: str) -> str | None:
    value = next((value for key, value in reversed(record.headers) if key == name), None)
    return None if value is None else value.decode(errors="replace")
