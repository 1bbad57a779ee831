"""Profiles: what an environment such as staging is, as `[tool.tickctl]` of pyproject.toml or tickctl.toml says.

They hold names only. Whatever looks like a secret is refused, and so is a key that means nothing: a misspelt
`services` would leave services as they are and say that all went well.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import PurePath
from typing import Final

from tickctl.core.json import Json, JsonObject
from tickctl.core.secrets.arn import account_of, region_of
from tickctl.core.secrets.shapes import secret_shape
from tickctl.core.secrets.target import Target
from tickctl.errors import ConfigurationError

DEFAULT_ENV: Final = "default-env"
_ARN: Final = r"arn:aws[a-z-]*"
_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2}")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
# CreateSecret, Name; and the ARN that AWS makes of it.
_SECRET: Final = re.compile(
    rf"[A-Za-z0-9/_+=.@-]{{1,512}}|{_ARN}:secretsmanager:[a-z0-9-]+:[0-9]{{12}}:secret:[A-Za-z0-9/_+=.@-]{{1,519}}"
)
_KMS_KEY: Final = re.compile(rf"alias/[A-Za-z0-9/_-]{{1,250}}|(?:mrk-)?[0-9a-f-]{{32,36}}|{_ARN}:kms:\S+")
_ECS_NAME: Final = re.compile(rf"[A-Za-z0-9_-]{{1,255}}|{_ARN}:ecs:\S+")
_CONTAINER: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_DEFINITION: Final = re.compile(rf"[A-Za-z0-9_-]{{1,255}}(?::[0-9]+)?|{_ARN}:ecs:\S+|[^\x00]+\.json")
_FILE: Final = re.compile(r"[^\x00]+")
_VARIABLE: Final = re.compile(r"[^=\s\x00]+")
_PROFILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SHOWN: Final = 120


@dataclass(frozen=True, slots=True)
class Profile:
    """A target, and the file beside it that lists the names which env files must hold."""

    target: Target
    required_from: str | None = None


@dataclass(frozen=True, slots=True)
class Profiles:
    """All profiles of one file, and the one that counts when none is named."""

    file: str
    default: str | None = None
    by_name: Mapping[str, Profile] = field(default_factory=dict)

    def named(self, name: str) -> Profile:
        """Return a profile.

        Raises:
            ConfigurationError: there is none of this name; the hint lists those that there are.
        """
        if name in self.by_name:
            return self.by_name[name]
        known = ", ".join(sorted(self.by_name)) or "none at all"
        raise ConfigurationError(f"{self.file} has no profile {_shown(name)}", hint=f"it has {known}")


def parse(document: JsonObject, *, file: str, table: str = "") -> Profiles:
    """Read profiles from a parsed document.

    Args:
        document: the table of tickctl itself.
        file: where it comes from; the paths in it are relative to its folder.
        table: its place in the file, for messages: `tool.tickctl`, or nothing.

    Raises:
        ConfigurationError: a key or value that can't be right; names file and key, never a value.
    """
    reader = _Reader(file)
    fields = reader.known(document, table, (DEFAULT_ENV, "env"))
    profiles = {
        reader.profile_name(name, _below(table, "env")): reader.profile(name, value, _below(table, f"env.{name}"))
        for name, value in reader.mapping(fields.get("env", {}), _below(table, "env")).items()
    }
    default = fields.get(DEFAULT_ENV)
    if default is not None:
        default = reader.text(default, _below(table, DEFAULT_ENV), _PROFILE, "a profile's name")
        if default not in profiles:
            known = ", ".join(sorted(profiles)) or "none at all"
            raise reader.wrong(_below(table, DEFAULT_ENV), "names a profile that isn't there", f"there is {known}")
    return Profiles(file, default, profiles)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Takes a document apart; knows the file's name for its messages."""

    file: str

    def wrong(self, path: str, problem: str, hint: str | None = None) -> ConfigurationError:
        return ConfigurationError(f"{self.file}: {_shown(path)} {problem}", hint=hint)

    def mapping(self, value: Json, path: str) -> Mapping[str, Json]:
        if isinstance(value, Mapping):
            return value
        raise self.wrong(path, "must be a table")

    def known(self, value: Json, path: str, names: tuple[str, ...]) -> Mapping[str, Json]:
        fields = self.mapping(value, path)
        for name in fields:
            if name not in names:
                near = get_close_matches(name, names, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
                raise self.wrong(_below(path, name), "is no key that tickctl knows", hint)
        return fields

    def profile_name(self, name: str, path: str) -> str:
        if _PROFILE.fullmatch(name) and not secret_shape(name):
            return name
        raise self.wrong(path, "has a profile whose name isn't one", "use letters, digits, dots, - and _, up to 64")

    def text(self, value: Json, path: str, form: re.Pattern[str], what: str) -> str:
        if not isinstance(value, str):
            raise self.wrong(path, "must be text", f"write {what} in quotes")
        if shape := secret_shape(value):
            raise self.wrong(path, f"holds {shape}", "no secret belongs into this file; it is committed")
        if not form.fullmatch(value):
            raise self.wrong(path, f"is not {what}")
        return value

    def texts(self, value: Json, path: str, form: re.Pattern[str], what: str) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise self.wrong(path, "must be a list", f"write {what} in quotes, between brackets")
        items = tuple(self.text(item, f"{path}[{index}]", form, what) for index, item in enumerate(value))
        if len(set(items)) < len(items):
            raise self.wrong(path, "names something twice")
        return items

    def tags(self, value: Json, path: str) -> dict[str, str]:
        tags = self.mapping(value, path)
        for name in tags:
            # Secrets Manager API reference, Tag.
            if not 0 < len(name) <= 128 or name.lower().startswith("aws:") or secret_shape(name):  # noqa: PLR2004
                raise self.wrong(path, "has a name that is no tag's", "up to 128 characters, and aws: is AWS's own")
        form = re.compile(r"[^\x00]{0,256}")
        return {name: self.text(tag, _below(path, name), form, "a tag's value") for name, tag in tags.items()}

    def profile(self, name: str, value: Json, path: str) -> Profile:
        fields = self.known(value, path, tuple(_TEXTS) + tuple(_LISTS) + ("tags", "required-from"))
        texts = {
            key.replace("-", "_"): self.text(fields[key], _below(path, key), form, what)
            for key, (form, what) in _TEXTS.items()
            if key in fields
        }
        lists = {
            key.replace("-", "_"): self.texts(fields[key], _below(path, key), form, what)
            for key, (form, what) in _LISTS.items()
            if key in fields
        }
        self._agree(texts, path)
        target = Target(
            env_name=name,
            secret_id=texts.get("secret_id"),
            region=texts.get("region") or region_of(texts.get("secret_id", "")) or None,
            account=texts.get("account"),
            kms_key=texts.get("kms_key"),
            cluster=texts.get("cluster"),
            services=lists.get("services", ()),
            task_definitions=tuple(
                self.beside(name) if name.endswith(".json") else name for name in lists.get("task_definitions", ())
            ),
            containers=lists.get("containers", ()),
            env_files=tuple(map(self.beside, lists.get("env_files", ()))),
            required=lists.get("required", ()),
        )
        if "tags" in fields:
            target = replace(target, tags=self.tags(fields["tags"], _below(path, "tags")))
        if "required-from" not in fields:
            return Profile(target)
        required = self.text(fields["required-from"], _below(path, "required-from"), _FILE, "a file's name")
        return Profile(target, self.beside(required))

    def beside(self, name: str) -> str:
        """Return a path that is written relative to this file's folder."""
        return str(PurePath(self.file).parent / name)

    def _agree(self, texts: Mapping[str, str], path: str) -> None:
        arn = texts.get("secret_id", "")
        for key, part in (("region", region_of(arn)), ("account", account_of(arn))):
            if part and texts.get(key, part) != part:
                raise self.wrong(_below(path, key), "is another one than that of secret-id", f"remove {key}")


_Form = tuple[re.Pattern[str], str]
_TEXTS: Final[Mapping[str, _Form]] = {
    "secret-id": (_SECRET, "a secret's name or ARN"),
    "region": (_REGION, "a region such as eu-west-1"),
    "account": (_ACCOUNT, "an account's 12 digits"),
    "kms-key": (_KMS_KEY, "a KMS key: alias/…, a key id or an ARN"),
    "cluster": (_ECS_NAME, "a cluster's name or ARN"),
}
_LISTS: Final[Mapping[str, _Form]] = {
    "services": (_ECS_NAME, "services' names"),
    "task-definitions": (_DEFINITION, "families, or files that end in .json"),
    "containers": (_CONTAINER, "containers' names"),
    "env-files": (_FILE, "files' names"),
    "required": (_VARIABLE, "variables' names"),
}


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(text: str) -> str:
    """Return a name as it may be shown: somebody may have pasted anything in its place."""
    if secret_shape(text):
        return "(not shown)"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
