"""Draws the moves between segments as an SVG: bars for segments, bands for the customers between them."""

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, BAR, GAP, LABEL, TOP = 900, 14, 8, 190, 26
UNMOVED = "#c9cdd3"
LEAST_LABEL = 11


def draw(
    flows: Mapping[tuple[str, str], int],
    left: Sequence[str],
    right: Sequence[str],
    labels: Mapping[str, str],
    colours: Mapping[str, str],
    titles: tuple[str, str],
    text: str,
    height: int = 420,
) -> str:
    """The picture as SVG without scripts or styles of its own.

    Args:
        flows: customers by (from, to); who is in one place at both ends is a flow from a name to itself.
        left: names on the left in order, from the top; names without customers are left out.
        right: the same on the right.
        labels: what people call the names.
        colours: a colour per name; bands have the colour of where they come from, those of who did not move
            are grey.
        titles: what stands above the left and the right side.
        text: what the picture shows, for those who do not see it.
        height: in pixels, without the titles.
    """
    total = sum(flows.values())
    if not total:
        return ""
    starts = _Bars([(name, sum(n for (a, _), n in flows.items() if a == name)) for name in left], total, height)
    ends = _Bars([(name, sum(n for (_, b), n in flows.items() if b == name)) for name in right], total, height)
    scale = starts.scale if starts.scale < ends.scale else ends.scale
    starts, ends = starts.at(scale), ends.at(scale)

    bands, used_left, used_right = [], dict.fromkeys(starts.tops, 0.0), dict.fromkeys(ends.tops, 0.0)
    x0, x1 = LABEL + BAR, WIDTH - LABEL - BAR
    middle = (x0 + x1) / 2
    for a in left:
        for b in right:
            customers = flows.get((a, b), 0)
            if not customers:
                continue
            thick = customers * scale
            y0, y1 = starts.tops[a] + used_left[a], ends.tops[b] + used_right[b]
            used_left[a] += thick
            used_right[b] += thick
            way = f"{labels[a]} to {labels[b]}" if a != b else f"{labels[a]}, at both ends"
            title = f"{way}: {customers:,}"
            path = (
                f"M{x0} {y0:.1f}C{middle:.0f} {y0:.1f} {middle:.0f} {y1:.1f} {x1} {y1:.1f}"
                f"v{max(thick, 0.6):.1f}C{middle:.0f} {y1 + thick:.1f} {middle:.0f} {y0 + thick:.1f} "
                f"{x0} {y0 + thick:.1f}Z"
            )
            fill, opacity = (UNMOVED, 0.55) if a == b else (colours[a], 0.6)
            bands.append(
                (
                    a != b,
                    f'<path d="{path}" fill="{fill}" fill-opacity="{opacity}"><title>{escape(title)}</title></path>',
                )
            )
    # Moves lie above those who stayed.
    drawn = [path for moved, path in sorted(bands, key=lambda band: band[0])]
    drawn += _side(starts, labels, colours, scale, LABEL, "end", LABEL - 8)
    drawn += _side(ends, labels, colours, scale, x1, "start", x1 + BAR + 8)
    heads = (
        f'<text x="{LABEL + BAR}" y="-10" font-weight="600">{escape(titles[0])}</text>'
        f'<text x="{x1}" y="-10" text-anchor="end" font-weight="600">{escape(titles[1])}</text>'
    )
    tall = max(starts.bottom, ends.bottom) + 8
    return (
        f'<svg role="img" aria-label="{escape(text)}" viewBox="0 {-TOP} {WIDTH} {tall + TOP:.0f}" '
        f'xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif" font-size="13" fill="#1d2733">'
        f"{heads}{''.join(drawn)}</svg>"
    )


class _Bars:
    """The bars of one side: customers by name, and where each begins at a scale of pixels per customer."""

    def __init__(self, sizes: Sequence[tuple[str, int]], total: int, height: int) -> None:
        self.sizes = {name: size for name, size in sizes if size}
        self.scale = max(height - GAP * (len(self.sizes) - 1), height / 2) / total
        self.tops: dict[str, float] = {}
        self.bottom = 0.0

    def at(self, scale: float) -> "_Bars":
        """Lay the bars out; a thin one gets the room that its label needs."""
        y = 0.0
        for name, size in self.sizes.items():
            self.tops[name] = y + max(LEAST_LABEL - size * scale, 0) / 2
            y += max(size * scale, LEAST_LABEL) + GAP
        self.bottom = y - GAP
        return self


def _side(
    bars: _Bars,
    labels: Mapping[str, str],
    colours: Mapping[str, str],
    scale: float,
    x: float,
    anchor: str,
    text_x: float,
) -> list[str]:
    drawn = []
    for name, size in bars.sizes.items():
        top, tall = bars.tops[name], max(size * scale, 0.6)
        drawn.append(f'<rect x="{x}" y="{top:.1f}" width="{BAR}" height="{tall:.1f}" fill="{colours[name]}"/>')
        drawn.append(
            f'<text x="{text_x}" y="{top + tall / 2 + 4.5:.1f}" text-anchor="{anchor}">'
            f'{escape(labels[name])} <tspan fill="#55606c">{size:,}</tspan></text>'
        )
    return drawn
