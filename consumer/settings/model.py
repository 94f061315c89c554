"""The settings: of each its name, unit, limit and one sentence. `load.load` reads them."""

import hashlib
from functools import cached_property
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ..core.users.debts import Rules
from .account import Account, account_ids
from .leaves import leaves
from .secret import Secret

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]
TopicName = Annotated[
    str,
    Meta(pattern=r"^(?!\.\.?$)[A-Za-z0-9._-]{1,249}$", description="a topic name: at most 249 letters, digits, dots, dashes, underscores"),
]
Server = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._\[\]:-]{1,255}:[0-9]{1,5}$", description="host:port")]
PerMinute = Annotated[float, Meta(gt=0, le=1_000_000, description='a number above 0, at most 1,000,000, or "auto"')] | Literal["auto"]
Path = Annotated[str, Meta(pattern=r"^/[A-Za-z0-9/._~-]{0,255}$", description="a path: / and letters, digits, . _ ~ - or /")]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}$", description="a header's name: letters, digits and dashes")]
Text = Annotated[str, Meta(min_length=1, max_length=4096)]


class KafkaSettings(Struct, frozen=True, kw_only=True):
    """The topic, and how it is reached."""

    bootstrap_servers: Annotated[tuple[Server, ...], Meta(min_length=1)] = ("localhost:9092",)
    """Brokers to ask first, each `host:port`."""
    topic: TopicName = "sesamy.events"
    """The topic with Sesamy's events."""
    group_id: Name = "sesamy-makeas"
    """The consumer group; all pods of one installation share it."""
    start_at: Literal["earliest", "latest"] = "earliest"
    """Where a group without any offset begins."""
    dead_letter_topic: TopicName = "sesamy.events.dead-letter"
    """Where letters are parked; created at the start if missing and allowed (kept for 14 days)."""
    session_timeout_s: Seconds = 30.0
    """Silence after which Kafka gives our partitions away; also the length of the lease."""
    rebalance_timeout_s: Seconds = 60.0
    """Time that members get to hand partitions over; above `workers.drain_s` and `session_timeout_s`."""
    client_id: Name = "sesamy-makeas"
    """The name brokers see in their logs and quotas."""
    unknown_types: Literal["ignore", "resync"] = "ignore"
    """What becomes of events that are none of the eight: passed over, or resynced as any other; they are shown either way."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How a connection is secured."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """How we log in; needed with a SASL protocol."""
    sasl_username: Text | None = None
    """The user for SASL."""
    sasl_password: Secret | None = None
    """The password for SASL."""
    ssl_cafile: Text | None = None
    """PEM file of the authorities that vouch for the brokers; the system's where absent."""
    ssl_certfile: Text | None = None
    """PEM file of our own certificate, where the brokers ask for one."""
    ssl_keyfile: Text | None = None
    """PEM file of that certificate's key."""


class DebounceSettings(Struct, frozen=True, kw_only=True):
    """How bursts are merged."""

    quiet_s: Seconds = 2.0
    """Time without a further event after which a user is due."""
    max_wait_s: Seconds = 30.0
    """The longest a user with ever more events waits; at least `quiet_s`."""


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """How hard we push, and when we give up."""

    concurrency: Annotated[int, Meta(ge=1, le=1024)] = 32
    """Users resynced at once."""
    max_attempts: Annotated[int, Meta(ge=1, le=1000)] = 8
    """Failed tries of a user at one account, its gate open, before it is parked for it."""
    backoff_s: Seconds = 1.0
    """Longest wait after the first failed try; doubles with each, and the wait is drawn from 0 to it."""
    backoff_max_s: Seconds = 60.0
    """Where the doubling ends; at least `backoff_s`."""
    hold_s: Annotated[float, Meta(gt=0, le=2_592_000)] = 900.0
    """How long a closed gate may hold users, beyond any Retry-After, before they are parked."""
    max_dirty_users: Annotated[int, Meta(ge=1, le=100_000_000)] = 250_000
    """Users waiting above which partitions are paused; records waiting to be parked count too."""
    drain_s: Seconds = 20.0
    """Time for running resyncs to finish on SIGTERM and on revoke; below the pod's grace period."""


class SesamySettings(Struct, frozen=True, kw_only=True):
    """Sesamy's Management API."""

    base_url: Text = "https://api2.sesamy.com"
    """Where it is."""
    token_url: Text = "https://token.sesamy.com/oauth/token"  # noqa: S105 - an address
    """Where tokens come from."""
    requests_per_minute: PerMinute = 100
    """Requests allowed per vendor and minute, all pods together; Sesamy documents 100. auto: begin there, and follow its answers' limit."""
    burst: Annotated[int, Meta(ge=3, le=1_000_000)] = 200
    """Requests that may come at once; Sesamy documents 200, and one fetch takes 3."""
    timeout_s: Seconds = 15.0
    """Time limit of one request, its body included."""


