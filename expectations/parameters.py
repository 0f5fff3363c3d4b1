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
class ShareLimits:
    """Limits of the share of one kind of lines on a day.

    What is usual is the share that nineteen of twenty open days of the eight weeks before the run do not exceed.
    """

    possible: Range
    """Share over the usual one; an error above."""

    usual: Range
    """As `possible`; a warning above."""

    first: Range
    """The share itself while nothing usual is known yet, as on a first build; an error above."""


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
    records_lost: Range = Range(
        0, 0, "Every record of a file must be accounted for: a record without a row would be lost silently."
    )
    """Records of a file minus rows read from it, and rows read minus rows kept or rejected; an error otherwise."""

    unreadable_share: Range = Range(
        None,
        0.01,
        "If more than one value in a hundred is unreadable, the format or the decimal mark is wrong; it is no typo.",
    )
    """Unreadable values of a column over all delivered values; an error above."""

    unreadable_values: Range = Range(0, 0, "An unreadable value counts as missing. Even a few are worth a look.")
    """As `unreadable_share`, their number; a warning above."""

    order_of_another_customer_share: Range = Range(
        None,
        0.01,
        "If more than one line in a hundred is in another customer's order, order numbers were reused or cut off.",
    )
    """Lines left out because their order is another customer's, over all lines of the window; an error above."""

    orders_of_another_customer: Range = Range(
        0, 0, "A few orders move to another account. Their lines are left out, which is worth a look."
    )
    """Such lines; a warning above."""

    vanished_share: Range = Range(
        None,
        0.02,
        "A complete feed loses some customers to clean-ups. If more than one in fifty vanish in a week, the file was"
        " cut off or filtered: they would all leave their segments, and enter again with the next complete file.",
    )
    """Customers known before who are not in the feed any more, over those known, per week begun; an error above."""

    vanished_share_usual: Range = Range(
        None, 0.002, "One in 500 is more than a shop deletes on request in a week: somebody should find out why."
    )
    """As `vanished_share`; a warning above."""

    closed_share: Range = Range(
        None,
        0.05,
        "Dormant accounts are closed in bulk, but if one in twenty closes within a week, the closing date was often"
        " filled in for everybody.",
    )
    """Customers known before who are closed by now, over those known, per week begun; an error above."""

    departures_times_usual: Range = Range(
        None,
        3,
        "A company that loses this many customers on its busier days will do so again; three times as many has another"
        " cause. The usual number is at least one per run, so that a few customers of a small company may leave.",
    )
    """Departures over the usual number in as many days. Shares of departures are checked only above it."""

    negative_share: Range = Range(
        None,
        0.05,
        "Single lines correct a discount of the day before. If more than one in twenty is negative, the source writes"
        " discounts as negative amounts, which turns every share of discounts upside down.",
    )
    """Sales lines with a negative amount where it is not 0, by discount_amount, coupon_amount and cost_amount; an error
    above."""

    negative_lines: Range = Range(0, 0, "A discount below 0 raises the price. Single ones may be meant so.")
    """Such lines; a warning above."""

    few_lines: Range = Range(
        None, 5, "On a quiet day one order of a dozen equal lines is a large share; five extra lines are chance."
    )
    """Lines of a kind beyond their usual number on a day. Shares are checked only above it."""

    identical_lines: ShareLimits = ShareLimits(
        possible=Range(
            None,
            0.1,
            "If a day is loaded twice, half of its lines are repeats; if part of a load runs again, often a tenth."
            " Tills that write a line for every piece do so every day; the demo has no identical lines.",
        ),
        usual=Range(None, 0.03, "Smaller parts of a load can be repeated, too, and nothing else moves this share."),
        first=Range(
            None,
            0.4,
            "If a file is written twice, at least half of its lines are repeats. Only tills that write a line for"
            " every piece come near that on their own.",
        ),
    )
    """Lines identical to an earlier one in every column."""

    returned_lines: ShareLimits = ShareLimits(
        possible=Range(
            None,
            0.3,
            "After holidays a shop takes back more than usual, but not three lines in ten more: a sign changed.",
        ),
        usual=Range(None, 0.1, "One line in ten more than usual should have a reason. The demo has no returns."),
        first=Range(None, 0.5, "No company takes back more than it sells: a sign or the column is_return is wrong."),
    )
    """Lines that take something back."""

    uncategorised_lines: ShareLimits = ShareLimits(
        possible=Range(
            None,
            0.2,
            "A fifth of the lines does not switch to unknown products overnight, unless keys are written differently."
            " In the demo 0.5 % of lines have no category, and never more than 1 % on a day.",
        ),
        usual=Range(
            None,
            0.1,
            "New products reach the product file some days late, and on a quiet day a few lines are one in twenty.",
        ),
        first=Range(
            None,
            0.5,
            "If most lines have no product, category features describe only the smaller part of what is bought.",
        ),
    )
    """Lines without a category, because their product is not in products, or has none there."""

    cancelled_lines: ShareLimits = ShareLimits(
        possible=Range(
            None,
            0.2,
            "Shortages and fraud raise cancellations, but if a fifth more of a day is cancelled, a status is misread.",
        ),
        usual=Range(None, 0.05, "One line in twenty more than usual should have a reason."),
        first=Range(None, 0.5, "No company cancels more than it delivers: a status is misread."),
    )
    """Lines of cancelled orders over all delivered lines."""

    kept_ratio: Range = Range(
        0.9,
        1.1,
        "Late rows and corrections change a few lines in a thousand. If a tenth changes, the file lost its older days"
        " or was written twice, and features over a year would be computed from it.",
    )
    """Lines of all published days as they are delivered now over those that were published; an error outside."""

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
    """Limits on the share of single segments on the last day, by `<segmentation>/<segment>`; an error outside.
    Segmentations declare them in their YAML, under `share`."""

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
