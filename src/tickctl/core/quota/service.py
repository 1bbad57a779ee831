"""What the command line and the gateway do with quotas: each a call of one SQL function, its rows read strictly."""

import base64
import binascii
import difflib
import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID

from tickctl.core.json import Json, JsonObject
from tickctl.core.quota.accounts import AdminChange, Administrator, UserFilter, UserOverview, UserRecord
from tickctl.core.quota.model import (
    AuditEntry,
    Consumption,
    DayUsage,
    ImportedLimit,
    LimitChange,
    Page,
    QuotaState,
    ResolvedUser,
    Settlement,
    TopEntry,
)
from tickctl.core.quota.port import Caller, ServiceRole, SqlFunctions
from tickctl.core.quota.rows import Row, read
from tickctl.core.secret import Secret
from tickctl.errors import InvalidInputError, NotFoundError, TickctlError, UnreachableError


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last user of a page. Lists are ordered by `key`, the e-mail in lower case or nothing, and id."""

    key: str
    user_id: str

    @classmethod
    def of_row(cls, fields: JsonObject) -> "Cursor":
        """Return the place of a `tick.user_overview`; rubbish raises `UnreachableError`."""
        row = Row(fields)
        return cls(row.text("list_key"), row.text("user_id"))

    def to_text(self) -> str:
        """Return the cursor as characters that need no quoting in a shell or a URL."""
        return base64.urlsafe_b64encode(json.dumps([self.key, self.user_id]).encode()).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> "Cursor":
        """Read a cursor that `to_text` made; anything else raises `InvalidInputError`."""
        try:
            value = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
            key, user_id = value
            if isinstance(key, str) and isinstance(user_id, str):
                return cls(key, str(UUID(user_id)))
        except (binascii.Error, TypeError, ValueError, RecursionError):
            pass
        raise InvalidInputError("the cursor is not one that a list gave", hint="start again without a cursor")


LARGEST_CHUNK: Final = 1000
"""Entries that one call of `set_limits` or `resolve` takes, and rows that one call of a list gives."""
_SUGGESTIONS: Final = 3
_LONGEST_ID: Final = 18
_DELETED: Final = "this user was deleted"
"""The database's words, in tick.living_user."""

Rows: TypeAlias = Sequence[JsonObject]


def consume(
    functions: SqlFunctions,
    caller: Caller,
    ticks: int,
    request_key: str | None = None,
    request_digest: str | None = None,
    *,
    charge_id: str | None = None,
    refund: str | None = None,
    require_confirmed: bool = True,
    carry_out: bool = True,
) -> Consumption:
    """Subtract ticks from the caller's day, or learn why not.

    Args:
        functions: the database.
        caller: the user whose ticks they are.
        ticks: how many, 1 or more.
        request_key: 1…255 characters that stand for this request; the same key is never granted twice, unless the
            charge was given back.
        request_digest: up to 128 characters that differ when the request does.
        charge_id: a UUID of the caller's own making for the charge; the same one again is the same charge, and answers
            as the first call did. A new one unless given.
        refund: the `refund_digest` of the secret with which the charge can be settled; without it only operators can.
        require_confirmed: whether the e-mail must be confirmed.
        carry_out: whether to subtract them; else only the decision is made, and the day is that before it.

    Raises:
        InvalidInputError: an argument is out of range.
        UnreachableError: no answer came; with the same charge id it is safe to ask again.
    """
    arguments = consume_arguments(
        ticks,
        charge_id or str(uuid.uuid4()),
        refund,
        request_key,
        request_digest,
        require_confirmed=require_confirmed,
    )
    if not carry_out:
        arguments = {**arguments, "carry_out": False}
    return read(Consumption, only_row(functions.call("consume_ticks", arguments, caller=caller)))