class MakeAsSettings(Struct, frozen=True, kw_only=True):
    """Make.as' API."""

    base_url: Text = "https://subscribers.dialogapi.no/api/public/v2"
    """Where it is."""
    requests_per_second: Annotated[float, Meta(gt=0, le=1_000_000)] = 5.0
    """Requests per account and second, all pods together; no public limit is known."""
    burst: Annotated[int, Meta(ge=4, le=1_000_000)] = 10
    """Requests that may come at once; one user takes 4."""
    timeout_s: Seconds = 15.0
    """Time limit of one request, its body included."""
    unreadable_status: Literal["leave", "add"] = "leave"
    """A known contact of which neither its status nor the list's register tells whether it left: keep it off that list, or put it on."""
    write: Literal["changed", "always"] = "changed"
    """Whether a contact is written where Make.as shows it as it is to be: not, so that webhooks there tell of changes only, or always."""
    rows_shared: bool = True
    """Whether rows of several readers may share a bulk call; no for an account that does not take them."""
    max_in_flight: Annotated[int, Meta(ge=1, le=1024)] = 16
    """Users written to one account at once, so that a slow one can't take every worker."""
    keep_single_purchase: bool = True
    """Whether `sesamy_made_single_purchase`, once on a contact, stays there, as Sesamy documents it."""
    subscriber_key: Literal["email", "subscriber_email", "subscriber_external_id"] = "email"
    """What names the subscriber in rows of subscriptions; with the last one they go to the call by external id. `verify` tells which."""
    bulk_body: Literal["array", "wrapper"] = "array"
    """Whether a bulk call has its rows alone, or under their name: `{"products": [...]}`. `verify` tells which."""
    list_parameter: Literal["subscriber_list_id[]", "subscriber_list_id"] = "subscriber_list_id[]"
    """What names a list where a contact is written; without brackets each list takes a call of its own. `verify` tells which."""
    opted_out: Literal["shown", "hidden"] = "shown"
    """Whether a contact that opted out is found by its address; `hidden`: new ones join only lists that tell leavers. `verify` tells."""
    dates: Literal["iso", "date_time"] = "iso"
    """How dates of subscriptions are written: ISO 8601 as Sesamy has them, or `YYYY-MM-DD HH:MM:SS` in UTC. `verify` tells which."""
    tags: Literal["titles", "ids"] = "titles"
    """How a contact's tags are written: by title, or by the ids of the account's tags, where a missing one is added. `verify` tells."""


class HttpSettings(Struct, frozen=True, kw_only=True):
    """How Sesamy and Make.as are reached."""

    proxy: Text | None = None
    """Proxy for all requests to Sesamy, Make.as and `notify.url`; the environment's are not used, nor does `HTTP_PROXY` set this."""


class AdminSettings(Struct, frozen=True, kw_only=True):
    """The server for probes, metrics and the status page."""

    host: Annotated[str, Meta(min_length=1, max_length=255)] = "0.0.0.0"  # noqa: S104 - a pod's probes come from outside
    """Address to listen at."""
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    """Port to listen at; 0 = off."""
    peers: tuple[Text, ...] = ()
    """Addresses of all pods' pages, for links from one to the others; `dns://NAME:PORT` stands for all that a name resolves to."""
    reader_lookup: bool = False
    """Whether the page has a form that finds a reader, also by e-mail address; it has no login of its own, so put one before it."""


class NotifySettings(Struct, frozen=True, kw_only=True):
    """Where we say so when people must look, beside logs and metrics."""

    url: Secret | None = None
    """Address that is sent a JSON POST when a list stops or runs again, and when letters need a person; none: nothing is sent."""


class ReceiveSettings(Struct, frozen=True, kw_only=True):
    """The webhook that `receive` answers: Sesamy's events on their way to the topic."""

    host: Annotated[str, Meta(min_length=1, max_length=255)] = "0.0.0.0"  # noqa: S104 - webhooks come from outside
    """Address to listen at."""
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8081
    """Port to listen at; an ingress before it ends TLS."""
    path: Path = "/events"
    """Path that events are posted to."""
    header: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}$", description="a header's name: letters, digits and dashes")] = (
        "X-Sesamy-Secret"
    )
    """Header with the secret, one of the endpoint's own static headers at Sesamy."""
    secret: Secret | None = None
    """What that header must say; `receive` does not begin without it."""
    second_secret: Secret | None = None
    """Another one that is taken, too, while the endpoint's is being changed."""
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    """How long Kafka may take for what one request brought; above it the answer is 503, and Sesamy tries again."""
    max_in_flight: Annotated[int, Meta(ge=1, le=1024)] = 64
    """Requests at once; one more is answered with 429."""


