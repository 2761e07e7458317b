"""Settings of a process, read from environment variables into pydantic models.

Each process has its own model, next to its `main`. A field names its variable in `validation_alias` and the allowed values in `description`.
An invalid value ends the process before it starts anything, with one line on standard error. An empty variable counts as not set.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.config import JsonDict

EXIT_SETTING = 2
SECRET: JsonDict = {"secret": True}  # for `json_schema_extra`: the value is never printed
_LONGEST = 80


class SettingError(Exception):
    """A variable is missing or its value is invalid. The text is one line and never contains the value of a secret."""

    def __init__(self, variable: str, problem: str, allowed: str) -> None:
        super().__init__(f"{variable} {problem}. Allowed: {allowed}.")
        self.variable = variable
        self.problem = problem
        self.allowed = allowed


class Environment(BaseModel):
    """The base class of all settings: immutable; other variables of the environment are ignored."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore", hide_input_in_errors=True)


S = TypeVar("S", bound=Environment)


def read(model: type[S], environment: Mapping[str, str]) -> S:
    """Read settings from an environment.

    Args:
        model: The model of the settings.
        environment: Variables by name.

    Raises:
        SettingError: A variable is missing or invalid; the first one in the order of the fields.
    """
    names = {str(field.validation_alias) for field in model.model_fields.values()}
    try:
        return model.model_validate({name: environment[name] for name in names if environment.get(name)})
    except ValidationError as error:
        raise _invalid(model, error, environment) from None  # the text of the chained error could contain a secret


def values(prefix: str) -> list[str]:
    """The values of all variables of this process whose names begin with the prefix."""
    return [value for name, value in os.environ.items() if name.startswith(prefix)]


def read_or_exit(model: type[S]) -> S:
    """Read the settings of this process; exit with status 2 and one line on standard error if one is invalid."""
    try:
        return read(model, os.environ)
    except SettingError as error:
        sys.stderr.write(f"landfall: {error}\n")
        sys.exit(EXIT_SETTING)


def _invalid(model: type[Environment], error: ValidationError, environment: Mapping[str, str]) -> SettingError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    variable, *below = map(str, first["loc"])
    field = next(setting for setting in model.model_fields.values() if setting.validation_alias == variable)
    extra = field.json_schema_extra
    allowed = field.description or "see the chart's values"
    if first["type"] == "missing" and not below:
        return SettingError(variable, "is not set", allowed)
    hidden = isinstance(extra, dict) and bool(extra.get("secret"))
    value = "" if hidden or below else f" ({environment.get(variable, '')[:_LONGEST]!r})"
    place = f" at {'.'.join(below)}" if below else ""
    cause = " ".join(first["msg"].removeprefix("Value error, ").split())
    return SettingError(variable, f"is not valid{place}{value}: {cause[:1].lower()}{cause[1:]}", allowed)
