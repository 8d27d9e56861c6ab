"""A table's history as a timeline, and as a picture."""

from __future__ import annotations

import datetime as dt
import html
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._table import Table

#: A colour for each kind of operation; told by its word too, so that nobody needs to see the colour.
_COLOURS = {
    "CREATE": "#3b6fb6",
    "APPEND": "#2a9d6f",
    "OVERWRITE": "#c07a00",
    "UPDATE": "#6f5fc0",
    "MERGE": "#6f5fc0",
    "DELETE": "#c0392b",
    "DROP": "#c0392b",
    "RESTORE": "#008b9a",
    "COMPACT": "#7a7f87",
    "ALTER": "#7a7f87",
    "PURGE": "#7a3b3b",
    "VACUUM": "#7a3b3b",
}

_STYLE = """
<style>
.tt-timeline { font-size: 13px; line-height: 1.45; max-width: 60em; }
.tt-timeline ol { list-style: none !important; margin: 0 0 0 .5em !important; padding: 0 0 0 1.1em !important;
  border-left: 2px solid #8884; }
.tt-timeline li { position: relative; margin: 0 !important; padding: .25em 0 .45em .2em !important; }
.tt-timeline li::before { content: ''; position: absolute; left: calc(-1.5em - 1px); top: .55em; width: .8em; height: .8em;
  border-radius: 50%; background: var(--tt); }
.tt-timeline li.tt-gone { opacity: .55; }
.tt-timeline b.tt-op { color: var(--tt); }
.tt-timeline .tt-small { opacity: .75; font-size: 12px; }
.tt-timeline .tt-flag { border: 1px solid #8886; border-radius: .8em; padding: 0 .55em; font-size: 11px; margin-left: .4em; }
</style>
"""


class Timeline:
    """A table's commits, newest first: operation, time, who and why, sizes, and what is still readable or restorable.

    >>> import datafusion_timetravel as tt
    >>> db = tt.connect("memory://")
    >>> t = db.create_table("prices", {"item": ["apple"], "price": [100]}, key="item")
    >>> t.upsert({"item": ["apple"], "price": [120]})
    2
    >>> print(t.timeline())  # doctest: +ELLIPSIS
    prices
      2  APPEND   ... readable, newest
      1  CREATE   ... readable, restorable
    """

    def __init__(self, table: Table) -> None:
        self._table = table
        self._commits = _commits(table)

    def _flags(self, commit: dict[str, Any]) -> list[str]:
        now = dt.datetime.now(dt.timezone.utc)
        flags = []
        if commit["newest"] or _lasts(commit["readable_until"], now):
            flags.append("readable")
        if commit["newest"]:
            flags.append("newest")
        elif _lasts(commit["restorable_until"], now):
            flags.append("restorable")
        return flags

    def __str__(self) -> str:
        lines = [self._table.name]
        for commit in reversed(self._commits):
            flags = ", ".join(self._flags(commit)) or "gone"
            time = commit["timestamp"].strftime("%Y-%m-%d %H:%M:%S")
            lines.append(f"  {commit['version']}  {commit['operation']:<9}{time}  {commit['rows']} rows  {flags}")
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        items = []
        for commit in reversed(self._commits):
            flags = self._flags(commit)
            colour = _COLOURS.get(commit["operation"], "#7a7f87")
            who = f" · {html.escape(commit['actor'])}" if commit["actor"] else ""
            why = f" · {html.escape(commit['reason'])}" if commit["reason"] else ""
            partitions = commit["partitions"]
            where = f" · {html.escape(', '.join(partitions[:4]))}{' …' if len(partitions) > 4 else ''}" if partitions else ""
            sizes = f"{_counted(commit['rows'], 'row')}, {_size(commit['bytes'])} in {_counted(commit['files'], 'file')}" if commit["files"] else "no data written"
            until = _until(commit)
            marks = "".join(f"<span class='tt-flag' title='{until.get(flag, '')}'>{flag}</span>" for flag in flags)
            time = commit["timestamp"].strftime("%Y-%m-%d %H:%M:%S UTC")
            items.append(
                f"<li style='--tt:{colour}' class='{'' if flags else 'tt-gone'}'>"
                f"<b>{commit['version']}</b> <b class='tt-op'>{html.escape(commit['operation'])}</b>{where}{marks}<br>"
                f"<span class='tt-small'>{time}{who}{why} · {sizes}</span></li>"
            )
        name = html.escape(self._table.name)
        return f"{_STYLE}<div class='tt-timeline'><p><b>{name}</b>, {_counted(len(items), 'version')}</p><ol>{''.join(items)}</ol></div>"


