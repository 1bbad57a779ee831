"""`/admin/users`: what the holder of the secret key may do with users."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from psycopg.rows import DictRow

from standin.auth import parameters, passwords, tokens
from standin.auth.errors import AuthError
from standin.auth.store import Transaction
from standin.http import Answer, Request, json_answer


def administer(store: Transaction, claims: tokens.Claims, rest: list[str], request: Request) -> Answer:
    """Answer a request for all users, or for the one whose id the path ends with.

    Raises:
        AuthError: 403 not_admin, 404 user_not_found, 422 email_exists, and what parameters may do wrong.
    """
    if claims.get("role") != "service_role":
        raise AuthError(403, "not_admin", "User not allowed")
    match request.method, rest:
        case "GET", []:
            return _list(store, request)
        case "POST", []:
            return json_answer(200, tokens.shown(_add(store, parameters.parameters(request))))
        case method, [text]:
            user = store.user(parameters.user_id(text))
            if user is None:
                raise AuthError(404, "user_not_found", "User not found")
            return json_answer(200, _with_one(store, method, user, parameters.parameters(request)))
        case _:
            raise AuthError(405, "unknown", "Method Not Allowed")


def _list(store: Transaction, request: Request) -> Answer:
    asked = {name: values[0] for name, values in parse_qs(request.query).items()}
    users, total = store.users(int(asked.get("page", 1)), int(asked.get("per_page", 50)))
    document = {"users": [tokens.shown(user) for user in users], "aud": "authenticated"}
    return json_answer(200, document, ("X-Total-Count", str(total)))


def _add(store: Transaction, given: dict[str, Any]) -> DictRow:
    address = parameters.email(given)
    if store.user_by_email(address) is not None:
        raise AuthError(422, "email_exists", "A user with this email address has already been registered")
    stored = passwords.hashed(str(given.get("password") or uuid.uuid4()))
    metadata = given.get("user_metadata") or {}
    user = store.add_user(address, stored, confirmed=bool(given.get("email_confirm")), metadata=metadata)
    return _changed(store, user, {name: value for name, value in given.items() if name in _LATER})


# What is set on a new user as on one that is there already.
_LATER = ("app_metadata", "ban_duration")


def _with_one(store: Transaction, method: str, user: DictRow, given: dict[str, Any]) -> dict[str, Any]:
    match method:
        case "GET":
            return tokens.shown(user)
        case "PUT":
            return tokens.shown(_changed(store, user, given))
        case "DELETE" if given.get("should_soft_delete"):
            store.change_user(user["id"], deleted_at=datetime.now(UTC))
        case "DELETE":
            store.delete_user(user["id"])
        case _:
            raise AuthError(405, "unknown", "Method Not Allowed")
    return {}


def _changed(store: Transaction, user: DictRow, given: dict[str, Any]) -> DictRow:
    changes: dict[str, Any] = {}
    if given.get("email_confirm"):
        changes["email_confirmed_at"] = user["email_confirmed_at"] or datetime.now(UTC)
    if given.get("password"):
        changes["encrypted_password"] = passwords.hashed(parameters.password(given))
    if given.get("email"):
        changes["email"] = parameters.email(given)
    if given.get("app_metadata"):
        changes["raw_app_meta_data"] = {**(user["raw_app_meta_data"] or {}), **given["app_metadata"]}
    if given.get("ban_duration"):
        hours = given["ban_duration"].removesuffix("h")
        changes["banned_until"] = None if hours == "none" else datetime.now(UTC) + timedelta(hours=float(hours))
    return store.change_user(user["id"], **changes) if changes else user
