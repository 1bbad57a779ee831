"""What stands before a project's services: it wants an API key, and turns the new keys into the roles they stand for.

https://supabase.com/docs/guides/api/api-keys. The legacy keys are JWTs and pass as they are.
"""

from dataclasses import dataclass
from urllib.parse import parse_qs

from standin.http import Answer, Application, Request, json_answer
from standin.keys import ProjectKeys

AUTH, REST = "/auth/v1", "/rest/v1"
# What browsers and mail programs open without a key.
_OPEN = ("/.well-known/jwks.json", "/verify", "/authorize", "/callback")


@dataclass(frozen=True)
class Gateway:
    """Passes requests on to Auth and PostgREST."""

    keys: ProjectKeys
    auth: Application
    rest: Application

    def __call__(self, request: Request) -> Answer:
        """Answer a request, or let a service answer it."""
        for prefix, service in ((AUTH, self.auth), (REST, self.rest)):
            if request.path == prefix or request.path.startswith(prefix + "/"):
                inner = request.target[len(prefix) :] or "/"
                if prefix == AUTH and request.path.removeprefix(AUTH) in _OPEN:
                    return service(request.at(inner))
                return self._with_key(request, inner, service)
        return json_answer(404, {"message": "no Route matched with those values"})

    def _with_key(self, request: Request, inner: str, service: Application) -> Answer:
        key = request.header("apikey") or next(iter(parse_qs(request.query).get("apikey", [])), None)
        if not key:
            return _refused("No API key found in request", "No `apikey` request header or url param was found.")
        if key not in {self.keys.publishable, self.keys.secret, self.keys.legacy_anon, self.keys.legacy_service_role}:
            return _refused("Invalid API key", "Double check your Supabase `anon` or `service_role` API key.")
        if key == self.keys.secret and (request.header("user-agent") or "").startswith("Mozilla/"):
            return _refused("Secret API keys are not for browsers", "Use a publishable key in a browser.")
        headers = {name: value for name, value in request.headers.items() if name != "apikey"}
        stands_for = {self.keys.publishable: self.keys.legacy_anon, self.keys.secret: self.keys.legacy_service_role}
        # Only the very key may stand in `Authorization` as well; everything else there is a user's token.
        if key in stands_for and request.header("authorization") in {None, "", f"Bearer {key}"}:
            headers["authorization"] = f"Bearer {stands_for[key]}"
        return service(request.at(inner, headers))


def _refused(message: str, hint: str) -> Answer:
    return json_answer(401, {"message": message, "hint": hint})
