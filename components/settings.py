"""The facts of one environment, read from the stack's configuration and checked before anything is made."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import pulumi

from components.apigee import NewOrganizationArgs

_HOSTNAME = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_CLOUDFLARE_ID = re.compile(r"[0-9a-f]{32}")
_APIGEE_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]+")
_PERIOD = re.compile(r"(\d{1,6})([smhd])")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


ClientSecrets: TypeAlias = str | list[str]
"""The client secret at an issuer, or the new and the old one while one takes the other's place."""

MAX_CLIENT_SECRETS = 2


class SettingsError(pulumi.RunError):
    """Settings are missing or malformed: the message names each key, what is wrong and an example."""


@dataclass(frozen=True)
class Settings:
    """One environment's facts."""

    gateway_hostname: str
    """The public hostname, answered by the Worker."""
    cloudflare_account_id: str
    cloudflare_zone_id: str
    apigee_organization: str
    """The organization's name, which is the Google Cloud project's id."""
    apigee_hostname: str
    """The hostname that Apigee answers on, reached by the Worker."""
    apigee_environment: str
    apigee_instance: str
    """The runtime instance's name; empty for none."""
    new_organization: NewOrganizationArgs | None
    """Given: the organization and the instance are created rather than adopted."""
    edge_route: str
    """How requests reach the Worker: `domain` (a custom domain) or `route` (a route and a DNS record)."""
    rotation_period_seconds: int
    rotation: str
    """`auto` or `paused`."""
    revoke: int
    """The number of a compromised signing key; 0 for none."""
    protect: bool
    """Whether Pulumi refuses to delete what holds data."""
    introspection_secrets: pulumi.Output[dict[str, ClientSecrets]]
    """The Worker's client secret at each issuer that introspects, by the issuer's name; a Pulumi secret."""


def read_settings() -> Settings:
    """Return the stack's settings; raises `SettingsError`, which names every setting that is missing or malformed."""
    reader = _Reader(pulumi.Config())
    create = reader.one_of("apigeeOrganizationMode", ("adopt", "create"))
    settings = Settings(
        gateway_hostname=reader.matching("gatewayHostname", _HOSTNAME, "api.acme.com"),
        cloudflare_account_id=reader.matching("cloudflareAccountId", _CLOUDFLARE_ID, "0123456789abcdef" * 2),
        cloudflare_zone_id=reader.matching("cloudflareZoneId", _CLOUDFLARE_ID, "fedcba9876543210" * 2),
        apigee_organization=reader.matching("apigeeOrganization", _PROJECT, "acme-apigee-prod"),
        apigee_hostname=reader.matching("apigeeHostname", _HOSTNAME, "apigee.acme.com"),
        apigee_environment=reader.matching("apigeeEnvironment", _APIGEE_NAME, "prod"),
        apigee_instance=reader.matching("apigeeInstance", re.compile(rf"({_APIGEE_NAME.pattern})?"), "eu-west1"),
        new_organization=reader.new_organization() if create == "create" else None,
        edge_route=reader.one_of("edgeRoute", ("domain", "route")),
        rotation_period_seconds=reader.seconds("rotationPeriod", "24h"),
        rotation=reader.one_of("rotation", ("auto", "paused")),
        revoke=reader.number("revoke", "8"),
        protect=reader.one_of("protect", ("true", "false")) == "true",
        introspection_secrets=reader.secrets("introspectionSecrets"),
    )
    reader.raise_problems()
    return settings


class _Reader:
    """Reads settings and collects what is wrong with them, so that all of it is told at once."""

    def __init__(self, config: pulumi.Config) -> None:
        self._config = config
        self._problems: list[str] = []

    def matching(self, key: str, pattern: re.Pattern[str], example: str) -> str:
        return self._checked(key, example, lambda value: pattern.fullmatch(value) is not None)

    def one_of(self, key: str, choices: tuple[str, ...]) -> str:
        return self._checked(key, choices[0], lambda value: value in choices, f"one of {', '.join(choices)}")

    def seconds(self, key: str, example: str) -> int:
        text = self._checked(
            key, example, lambda value: _PERIOD.fullmatch(value) is not None, "a whole number of s|m|h|d"
        )
        found = _PERIOD.fullmatch(text)
        return int(found[1]) * _SECONDS[found[2]] if found else 0

    def number(self, key: str, example: str) -> int:
        text = self._checked(key, example, lambda value: _NUMBER.fullmatch(value) is not None, "a whole number")
        return int(text) if _NUMBER.fullmatch(text) else 0

    def new_organization(self) -> NewOrganizationArgs:
        return {
            "analytics_region": self.matching("apigeeAnalyticsRegion", _REGION, "europe-west1"),
            "instance_location": self.matching("apigeeInstanceLocation", _REGION, "europe-west1"),
        }

    def secrets(self, key: str) -> pulumi.Output[dict[str, ClientSecrets]]:
        """Read a secret JSON object of client secrets. A value is never part of a message."""
        try:
            value = self._config.get_secret_object(key)
        except pulumi.ConfigTypeError:
            self._problems.append(f'{self._full(key)} is not JSON; write an object such as {{"okta": "<secret>"}}')
            value = None
        return pulumi.Output.secret(value if value is not None else {}).apply(_client_secrets)

    def raise_problems(self) -> None:
        if self._problems:
            lines = "\n".join(f"  {problem}" for problem in self._problems)
            raise SettingsError(f"the configuration of stack {pulumi.get_stack()} is not complete:\n{lines}")

    def _checked(self, key: str, example: str, is_good: Callable[[str], bool], wanted: str = "") -> str:
        value = self._config.get(key)
        hint = f"`pulumi config set {self._full(key)} {example}`"
        if value is None:
            self._problems.append(f"{self._full(key)} is missing; for example {hint}")
        elif not is_good(value):
            expected = f"write {wanted}, " if wanted else ""
            self._problems.append(f"{self._full(key)} is {value!r}; {expected}for example {hint}")
        return value or ""

    def _full(self, key: str) -> str:
        return f"{self._config.name}:{key}"


def _client_secrets(value: object) -> dict[str, ClientSecrets]:
    if not isinstance(value, dict) or not all(_is_client_secrets(item) for item in value.values()):  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        raise SettingsError(
            'introspectionSecrets must be an object of texts, or of lists of two texts, such as {"okta": "<secret>"}'
        )
    return value  # pyright: ignore[reportUnknownVariableType]


def _is_client_secrets(value: object) -> bool:
    texts: list[object] = value if isinstance(value, list) else [value]  # pyright: ignore[reportUnknownVariableType]
    return 1 <= len(texts) <= MAX_CLIENT_SECRETS and all(isinstance(text, str) for text in texts)
