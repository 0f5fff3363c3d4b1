"""The settings of a company: what is allowed for every variable of dbt_project.yml and of the environment.

A new variable is one field of Settings. If its value is wrong, the message shows its type, bounds and description.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
)
from pydantic_core import PydanticCustomError

from macros.python.rules.features import read_features
from macros.python.rules.mistakes import WrongDefinitions

# A hundred years: more is a typo, and calendars end.
CENTURY = 36_500
DECADE = 3_660
MOST = 10**12

NEAREST = " Did you mean "


@dataclass(frozen=True)
class Checkout:
    """The project's folder, with the names in it that settings may use."""

    root: Path

    @cached_property
    def systems(self) -> list[str]:
        """The source systems."""
        return sorted(path.name for path in (self.root / "models" / "staging").iterdir() if path.is_dir())

    @cached_property
    def segmentations(self) -> list[str]:
        """The definitions of segmentations."""
        return sorted(path.stem for path in (self.root / "models" / "segmentations").glob("seg_*.yml"))

    @cached_property
    def number_features(self) -> list[str]:
        """The numeric features and the ages of dates; empty if their file is not YAML, which dbt reports."""
        try:
            features = read_features(self.root).features.values()
        except WrongDefinitions:
            return []
        return sorted(feature.name for feature in features if feature.kind == "number")


@dataclass(frozen=True)
class Must:
    """What a value must be, for messages."""

    words: str


def whole(least: int, most: int, null: str | None = None) -> Any:
    """A whole number with its bounds; `null` says what null means, if null is allowed."""
    kind = Annotated[int, Field(strict=True, ge=least, le=most)]
    words = f"a whole number from {least} to {most}"
    return Annotated[kind | None, Must(f"{words}, or null {null}")] if null else Annotated[kind, Must(words)]


def number(least: float, most: float) -> Any:
    """A number with its bounds."""
    kind = Annotated[float, Field(strict=True, ge=least, le=most, allow_inf_nan=False)]
    return Annotated[kind, Must(f"a number from {least:g} to {most:g}")]


def named(kind: str, plural: str, several: bool = True, null: str | None = None) -> Any:
    """Names from the checkout, each once: a list of them, or one if `several` is false.

    Args:
        kind: the attribute of Checkout that lists them.
        plural: their kind, for people.
        several: whether it is a list.
        null: what null means, if null is allowed.
    """
    words = f"a list of {plural}, each once" if several else f"one of the {plural}, or null {null}"

    def known(value: Any, info: ValidationInfo) -> Any:
        there = getattr(info.context, kind)
        for name in value if several else [value]:
            if there and name is not None and name not in there:
                raise ValueError(f"{words}; there is no {name!r}{did_you_mean(name, there)}")
        if several and len(set(value)) < len(value):
            raise PydanticCustomError("twice", "a name is listed twice")
        return value

    base = Annotated[list[str], Field(strict=True, min_length=1)] if several else str | None
    return Annotated[base, AfterValidator(known), Must(words)]


def _is_day(value: Any) -> Any:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(value)):
        raise PydanticCustomError("not_a_day", "not YYYY-MM-DD")
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise PydanticCustomError("not_a_day", "not in the calendar") from error


def _is_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, LookupError, OSError) as error:
        raise PydanticCustomError("no_time_zone", "not a time zone") from error
    return value


Day = Annotated[date, BeforeValidator(_is_day), Must("a date, YYYY-MM-DD")]
Flag = Annotated[bool, Field(strict=True), Must("true or false")]
Text = Annotated[str, Field(strict=True, pattern=r"\S")]
Folder = Annotated[Text, Must("the path of a folder")]
TimeZone = Annotated[Text, AfterValidator(_is_time_zone), Must("a time zone such as Europe/Berlin")]


def day_or(null: str) -> Any:
    """A date, or null with its meaning."""
    return Annotated[Day | None, Must(f"a date, YYYY-MM-DD, or null {null}")]