def plot(table: Table, backend: str | None) -> Any:
    """Rows written by each version; altair's chart or matplotlib's figure."""
    commits = _commits(table)
    for name in [backend] if backend else ["altair", "matplotlib"]:
        draw = {"altair": _altair, "matplotlib": _matplotlib}.get(name)
        if draw is None:
            raise ValueError(f"{name!r} draws nothing here: name 'altair' or 'matplotlib'")
        try:
            return draw(table.name, commits)
        except ImportError:
            if backend:
                raise
    raise ImportError("plot() needs altair or matplotlib: pip install altair")


def _altair(name: str, commits: list[dict[str, Any]]) -> Any:
    import altair

    rows = [
        {
            "version": commit["version"],
            "operation": commit["operation"],
            "rows": commit["rows"],
            "bytes": commit["bytes"],
            "time": commit["timestamp"].isoformat(),
        }
        for commit in commits
    ]
    operations = sorted({row["operation"] for row in rows})
    colours = altair.Scale(domain=operations, range=[_COLOURS.get(operation, "#7a7f87") for operation in operations])
    return (
        altair.Chart(altair.Data(values=rows), title=f"{name}: rows written by version", width=560, height=200)
        .mark_bar()
        .encode(
            x=altair.X("version:O", axis=altair.Axis(labelAngle=0)),
            y=altair.Y("rows:Q", scale=altair.Scale(type="symlog")),
            color=altair.Color("operation:N", scale=colours),
            tooltip=["version:O", "operation:N", "rows:Q", "bytes:Q", "time:T"],
        )
    )


def _matplotlib(name: str, commits: list[dict[str, Any]]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    for operation in sorted({commit["operation"] for commit in commits}):
        those = [commit for commit in commits if commit["operation"] == operation]
        axes.bar(
            [commit["version"] for commit in those],
            [commit["rows"] for commit in those],
            color=_COLOURS.get(operation, "#7a7f87"),
            label=operation,
        )
    axes.set(title=f"{name}: rows written by version", xlabel="version", ylabel="rows")
    axes.set_yscale("symlog")
    axes.locator_params(axis="x", integer=True)
    axes.legend()
    return figure


def _commits(table: Table) -> list[dict[str, Any]]:
    """A row for each version: history has one for each partition that a commit touched."""
    commits: dict[int, dict[str, Any]] = {}
    for row in table.history().to_pylist():
        commit = commits.get(row["version"])
        partition = row["object_name"] if row["object_type"] == "PARTITION" else None
        if commit is None:
            commits[row["version"]] = {**row, "partitions": [partition] if partition else []}
            continue
        for field in ("rows", "files", "bytes"):
            commit[field] += row[field]
        if partition:
            commit["partitions"].append(partition)
    ordered = [commits[version] for version in sorted(commits)]
    for commit in ordered:
        commit["newest"] = table.is_latest and commit is ordered[-1]
    return ordered


def _lasts(until: dt.datetime | None, now: dt.datetime) -> bool:
    return until is not None and until > now


def _until(commit: dict[str, Any]) -> dict[str, str]:
    """Until when a version is readable and restorable; the newest is without an end."""
    ends = {"readable": commit["readable_until"], "restorable": commit["restorable_until"]}
    return {
        flag: f"until {end.strftime('%Y-%m-%d %H:%M')} UTC"
        for flag, end in ends.items()
        if end is not None and not commit["newest"]
    }


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _size(size: int) -> str:
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError
