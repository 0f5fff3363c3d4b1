"""Definitions of segmentations: YAML files, a segmentation each, which becomes what the file is called."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from macros.python.rules.clauses import iso_date, parse_rule
from macros.python.rules.features import Catalogue, read_features
from macros.python.rules.mistakes import Mistakes, did_you_mean
from macros.python.rules.tree import MOST_CLAUSES, Claim, Feature, Segment, Segmentation, Share

# The checkout that this file is of.
ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path("models/segmentations")
SEGMENTATION_KEYS = (
    *("label", "description", "owner", "status", "challenger_of", "confirm_days", "cut_points", "protected_reasons"),
    "data_tests",
    "segments",
)
SEGMENT_KEYS = (
    *("name", "label", "description", "rule", "share", "immediate", "persona", "persona_claims", "owner"),
    "strategy",
)
SEGMENTATION_NAME = "seg_[a-z0-9_]{1,59}"
SEGMENT_NAME = "[a-z][a-z0-9_]{0,62}"
STRATEGY_KEYS = ("approach", "offer", "channels")
STATUSES = ("active", "challenger", "retired")
MOST_CONFIRM_DAYS = 366
# What scores are scores of; cut points that are frozen on a day score these again.
MEASURES = {"recency_score": "recency", "frequency_score": "frequency", "monetary_score": "monetary"}

Meta = Mapping[str, Any]


def read_definitions(root: Path, history_start: date | None = None) -> list[Segmentation]:
    """The segmentations of a checkout whose history is kept, those first that others build on.

    Args:
        root: the checkout.
        history_start: the first day whose segments are kept; no cut points are frozen before it.

    Raises:
        WrongDefinitions: files or definitions are wrong; the message has all mistakes.
    """
    metas, mistakes = read_files(root)
    found = parse_definitions(metas, read_features(root), history_start, mistakes)
    return [each for each in found if each.status != "retired"]


def read_files(root: Path) -> tuple[dict[str, Meta], Mistakes]:
    """What the YAML files of a checkout say of segmentations, by name, and what is wrong with the files."""
    found: dict[str, Meta] = {}
    mistakes = Mistakes()
    for path in sorted((root / FOLDER).glob("*.y*ml")):
        if path.name.startswith("_"):
            continue
        where = str(path.relative_to(root))
        try:
            content = yaml.load(path.read_bytes(), _StrictLoader)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mistakes.add(where, f"it is not YAML: {error}")
            continue
        if not re.fullmatch(SEGMENTATION_NAME, path.stem) or path.suffix != ".yml":
            mistakes.add(where, "a segmentation's file is called seg_<name>.yml, lower case letters, digits and _")
        elif not isinstance(content, dict):
            mistakes.add(where, "it has no owner and segments, such as `owner: crm-lead@example.com`")
        else:
            found[path.stem] = content
    return found, mistakes


class _StrictLoader(yaml.CSafeLoader):
    """Refuses a duplicate key: the first one would be lost silently."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    # Filled after it is given, so that what leads back to itself can be read, and refused later.
    loader.flatten_mapping(node)
    names = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for (key, _), name in zip(node.value, names, strict=True):
        if names.count(name) > 1:
            raise yaml.constructor.ConstructorError(None, None, f'found duplicate key "{name}"', key.start_mark)
    found: dict[Any, Any] = {}
    yield found
    found.update(loader.construct_mapping(node))


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_definitions(
    metas: Mapping[str, Any],
    catalogue: Catalogue,
    history_start: date | None = None,
    mistakes: Mistakes | None = None,
) -> list[Segmentation]:
    """Definitions as YAML has them, parsed and checked, those first that others build on.

    Args:
        metas: what YAML says, by the segmentation's name.
        catalogue: the features.
        history_start: the first day whose segments are kept.
        mistakes: those found before.

    Raises:
        WrongDefinitions: there are mistakes; the message has all of them, a line each.
    """
    mistakes = mistakes or Mistakes()
    segments = {
        name: [str(segment["name"]) for segment in _segments_in(meta) if "name" in segment]
        for name, meta in metas.items()
        if _status(meta) != "retired"
    }
    asked = {name: _asked_in([segment.get("rule") for segment in _segments_in(meta)]) for name, meta in metas.items()}
    for name in metas:
        _refuse_circle(name, asked, mistakes)
    parsed = {
        name: _Reader(name, meta, metas, catalogue, segments, history_start, mistakes).read()
        for name, meta in metas.items()
    }
    mistakes.stop()
    done: dict[str, Segmentation] = {}

    def complete(name: str) -> Segmentation:
        if name not in done:
            own = parsed[name]
            below: dict[str, Segmentation] = {}
            for other in own.asked:
                below |= {other: complete(other), **complete(other).below}
            done[name] = replace(own, below=below)
        return done[name]

    return sorted((complete(name) for name in metas), key=lambda each: len(each.below))


