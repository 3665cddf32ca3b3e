"""A report as one HTML file: no script, nothing from the network; light and dark, wide and narrow."""

from __future__ import annotations

from html import escape

from wmse_tui.runs.report.document import Block, Code, Figure, Heading, PlainText, ReportDocument, Table
from wmse_tui.runs.report.svg import curve_classes, figure_svg, legend
from wmse_tui.runs.text.sanitize import safe

CURVES = ("#1f6fb4", "#c2571a", "#2e8b57", "#8e44ad", "#b03060", "#7a6a00", "#008b8b", "#5a5a5a")
DARK_CURVES = ("#6cb6ff", "#f0a35e", "#6fce97", "#c79be6", "#ef86ac", "#d3c24a", "#5cd0d0", "#b0b0b0")

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = f"""
:root{{color-scheme:light dark;--bg:#fff;--fg:#1d2327;--soft:#5c6770;--line:#d6dbe0;--head:#f3f5f7;
--good:#1a7f37;--warning:#9a6700;--bad:#b42318;--info:#1f6fb4}}
{curve_classes(CURVES)}
@media(prefers-color-scheme:dark){{:root{{--bg:#14181c;--fg:#e4e8ec;--soft:#9aa5af;--line:#333b43;--head:#1d2329;
--good:#57ab5a;--warning:#d4a72c;--bad:#f47067;--info:#6cb6ff}}
{curve_classes(DARK_CURVES)}}}
body{{margin:0 auto;padding:1.5rem;max-width:72rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}}
h1{{font-size:1.6rem;margin:1.5rem 0 .5rem}}h2{{font-size:1.15rem;margin:1.8rem 0 .5rem}}
h1:not(:first-child){{border-top:2px solid var(--line);padding-top:1.5rem}}
p{{margin:.4rem 0}}.muted{{color:var(--soft)}}.good{{color:var(--good)}}.warning{{color:var(--warning)}}
.bad{{color:var(--bad)}}.info{{color:var(--info)}}
.wide{{overflow-x:auto;margin:.6rem 0}}table{{border-collapse:collapse;font-size:.9rem}}
th,td{{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;
overflow-wrap:normal}}
th{{background:var(--head);font-weight:600}}.n{{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}}
pre{{background:var(--head);padding:.7rem;overflow-x:auto;font-size:.85rem}}
.figures{{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem}}
figure{{margin:0}}figcaption{{font-weight:600;font-size:.9rem}}svg{{width:100%;height:auto;display:block}}
svg text{{fill:var(--soft);font-size:12px}}.grid{{stroke:var(--line)}}.axis{{stroke:var(--soft);fill:none}}
.line{{stroke:var(--c);fill:none;stroke-width:1.6}}.band{{fill:var(--c);opacity:.18}}.dot{{fill:var(--c)}}
line.ref{{stroke:var(--soft);stroke-dasharray:5 4}}
.legend{{list-style:none;margin:.2rem 0;padding:0;font-size:.85rem;
display:flex;flex-wrap:wrap;gap:.2rem 1rem}}
.legend li::before{{content:"";display:inline-block;width:1em;height:.2em;margin-right:.4em;
vertical-align:middle;background:var(--c,var(--soft))}}
""".strip()


def html_page(document: ReportDocument) -> str:
    """The whole file, as text."""
    title = escape(safe(document.title))
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
    ]
    in_figures = False
    for block in document.blocks:
        if isinstance(block, Figure) is not in_figures:
            in_figures = not in_figures
            parts.append('<div class="figures">' if in_figures else "</div>")
        parts.append(_block(block))
    if in_figures:
        parts.append("</div>")
    parts.append("</body></html>\n")
    return "\n".join(part for part in parts if part)


def _block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{_text(text)}</h{level}>"
        case PlainText(text, tone):
            return f'<p class="{tone}">{_text(text)}</p>' if tone else f"<p>{_text(text)}</p>"
        case Code(lines):
            return f"<pre>{chr(10).join(_text(line) for line in lines)}</pre>"
        case Table():
            return _table(block)
        case Figure():
            drawn = figure_svg(block)
            return (
                drawn
                and f"<figure><figcaption>{_text(block.caption)}</figcaption>{drawn}{legend(block)}</figure>"
            )


def _table(table: Table) -> str:
    right = frozenset(table.right)

    def row(cells: list[str], tag: str) -> str:
        found = (
            f'<{tag} class="n">{_text(cell)}</{tag}>' if place in right else f"<{tag}>{_text(cell)}</{tag}>"
            for place, cell in enumerate(cells)
        )
        return f"<tr>{''.join(found)}</tr>"

    head = row(list(table.heading), "th")
    body = "\n".join(row(list(cells), "td") for cells in table.rows)
    return f'<div class="wide"><table><thead>{head}</thead><tbody>\n{body}\n</tbody></table></div>'


def _text(text: str) -> str:
    return escape(safe(text))