class Settings(BaseModel):
    """The variables of dbt_project.yml; `<system>_folder` of each source system is added to them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # --- Whose customers
    sources: named("systems", "source systems, the folders of models/staging") = Field(
        description="the source systems that are read"
    )
    customer_id_type: Annotated[Literal["bigint", "varchar"], Must("bigint or varchar")] = Field(
        description="the type of a customer's key"
    )
    files_discount_sign: Annotated[Literal["as_delivered", "negative"], Must("as_delivered or negative")] = Field(
        description="the sign of discounts and coupons in the files"
    )
    cancelled_order_statuses: Annotated[list[Text], Field(strict=True), Must("a list of values of order_status")] = (
        Field(description="the values of order_status that cancel an order")
    )

    # --- Time
    timezone: TimeZone = Field(description="the business time zone")
    history_start: day_or("for 90 days after the first order") = Field(
        description="the first day whose segments are kept"
    )
    earliest_order_date: Day = Field(description="the earliest day an order may have")
    first_date: Day = Field(description="the first day a bare dbt build builds")
    last_date: Day = Field(description="the last day a bare dbt build builds")
    newest_day_is_complete: Flag = Field(description="whether the newest day of the sources is complete")
    sources_late_after_days: whole(1, CENTURY, null="for never") = Field(
        description="how many days old the newest complete day is when the sources count as late"
    )
    late_days: whole(1, CENTURY, null="for all days") = Field(
        description="how many days back a run looks for late rows"
    )

    # --- Features
    incremental_features: Flag = Field(description="whether features of unchanged customers are carried forward")
    features_kept_days: whole(1, CENTURY, null="for ever") = Field(description="how long features are kept")

    # --- Value
    value_holdout_days: whole(1, DECADE) = Field(
        description="the number of last days on which expected sales are tested"
    )
    cross_sell_segmentation: named("segmentations", "files in models/segmentations", several=False, null="for none") = (
        Field(description="the segmentation that groups similar customers")
    )
    cross_sell_excluded_categories: Annotated[list[Text], Field(strict=True), Must("a list of categories")] = Field(
        description="the categories never offered to anybody"
    )
    cross_sell_minimum_buyers: whole(1, MOST) = Field(description="minimum buyers before a category is offered")

    # --- Profiles
    profiles_every_days: whole(1, 366) = Field(description="the days between two profiles of segments")
    typical_customer_alike: whole(1, MOST) = Field(description="the smallest group whose attributes may be shown")

    # --- Drift and alerts
    drift_features: named("number_features", "features that are numbers") = Field(
        description="the features watched in every segment"
    )
    drift_baseline_date: day_or("for the first day of each rule version") = Field(
        description="the day whose distributions are the baseline"
    )
    drift_every_days: whole(1, 366) = Field(description="the days between two looks at distributions")
    alert_minimum_customers: whole(1, MOST) = Field(description="the smallest segment that can raise an alert")
    alert_minimum_psi: number(0, 1000) = Field(description="the smallest population stability index of an alert")
    alert_minimum_change: number(0, 1000) = Field(description="the smallest relative change of an alert")
    alert_minimum_score: number(0, 1000) = Field(description="the smallest robust score of an alert")
    alert_compared_weeks: whole(1, 52) = Field(description="the weeks a day is compared with")
    alert_usual_days: whole(7, DECADE) = Field(description="the days from which usual deviations are learned")
    alert_minimum_weeks: Annotated[
        int, Field(strict=True, ge=1), Must("a whole number, at least 1 and at most alert_usual_days / 7")
    ] = Field(description="the minimum weeks of data for a comparison")
    alert_response_days: whole(1, DECADE) = Field(description="how soon after its contact a response counts")
    alert_response_window_days: whole(1, DECADE) = Field(
        description="the number of days whose response rates are compared"
    )
    outgrown_days: whole(1, CENTURY) = Field(
        description="how many days back the segments are that today's are compared with"
    )
    outgrown_rand_index: number(-1, 1) = Field(description="the adjusted Rand index below which they are outgrown")
    alert_false_discovery_rate: Annotated[
        float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False), Must("a number between 0 and 1, both excluded")
    ] = Field(description="the share of false alarms among the alerts of a day")
    alert_resolve_days: whole(1, DECADE) = Field(description="the tested days after which an alert is resolved")
    tests_kept_days: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=CENTURY)] | None,
        Must(
            "a whole number, at least alert_usual_days + 7 * alert_compared_weeks + 7 "
            f"and at most {CENTURY}, or null for ever"
        ),
    ] = Field(description="how many days tests without a finding are kept")

    # --- Lifecycle
    regular_orders: whole(2, 1_000_000) = Field(description="the number of orders that makes a customer regular")
    lapsed_days: whole(1, CENTURY) = Field(description="the days without an order after which a customer has lapsed")
    follow_up_days: Annotated[
        list[Annotated[int, Field(strict=True, ge=1, le=CENTURY)]],
        Field(strict=True, min_length=1),
        Must(f"a list of whole numbers from 1 to {CENTURY}, each once"),
    ] = Field(description="the days after which customers are compared")

    # --- Tests
    tested_days: Annotated[Literal["run", "all"], Must("run or all")] = Field(
        description="the days of history that data tests check"
    )

    # --- Operations
    releases_kept: whole(1, 100_000) = Field(description="how many releases are kept")
    release_grace_minutes: whole(0, 60 * 24 * CENTURY) = Field(description="how long a replaced release is kept")
    logs_kept_days: whole(1, CENTURY, null="for ever") = Field(description="how long logs are kept")
    runs_kept_days: whole(1, CENTURY, null="for ever") = Field(description="how long the log of runs is kept")
    chunk_customer_days: whole(1, MOST) = Field(
        description="roughly how many customer days a backfill builds at a time"
    )

    @field_validator("last_date")
    @classmethod
    def _ends_after_it_begins(cls, value: date, info: ValidationInfo) -> date:
        if value < info.data.get("first_date", value):
            raise ValueError("a date, first_date or later")
        return value

    @field_validator("alert_minimum_weeks")
    @classmethod
    def _weeks_can_be_there(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("alert_usual_days", MOST) / 7:
            raise PydanticCustomError("too_many_weeks", "more than there can be")
        return value

    @field_validator("tests_kept_days")
    @classmethod
    def _what_is_compared_is_kept(cls, value: int | None, info: ValidationInfo) -> int | None:
        needed = [info.data.get(name) for name in ("alert_usual_days", "alert_compared_weeks")]
        if value is not None and None not in needed and value < needed[0] + 7 * needed[1] + 7:
            raise PydanticCustomError("too_few_days", "fewer than alerts are compared with")
        return value

    @field_validator("follow_up_days")
    @classmethod
    def _each_once(cls, value: list[int]) -> list[int]:
        if len(set(value)) < len(value):
            raise PydanticCustomError("twice", "a number is listed twice")
        return value


class Environment(BaseModel):
    """The environment variables that control a run."""

    TESSERA_WAREHOUSE: Annotated[Text | None, Must("the path of a DuckDB file")] = Field(
        None, description="the warehouse"
    )
    TESSERA_SERVING: Annotated[Text | None, Must("the path of a folder")] = Field(None, description="the releases")
    TESSERA_LOGS: Annotated[Text | None, Must("the path of a folder")] = Field(None, description="the logs of runs")
    TESSERA_MEMORY: Annotated[
        Annotated[str, Field(pattern=r"(?i)^\s*([1-9][0-9]*(\.[0-9]+)?|0?\.[0-9]*[1-9])\s*[KMGT](i?B)?\s*$")] | None,
        Must("a number with a unit, such as 2GB"),
    ] = Field(None, description="the memory that DuckDB may use")
    TESSERA_TESTED_DAYS: Annotated[Literal["run", "all"] | None, Must("run or all")] = Field(
        None, description="the days of history that data tests check"
    )


def settings_of(root: Path) -> tuple[type[Settings], Checkout]:
    """The settings of a checkout, including a folder for each of its source systems."""
    checkout = Checkout(root)
    folders = {
        f"{system}_folder": (Folder, Field(description=f"the folder with the files of {system}"))
        for system in checkout.systems
    }
    return create_model("SettingsOfCheckout", __base__=Settings, **folders), checkout


def invalid_settings(variables: Mapping[str, Any], root: Path) -> Iterator[str]:
    """Everything wrong with the variables of a checkout, one sentence each, in the order of the fields here."""
    model, checkout = settings_of(root)
    yield from _wrong(model, lambda: model.model_validate(dict(variables), context=checkout), "vars: ")


def invalid_environment(environment: Mapping[str, str]) -> Iterator[str]:
    """Everything wrong with the environment variables that control a run, one sentence each."""
    given = {name: environment[name] for name in Environment.model_fields if name in environment}
    yield from _wrong(Environment, lambda: Environment.model_validate(given), "environment: ")


def _wrong(model: type[BaseModel], validate: Callable[[], object], where: str) -> Iterator[str]:
    try:
        validate()
    except ValidationError as errors:
        told = set()
        for error in errors.errors(include_url=False):
            name = error["loc"][0]
            # A list gives one error per value; report the first.
            if name not in told:
                told.add(name)
                yield where + _sentence(model, name, error)


def _sentence(model: type[BaseModel], name: str, error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return f"there is no variable {name!r}.{did_you_mean(name, model.model_fields)}"
    field = model.model_fields[name]
    must = next(found.words for found in field.metadata if isinstance(found, Must))
    if error["type"] == "missing":
        return f"{name} is missing. It must be {must} ({field.description})."
    meant = ""
    if error["type"] == "value_error":
        must, _, meant = str(error["ctx"]["error"]).partition(NEAREST)
    at = "".join(f"[{place}]" for place in error["loc"][1:] if isinstance(place, int))
    return (
        f"{name}{at} is {_shown(error['input'])}, but must be {must} ({field.description}).{meant and NEAREST + meant}"
    )


def _shown(value: Any) -> str:
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """A question that suggests the most similar name; empty if there are no names."""
    nearest = get_close_matches(str(name), names, n=1, cutoff=0)
    return f"{NEAREST}{nearest[0]!r}?" if nearest else ""


def plain(value: Any) -> Any:
    """A value from YAML with its dates as text, at any depth, so that JSON and dbt accept it."""
    if isinstance(value, Mapping):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, date) else value