class SesamyCredentials(Struct, frozen=True, kw_only=True):
    """A vendor's client at Sesamy."""

    client_id: Text
    """The client's id."""
    client_secret: Secret
    """The client's secret."""
    audience: Text | None = None
    """Audience to ask a token for, where the vendor's client needs one."""
    scope: Text | None = None
    """Scopes to ask for, separated by spaces, where the vendor's client needs them."""


class ListSettings(Struct, frozen=True, kw_only=True, rename="camel"):
    """One Make.as list: a credential set as the integration's setup spells it."""

    user_id: Annotated[str, Meta(pattern=r"^[!-9;-~]{1,256}$", description="visible ASCII without a colon, in quotes")]
    """Make.as user id; visible ASCII without a colon, for it is the name of a Basic login."""
    api_key: Secret
    """Make.as API key."""
    list_id: Annotated[str, Meta(pattern=r"^[0-9]{1,20}$", description="digits, in quotes")]
    """The list to sync subscribers to; digits."""
    name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    """The list's name for people, shown beside its id; say `Morgenbrev`."""
    paused: bool = False
    """Whether nothing is written to the list for now: what it is owed is kept, and written once this is gone."""


class VendorSettings(Struct, frozen=True, kw_only=True):
    """One publisher: a vendor at Sesamy and its lists at Make.as."""

    id: Name
    """The vendor's id, as events name it."""
    sesamy: SesamyCredentials
    """The vendor's client at Sesamy."""
    makeas: Annotated[tuple[ListSettings, ...], Meta(min_length=1)]
    """One credential set, or an array of them; all lists are synced in parallel."""
    paused: bool = False
    """Whether nothing is fetched or written for the vendor for now: what is owed is kept, and written once this is gone."""


class Settings(Struct, frozen=True, kw_only=True, dict=True):
    """All settings of a process."""

    kafka: KafkaSettings = KafkaSettings()
    debounce: DebounceSettings = DebounceSettings()
    workers: WorkerSettings = WorkerSettings()
    sesamy: SesamySettings = SesamySettings()
    makeas: MakeAsSettings = MakeAsSettings()
    http: HttpSettings = HttpSettings()
    admin: AdminSettings = AdminSettings()
    notify: NotifySettings = NotifySettings()
    receive: ReceiveSettings = ReceiveSettings()
    vendors: Annotated[tuple[VendorSettings, ...], Meta(min_length=1)]

    @cached_property
    def accounts(self) -> tuple[Account, ...]:
        """Return every vendor's accounts, in the order of the settings."""
        sets: dict[tuple[str, str, Secret], list[ListSettings]] = {}
        for vendor in self.vendors:
            for one in vendor.makeas:
                sets.setdefault((vendor.id, one.user_id, one.api_key), []).append(one)
        # A list is the credential's: whichever vendor pauses it, nobody writes to it.
        paused = {(one.user_id, one.api_key, one.list_id) for of in sets.values() for one in of if one.paused}
        ids = account_ids((user_id, key) for _, user_id, key in sets)
        return tuple(
            Account(
                id=ids[user_id, key],
                vendor=vendor,
                user_id=user_id,
                api_key=key,
                lists=tuple(dict.fromkeys(one.list_id for one in of)),
                names={one.list_id: one.name for one in of if one.name is not None},
                paused=frozenset(one.list_id for one in of if (user_id, key, one.list_id) in paused),
            )
            for (vendor, user_id, key), of in sets.items()
        )

    def accounts_of(self, vendor: str) -> tuple[Account, ...]:
        """Return one vendor's accounts; none for a vendor that is not in the settings."""
        return tuple(account for account in self.accounts if account.vendor == vendor)

    def rules(self, *, quiet_s: float) -> Rules:
        """Return the numbers of the schedule; `quiet_s` is the caller's, for commands do without a quiet time."""
        workers = self.workers
        return Rules(
            quiet_s=quiet_s,
            max_wait_s=self.debounce.max_wait_s,
            concurrency=workers.concurrency,
            max_attempts=workers.max_attempts,
            backoff_s=workers.backoff_s,
            backoff_max_s=workers.backoff_max_s,
        )

    def fingerprint(self) -> str:
        """Return 12 hexadecimal digits that change with any setting, but not with the text of a secret."""
        text = "\n".join(f"{path}={one.source if isinstance(one, Secret) else repr(one)}" for path, one in leaves(self))
        return hashlib.sha256(text.encode()).hexdigest()[:12]