def kept(definitions: Iterable[Segmentation]) -> list[Segmentation]:
    """Those whose history is kept."""
    return [each for each in definitions if each.status != "retired"]


def _status(meta: Any) -> Any:
    return meta.get("status", "active") if isinstance(meta, dict) else None


def _segments_in(meta: Any) -> list[Meta]:
    """The segments that are mappings, before anything of them was checked."""
    segments = meta.get("segments") if isinstance(meta, dict) else None
    return [each for each in segments if isinstance(each, dict)] if isinstance(segments, list) else []


def _asked_in(rules: list[Any]) -> list[str]:
    """The segmentations that in_segment names anywhere in rules as YAML has them, which may lead back to themselves."""
    found, seen, waiting = [], set(), list(rules)
    while waiting:
        rule = waiting.pop(0)
        if id(rule) in seen:
            continue
        seen.add(id(rule))
        if isinstance(rule, dict):
            if "in_segment" in rule:
                found.append(str(rule["in_segment"]).split(".")[0])
            waiting += rule.values()
        elif isinstance(rule, list):
            waiting += rule
    return found


def _refuse_circle(name: str, asked: Mapping[str, Sequence[str]], mistakes: Mistakes) -> None:
    """Note where a segmentation builds on itself."""
    ways, seen = [[name]], set()
    while ways:
        way = ways.pop()
        for other in dict.fromkeys(asked.get(way[-1], ())):
            if other == name:
                mistakes.add(
                    f"Segmentation {name}",
                    f"its rules lead back to itself by in_segment: {' -> '.join([*way, other])}. Remove one of these "
                    "in_segment clauses",
                )
                return
            if other not in seen:
                seen.add(other)
                ways.append([*way, other])


