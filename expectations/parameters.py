"""Every limit that a suite judges by, with the reason for it.

Change a limit with `dataclasses.replace`, or for one segment with `Parameters.with_segment_share`:

    parameters = Parameters().with_segment_share(
        "seg_lifecycle", "active", Range(0.3, 0.95, "Most of our customers come every week.")
    )

Runs judge by the defaults that stand here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Range:
    """The values that are allowed, both ends included, and why. An end that is None is open.

    Raises ValueError when both ends are open, when they are reversed, or when no reason is given.
    """

    minimum: float | None
    maximum: float | None
    reason: str

    def __post_init__(self) -> None:
        """Refuse a range that cannot judge anything."""
        if self.minimum is None and self.maximum is None:
            raise ValueError("A range needs a minimum or a maximum.")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"The range {self.minimum} to {self.maximum} is empty: swap its ends.")
        if not self.reason.strip():
            raise ValueError(f"The range {self.minimum} to {self.maximum} needs a reason.")


@dataclass(frozen=True)
class InputParameters:
    """Limits of the gate before segments are computed. Amounts are in the currency of the source."""

    customer_id_is_number: bool = True
    """Whether `customer_id` is a bigint; text has no sign to judge."""

    volume_plausible: Range = Range(
        0.2,
        5.0,
        "A day with less than a fifth of the usual lines is a feed that broke off, one with five times as"
        " many a feed that was loaded repeatedly. The demo's quietest open day, Thanksgiving, has half.",
    )
    """Lines of a day over the median of the open days of the eight weeks before; an error outside."""

    volume_usual: Range = Range(
        0.4,
        2.5,
        "The demo's open days lie between half and 1.8 times their median. Holidays and campaigns need room.",
    )
    """As `volume_plausible`; a warning outside."""

    lowest_net_amount: Range = Range(
        -1_000.0, None, "A line takes back less than a line brings in, and no line of a shop brings 1,000."
    )
    """Smallest net amount of a line on a day; a warning below."""

    highest_net_amount: Range = Range(
        None,
        5_000.0,
        "The demo's dearest line is 840. Much larger ones are usually cents read as whole units.",
    )
    """Largest net amount of a line on a day; a warning above."""

    units: Range = Range(0, None, "Returns are negative amounts, not negative units: units count what was handed over.")
    shared_orders: Range = Range(
        0,
        0,
        "An order belongs to one customer. Shared order ids mean that numbers were used again or cut off.",
    )
    invalid_lines: Range = Range(
        0, 0, "Lines that cannot be read are left out of every sum, so one is enough to publish wrong totals."
    )
    unknown_customer_share: Range = Range(
        None,
        0.01,
        "More than one line in a hundred without its customer: the customer feed is older than the orders.",
    )
    unknown_customers: Range = Range(
        0, 0, "A few lines may be ahead of the customer feed. They are worth a look, not worth a stop."
    )
    days_behind: Range = Range(
        None, 0, "A source that ends before the window's last day would make its customers look inactive."
    )


@dataclass(frozen=True)
class MartParameters:
    """Limits of the gate before a release. Shares are fractions of a segmentation's customers on a day."""

    share: Range = Range(
        0.0, 0.9, "A segment with more than nine tenths of all customers says nothing: its rule is too wide."
    )
    """Share of every segment on the last day; a warning outside."""

    for_segment: Mapping[str, Range] = field(default_factory=dict)
    """Share of single segments on the last day, by `<segmentation>/<segment>`; an error outside. Segmentations declare
    them in their YAML, under `share`."""

    share_change_possible: Range = Range(
        None,
        0.25,
        "No real event moves a quarter of all customers in one day; a broken feature or rule does.",
    )
    """Difference of a segment's share from the day before, without its sign; an error above."""

    share_change_usual: Range = Range(
        None, 0.05, "Shares move by fractions of a hundredth a day. A larger step should have a known cause."
    )
    """As `share_change_possible`; a warning above."""

    emptied_customers: Range = Range(
        None,
        4,
        "A segment of a few customers may empty by chance; one of five or more does not do so in a day.",
    )
    """Customers that a segment had the day before if it has none on the last day; an error above."""

    emptied_customers_usual: Range = Range(
        0, 0, "Even a small segment that empties leaves its audience without anybody: its owner should know."
    )
    """As `emptied_customers`; a warning above."""

    restatable_share: Range = Range(
        None,
        0.01,
        "Reports on a segment bear an error of a hundredth; past that, history should be made of what is known now.",
    )
    """Customers with late rows that published days lack, over those known on the last day; a warning above."""

    def unknown_segments(self, segments: Mapping[str, Sequence[str]]) -> list[str]:
        """Return what `for_segment` limits of these segmentations without being a segment there: it was renamed."""
        return [
            limited
            for limited in sorted(self.for_segment)
            for segmentation, _, segment in (limited.partition("/"),)
            if segmentation in segments and segment not in segments[segmentation]
        ]


@dataclass(frozen=True)
class Parameters:
    """Limits of both gates."""

    inputs: InputParameters = InputParameters()
    marts: MartParameters = field(default_factory=MartParameters)

    def with_segment_share(self, segmentation: str, segment: str, share: Range) -> "Parameters":
        """Return these parameters with another range for the share of one segment."""
        for_segment = {**self.marts.for_segment, f"{segmentation}/{segment}": share}
        return replace(self, marts=replace(self.marts, for_segment=for_segment))