def consume_arguments(
    ticks: int,
    charge_id: str,
    refund: str | None,
    request_key: str | None,
    request_digest: str | None,
    *,
    require_confirmed: bool,
) -> JsonObject:
    """Return the arguments of `consume_ticks`."""
    arguments: dict[str, Json] = {"ticks": ticks, "charge_id": charge_id, "require_confirmed": require_confirmed}
    if refund is not None:
        arguments["refund_digest"] = refund
    if request_key is not None:
        arguments |= {"request_key": request_key, "request_digest": request_digest}
    return arguments


def refund_digest(secret: Secret) -> str:
    """Return what `consume_ticks` is given of the secret that `settle_ticks` wants: the SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.reveal().encode()).hexdigest()


def settle(
    functions: SqlFunctions, caller: Caller, charge_id: str, ticks_actual: int, secret: Secret | None = None
) -> Settlement:
    """Give back, once, what a charge did not use; `ticks_actual` is what it did, 0 up to the charge.

    Operators need no secret; whoever else calls brings that of the charge. With a wrong one there is no such charge.
    """
    arguments = settle_arguments(charge_id, ticks_actual, secret)
    return read(Settlement, only_row(functions.call("settle_ticks", arguments, caller=caller)))


def settle_arguments(charge_id: str, ticks_actual: int, secret: Secret | None) -> JsonObject:
    """Return the arguments of `settle_ticks`."""
    arguments: dict[str, Json] = {"charge_id": charge_id, "ticks_actual": ticks_actual}
    return arguments if secret is None else arguments | {"refund_secret": secret.reveal()}


def my_ticks(functions: SqlFunctions, caller: Caller) -> QuotaState:
    """Return the caller's own state, consuming nothing."""
    return read(QuotaState, only_row(functions.call("my_ticks", {}, caller=caller)))