class _Reader:
    """Reads one definition, and notes what is wrong with it."""

    def __init__(
        self,
        name: str,
        meta: Any,
        metas: Mapping[str, Any],
        catalogue: Catalogue,
        segments: Mapping[str, list[str]],
        history_start: date | None,
        mistakes: Mistakes,
    ) -> None:
        self.name = name
        self.meta: Meta = meta if isinstance(meta, dict) else {}
        self.is_mapping = isinstance(meta, dict)
        self.metas = metas
        self.catalogue = catalogue
        self.segments = segments
        self.history_start = history_start
        self.mistakes = mistakes
        self.where = f"Segmentation {name}"

    def tell(self, what: str, where: str | None = None) -> None:
        self.mistakes.add(where or self.where, what)

    def read(self) -> Segmentation:
        """The definition, which counts only if nothing was noted."""
        meta = self.meta
        if not self.is_mapping:
            self.tell("it has no owner and segments")
        self.refuse_unknown(meta, SEGMENTATION_KEYS, self.where)
        owner, status, days = meta.get("owner"), _status(meta), meta.get("confirm_days", 1)
        if not owner or (isinstance(owner, str) and not owner.strip()):
            self.tell("it has no owner. Give the address of a role, such as owner: crm-lead@example.com")
        if status not in STATUSES:
            self.tell(f"status is '{status}'; it can be active, challenger or retired")
        if not isinstance(days, int) or isinstance(days, bool) or not 1 <= days <= MOST_CONFIRM_DAYS:
            self.tell(f"confirm_days is '{days}'; it is a whole number of days, from 1 to {MOST_CONFIRM_DAYS}")
        given = _segments_in(meta)
        if not meta.get("segments"):
            self.tell("it has no segments")
        elif len(given) < len(meta["segments"] if isinstance(meta["segments"], list) else [0]) or not all(
            isinstance(segment.get("name"), str) for segment in given
        ):
            self.tell("segments is a list in which every segment has a name")
        self.refuse_other_than_text(meta, ("label", "owner", "description"), self.where)
        self.check_challenge(status, meta.get("challenger_of"))
        frozen_on = self.frozen_on(meta.get("cut_points"))
        features = self.features_allowed(frozen_on)
        segments = [
            self.segment(segment, position, is_last=position == len(given), features=features)
            for position, segment in enumerate(given, start=1)
        ]
        names = [segment.name for segment in segments]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            self.tell("the name is used twice", f"{self.where}, segment {name}")
        found = Segmentation(
            name=self.name,
            label=meta.get("label", _label(self.name.removeprefix("seg_"))),
            description=meta.get("description", ""),
            owner=owner,
            status=status,
            challenger_of=meta.get("challenger_of"),
            confirm_days=days,
            frozen_on=frozen_on,
            segments=tuple(segments),
        )
        if len(found.leaves) > MOST_CLAUSES:
            self.tell(
                f"it has {len(found.leaves)} different clauses; {MOST_CLAUSES} are the most. Split it into two "
                "segmentations"
            )
        return found

    def segment(self, segment: Meta, position: int, is_last: bool, features: Mapping[str, Feature]) -> Segment:
        name = segment.get("name", position)
        here = f"{self.where}, segment {name}"
        self.refuse_unknown(segment, SEGMENT_KEYS, here)
        if not isinstance(name, str) or not re.fullmatch(SEGMENT_NAME, name):
            self.tell("a segment's name is lower case letters, digits and _, beginning with a letter", here)
        if is_last and "rule" in segment:
            self.tell("the last segment takes everybody whom no rule took, so it has no rule", here)
        if not is_last and "rule" not in segment:
            self.tell("it has no rule, so it takes everybody. Only the last segment may have none", here)
        if not segment.get("description"):
            self.tell("it has no description", here)
        immediate = segment.get("immediate", False)
        if not isinstance(immediate, bool):
            self.tell(f"immediate is '{immediate}'; it can be true or false", here)
        strategy = segment.get("strategy", {})
        if not isinstance(strategy, dict):
            self.tell(f"strategy is a mapping of approach, offer and channels, not '{strategy}'", here)
            strategy = {}
        self.refuse_other_than_text(segment, ("label", "description", "persona", "owner"), here)
        self.refuse_unknown(strategy, STRATEGY_KEYS, f"{here}, strategy")
        rule = None
        if "rule" in segment:
            rule = parse_rule(segment["rule"], features, self.segments, self.mistakes, here)
        return Segment(
            name=str(name),
            label=segment.get("label", _label(str(name))),
            position=position,
            rule=rule,
            source=segment.get("rule"),
            is_immediate=immediate,
            share=self.share(segment.get("share"), here),
            description=segment.get("description", ""),
            persona=segment.get("persona"),
            claims=self.claims(segment.get("persona_claims", {}), here),
            owner=segment.get("owner") or self.meta.get("owner"),
            strategy=strategy,
        )

    def share(self, share: Any, here: str) -> Share | None:
        if share is None:
            return None
        wanted = (
            "share limits the segment's share of the customers, `share: {minimum: 0, maximum: 0.5, reason: ...}`: "
            f"shares are from 0 to 1, the lower one first, and the reason is text; not '{share}'"
        )
        if not isinstance(share, dict):
            self.tell(wanted, here)
            return None
        self.refuse_unknown(share, ("minimum", "maximum", "reason"), f"{here}, share")
        least, most, reason = share.get("minimum", 0), share.get("maximum", 1), share.get("reason")
        numbers = all(isinstance(limit, int | float) and not isinstance(limit, bool) for limit in (least, most))
        if not numbers or not 0 <= least <= most <= 1 or not isinstance(reason, str) or not reason.strip():
            self.tell(wanted, here)
        return Share(least, most, reason)

    def claims(self, claims: Any, here: str) -> tuple[Claim, ...]:
        if not isinstance(claims, dict):
            self.tell(
                "persona_claims says how the segment differs, by feature, `persona_claims: {discount_share_365d: "
                f"above}}`, not '{claims}'",
                here,
            )
            return ()
        claimable = [*self.catalogue.profiled, *self.catalogue.attributes]
        found = []
        for name, claim in claims.items():
            feature = self.catalogue.features.get(name)
            where = f"{here}, persona_claims"
            if feature and feature.kind == "date":
                self.tell(f"'{name}' is a date; use its age in days instead", where)
            elif name not in claimable:
                self.tell(f"the profiles have no feature '{name}'. {did_you_mean(name, claimable)}", where)
            elif feature.kind == "number":
                if claim not in ("above", "below"):
                    hint = f". {did_you_mean(claim, ('above', 'below'))}" if isinstance(claim, str) else ""
                    self.tell(f"'{name}' is a number, so its claim is above or below, not '{claim}'{hint}", where)
                else:
                    found.append(Claim(name, claim, None))
            elif not isinstance(claim, dict) or list(claim) != ["mostly"] or isinstance(claim["mostly"], dict | None):
                self.tell(
                    f"'{name}' is of type {feature.data_type}, so its claim is the most frequent value, "
                    f"`{{mostly: ...}}`, not '{claim}'",
                    where,
                )
            else:
                value = str(claim["mostly"])
                found.append(Claim(name, "mostly", value.lower() if feature.kind == "boolean" else value))
        return tuple(found)

    def frozen_on(self, cut_points: Any) -> date | None:
        if cut_points is None:
            return None
        if not isinstance(cut_points, dict) or list(cut_points) != ["frozen_on"]:
            self.tell(
                f"cut_points says when they are frozen, `cut_points: {{frozen_on: 2017-06-30}}`, not '{cut_points}'"
            )
            return None
        day = iso_date(str(cut_points["frozen_on"]))
        if day is None:
            self.tell(
                f"cut_points: frozen_on is '{cut_points['frozen_on']}', which is not a valid date; write it as "
                "YYYY-MM-DD"
            )
        elif self.history_start and day < self.history_start:
            self.tell(f"cut points cannot be frozen on {day}, before the history begins ({self.history_start})")
        return day

    def features_allowed(self, frozen_on: date | None) -> dict[str, Feature]:
        """The features as this segmentation may use them: protected ones for a reason, scores by frozen cut points."""
        features = dict(self.catalogue.features)
        reasons = self.meta.get("protected_reasons", {})
        if not isinstance(reasons, dict):
            self.tell(f"protected_reasons gives a reason for each attribute, `{{gender: ...}}`, not '{reasons}'")
            reasons = {}
        for name, reason in reasons.items():
            if name not in features:
                hint = did_you_mean(name, features)
                self.tell(f"protected_reasons names '{name}', but there is no such feature. {hint}")
                continue
            if not isinstance(reason, str) or not reason.strip():
                self.tell(
                    f"protected_reasons of '{name}' is empty. Write down why the rule may use it; people will ask"
                )
            features[name] = replace(features[name], is_protected=False)
        if frozen_on:
            for score, measure in MEASURES.items():
                if score in features:
                    features[score] = replace(features[score], score_of=measure)
        return features

    def check_challenge(self, status: Any, challenged: Any) -> None:
        if status != "challenger":
            if challenged:
                self.tell(
                    f"its status is {status}, but challenger_of is for challengers. Remove it, or write status: "
                    "challenger"
                )
            return
        others = [name for name in self.metas if name != self.name and _status(self.metas[name]) != "retired"]
        if challenged == self.name:
            self.tell("challenger_of names the segmentation itself. Name the active one to compare it with")
        elif challenged not in self.metas:
            self.tell(
                "a challenger names the segmentation that it challenges, but challenger_of is "
                f"'{challenged or ''}'. {did_you_mean(challenged or '', others)}".strip()
            )
        elif _status(self.metas[challenged]) != "active":
            self.tell(
                f"it challenges {challenged}, which is {_status(self.metas[challenged])}. Name an active segmentation "
                "instead"
            )

    def refuse_unknown(self, mapping: Meta, known: Sequence[str], where: str) -> None:
        for key in mapping:
            if key not in known:
                self.tell(f"unknown key '{key}'. {did_you_mean(key, known)}", where)

    def refuse_other_than_text(self, mapping: Meta, names: Iterable[str], where: str) -> None:
        for name in names:
            if mapping.get(name) is not None and not isinstance(mapping[name], str):
                self.tell(f"{name} is text, not '{mapping[name]}'", where)


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()