class QuotaAdmin:
    """The operator's calls. A `user_ref` is a user id or an e-mail in any case.

    With `dry_run` a change is carried out, with the project's own triggers, and taken back; answer and errors are those
    of the real one.

    All raise `CredentialsRefusedError` for callers who are no administrators; those that take a `user_ref` raise
    `NotFoundError` with near matches, and `ConflictError` for an e-mail that several users have.

    Args:
        functions: the database.
        operator: who the log shall say did it; a label that nobody verifies, up to 255 characters.
        caller: as whom to call; an operator with the secret key or a direct connection unless said otherwise.
    """

    def __init__(self, functions: SqlFunctions, operator: str, *, caller: Caller | None = None) -> None:
        self._functions = functions
        self._operator = operator
        self._caller = ServiceRole() if caller is None else caller

    def show(self, user_ref: str) -> QuotaState:
        """Return a user's quota today."""
        return read(QuotaState, self._one("tick_admin_show", user_ref, {}))

    def overview(self, user_ref: str) -> UserOverview:
        """Return a user's quota today and the state of the account."""
        return read(UserOverview, self._one("tick_admin_overview", user_ref, {}))

    def user(self, user_ref: str, session_id: str | None = None) -> UserRecord:
        """Return what the Auth tables say of a user and, where asked, of a session."""
        return read(UserRecord, self._one("tick_admin_user", user_ref, {"session_id": session_id}))

    def explain(self, user_ref: str, ticks: int, *, require_confirmed: bool = True) -> Consumption:
        """Return what `consume_ticks` would decide for a user who is signed in; the day is that before it."""
        arguments: dict[str, Json] = {"ticks": ticks, "require_confirmed": require_confirmed}
        return read(Consumption, self._one("tick_admin_explain", user_ref, arguments))

    def suggest(self, user_ref: str) -> tuple[str, ...]:
        """Return up to three e-mails that resemble a mistyped one, the most similar first."""
        rows = self._call("tick_admin_suggest", {"user_ref": user_ref})
        emails = {email.lower(): email for email in (Row(row).text("email") for row in rows)}
        return tuple(emails[match] for match in difflib.get_close_matches(user_ref.lower(), emails, _SUGGESTIONS))

    def list(
        self,
        kind: UserFilter = UserFilter.ALL,
        *,
        search: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[UserOverview]:
        """Return users in the order of their e-mails; those without one come last.

        Args:
            kind: which users.
            search: a part of the e-mail or the phone number, or the beginning of the id; taken literally, in any case.
            limit: how many at most.
            after: `next` of the page before.

        Raises:
            InvalidInputError: `after` is not one of ours.
        """
        cursor = None if after is None else Cursor.from_text(after)
        items: tuple[UserOverview, ...] = ()
        while True:
            position: JsonObject = {} if cursor is None else {"after_key": cursor.key, "after_id": cursor.user_id}
            rows, more = self._chunk(
                "tick_admin_list", {"filter": kind, "search": search, **position}, limit - len(items)
            )
            items += tuple(read(UserOverview, row) for row in rows)
            cursor = Cursor.of_row(rows[-1]) if more else None
            if cursor is None or len(items) == limit:
                return Page(items, None if cursor is None else cursor.to_text())

    def set_limit(
        self,
        user_ref: str,
        limit: int | None,
        *,
        reason: str | None = None,
        check_expected: bool = False,
        expected_limit: int | None = None,
        dry_run: bool = False,
    ) -> LimitChange:
        """Set a user's limit per day: 0…10⁹, `None` for unlimited.

        With `check_expected`, a limit that is not `expected_limit` is left alone, and the answer is a conflict.
        """
        arguments: JsonObject = {
            "new_limit": limit,
            "check_expected": check_expected,
            "expected_limit": expected_limit,
            **self._labels(reason, dry_run=dry_run),
        }
        return read(LimitChange, self._one("tick_admin_set_limit", user_ref, arguments))

    def set_limits(
        self, limits: Sequence[tuple[str, int | None]], *, reason: str | None = None, dry_run: bool = False
    ) -> tuple[ImportedLimit, ...]:
        """Set the limits of up to 1000 users, given by id, all or none; the answer is in the order of the ids."""
        entries = [{"user_id": user_id, "daily_tick_limit": limit} for user_id, limit in limits]
        arguments: JsonObject = {"entries": entries, **self._labels(reason, dry_run=dry_run)}
        return tuple(read(ImportedLimit, row) for row in self._call("tick_admin_set_limits", arguments))

    def resolve(self, user_refs: Sequence[str]) -> tuple[ResolvedUser, ...]:
        """Return whom up to 1000 references mean, in their order."""
        rows = self._call("tick_admin_resolve", {"user_refs": user_refs})
        return tuple(read(ResolvedUser, row) for row in rows)

    def grant(self, user_ref: str, ticks: int, *, reason: str | None = None, dry_run: bool = False) -> QuotaState:
        """Add 1…10⁹ ticks to a user's allowance of today."""
        arguments: JsonObject = {"ticks": ticks, **self._labels(reason, dry_run=dry_run)}
        return read(QuotaState, self._one("tick_admin_grant", user_ref, arguments))

    def reset(self, user_ref: str, *, reason: str | None = None, dry_run: bool = False) -> QuotaState:
        """Set what a user has used today back to 0; what was granted stays."""
        return read(QuotaState, self._one("tick_admin_reset", user_ref, self._labels(reason, dry_run=dry_run)))

    def history(self, user_ref: str, days: int = 30) -> tuple[DayUsage, ...]:
        """Return each of the last 1…366 days, oldest first, today last."""
        rows = self._about("tick_admin_history", user_ref, {"days": days})
        return tuple(read(DayUsage, row) for row in rows)

    def top(self, days: int = 1, how_many: int = 10) -> tuple[TopEntry, ...]:
        """Return who used most over the last 1…366 days, most first."""
        rows = self._call("tick_admin_top", {"days": days, "how_many": how_many})
        return tuple(read(TopEntry, row) for row in rows)

    def audit_log(self, user_ref: str | None = None, *, limit: int = 50, after: str | None = None) -> Page[AuditEntry]:
        """Return changes, newest first; those of one user, also a deleted one, or of all.

        `limit` and `after` are as for `list`.
        """
        before_id = None if after is None else _entry_id(after)
        items: tuple[AuditEntry, ...] = ()
        while True:
            arguments: JsonObject = {"before_id": before_id}
            rows, more = self._chunk("tick_admin_audit", arguments, limit - len(items), user_ref)
            items += tuple(read(AuditEntry, row) for row in rows)
            before_id = items[-1].id if more else None
            if before_id is None or len(items) == limit:
                return Page(items, None if before_id is None else str(before_id))

    def admins(self) -> tuple[Administrator, ...]:
        """Return the signed-in users who may administer, the one who was added first at the beginning."""
        return tuple(read(Administrator, row) for row in self._call("tick_admin_members", {}))

    def add_admin(self, user_ref: str, *, reason: str | None = None, dry_run: bool = False) -> AdminChange:
        """Let a user administer when signed in.

        Raises:
            CredentialsRefusedError: also for administrators who are signed in: it takes the secret key or a direct
                connection, so that a stolen token can't make itself permanent.
            InvalidInputError: the user is anonymous or deleted, or the e-mail is not confirmed.
        """
        return read(AdminChange, self._one("tick_admin_add", user_ref, self._labels(reason, dry_run=dry_run)))

    def remove_admin(self, user_ref: str, *, reason: str | None = None, dry_run: bool = False) -> AdminChange:
        """Let a user administer no longer, from this moment on; as to rights, see `add_admin`."""
        return read(AdminChange, self._one("tick_admin_remove", user_ref, self._labels(reason, dry_run=dry_run)))

    def _labels(self, reason: str | None, *, dry_run: bool) -> JsonObject:
        labels: JsonObject = {"reason": reason, "operator": self._operator}
        return {**labels, "dry_run": True} if dry_run else labels

    def _call(self, name: str, arguments: JsonObject) -> Rows:
        return self._functions.call(name, arguments, caller=self._caller)

    def _about(self, name: str, user_ref: str, arguments: JsonObject) -> Rows:
        try:
            return self._call(name, {"user_ref": user_ref, **arguments})
        except NotFoundError as error:
            if error.message == _DELETED:
                raise
            raise NotFoundError(
                f"there is no user {user_ref!r}",
                hint="look for them with `tickctl quota list --search`",
                suggestions=self._suggestions(user_ref),
            ) from None

    def _chunk(self, name: str, arguments: JsonObject, wanted: int, user_ref: str | None = None) -> tuple[Rows, bool]:
        """Return the next rows, as many as wanted and as one call gives, and whether more follow."""
        if wanted < 1:
            raise InvalidInputError("a list can't be shorter than 1")
        # One more than needed shows whether more follow; with it, no more than Supabase's API gives for one call
        # unless told otherwise.
        size = min(wanted, LARGEST_CHUNK - 1)
        arguments = {**arguments, "page_size": size + 1}
        rows = self._call(name, arguments) if user_ref is None else self._about(name, user_ref, arguments)
        return rows[:size], len(rows) > size

    def _one(self, name: str, user_ref: str, arguments: JsonObject) -> JsonObject:
        return only_row(self._about(name, user_ref, arguments))

    def _suggestions(self, user_ref: str) -> tuple[str, ...]:
        try:
            return self.suggest(user_ref)
        except TickctlError:
            return ()  # The user is unknown all the same.


def only_row(rows: Sequence[JsonObject]) -> JsonObject:
    """Return the row of a function that gives exactly one; anything else raises `UnreachableError`."""
    if len(rows) != 1:
        raise UnreachableError(f"the database gave {len(rows)} rows where one was due")
    return rows[0]


def _entry_id(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _LONGEST_ID):
        raise InvalidInputError("the cursor is not one that the log gave", hint="start again without a cursor")
    return int(cursor)
