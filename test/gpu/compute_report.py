"""compute-rows.jsonl as a table and two pictures. usage: compute_report.py ROWS OUT_FOLDER"""
import json
import os
import sys
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 800, 460, 70, 280, 40, 60
COLORS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7e22ce", "#be123c", "#0f766e", "#a16207", "#1d4ed8", "#334155", "#db2777", "#65a30d", "#78350f")
# Published: high-priority p99 over alone, best-effort throughput over alone. On other hardware, and so no comparison.
ELSEWHERE = [("Tally (A100)", 1.048, 0.44), ("launch scheduling (A100)", 1.308, 0.51), ("TGS (A100)", 2.77, 0.79), ("time slicing (A100)", 2.38, 0.54), ("MPS (A100)", 3.90, 0.87), ("MPS + priority (A100)", 2.96, 0.85)]


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def figure(value):
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def peers(row):
    return "–" if not row["peer"] else ", ".join(f"{name} {figure(value)}" for name, value in row["peer"].items())


def remarks(row):
    known = {"gpuTimePercent", "chargedShare", "confidence", "limitPercent", "expected", "ratio", "errorPoints", "errorBesideControlPoints", "worst", "worstPoints", "p95WindowPoints", "windowSeconds", "got", "ofSlicing", "ofKernel", "ofMps", "p50", "requests", "count"}
    return "; ".join(f"{key} {json.dumps(value) if isinstance(value, (list, dict)) else figure(value)}" for key, value in row.items() if key in known)


def table(rows):
    head = "| id | workload | native | tranche | peer | unit | more |\n| --- | --- | --- | --- | --- | --- | --- |\n"
    return head + "".join(f"| {r['id']} | {r['workload']} | {figure(r['native'])} | {figure(r['tranche'])} | {peers(r)} | {r['unit']} | {remarks(r)} |\n" for r in rows)


class Plot:
    """Axes, marks and a legend, as SVG."""

    def __init__(self, title, x, y, x_most, y_most, ticks):
        self.x_most, self.y_most, self.keys = x_most, y_most, []
        self.body = [f'<text x="{LEFT}" y="22" font-size="15" font-weight="600">{escape(title)}</text>']
        for at in range(ticks + 1):
            xv, yv = x_most * at / ticks, y_most * at / ticks
            px, py = self.at(xv, yv)
            self.body.append(f'<line x1="{px}" x2="{px}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#e5e7eb"/><text x="{px}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{xv:g}</text>')
            self.body.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{py}" y2="{py}" stroke="#e5e7eb"/><text x="{LEFT - 8}" y="{py + 4}" text-anchor="end">{yv:g}</text>')
        self.body.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 16}" text-anchor="middle">{escape(x)}</text>')
        self.body.append(f'<text transform="translate(18 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">{escape(y)}</text>')

    def at(self, x, y):
        px = LEFT + (WIDTH - RIGHT - LEFT) * x / self.x_most
        return round(px, 1), round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * min(y, self.y_most) / self.y_most, 1)

    def line(self, points, color, name=None, dashed=False):
        path = " ".join(f"{x},{y}" for x, y in (self.at(*p) for p in points))
        dash = ' stroke-dasharray="4 4"' if dashed else ""
        self.body.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"{dash}/>')
        if name:
            self.keys.append((color, name, True))

    def mark(self, x, y, color, filled=True, name=None):
        px, py = self.at(x, y)
        self.body.append(f'<circle cx="{px}" cy="{py}" r="4.5" fill="{color if filled else "white"}" stroke="{color}" stroke-width="1.5"/>')
        if name:
            self.keys.append((color, name, filled))

    def text(self):
        for at, (color, name, filled) in enumerate(self.keys):
            y = TOP + 10 + 19 * at
            self.body.append(f'<circle cx="{WIDTH - RIGHT + 22}" cy="{y}" r="4.5" fill="{color if filled else "white"}" stroke="{color}" stroke-width="1.5"/><text x="{WIDTH - RIGHT + 34}" y="{y + 4}">{escape(name)}</text>')
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="#111827">'
                f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>{"".join(self.body)}</svg>\n')


def shares(rows):
    """Each point is a turn; a class that leaves the GPU idle natively is drawn in parts of what it uses then."""
    plot = Plot("Delivered against asked, by class of work", "limit, % of GPU time", "delivered, % of GPU time", 100, 100, 5)
    plot.line([(0, 0), (100, 100)], "#9ca3af", "exact", dashed=True)
    kinds = list(dict.fromkeys(r["workload"] for r in rows if r["id"] == "b5"))
    for at, kind in enumerate(kinds):
        points = [(r["limitPercent"], 100 * r["ratio"] * (r["nativeBusy"] or 1)) for r in rows if r["id"] == "b5" and r["workload"] == kind]
        plot.line(points, COLORS[at % len(COLORS)], kind)
        for point in points:
            plot.mark(*point, COLORS[at % len(COLORS)])
    return plot.text() if kinds else None


def tails(rows):
    kept = {r["workload"]: r for r in rows if r["id"] == "b8.kept"}
    found = [(r, kept[r["workload"]]) for r in rows if r["id"] == "b8.p99" and r["workload"] in kept]
    if not found:
        return None
    plot = Plot("Tail of the preferred beside what the other keeps", "best effort kept, of alone", "p99 over alone (cut at 6)", 1.0, 6, 5)
    seen = set()
    for p99, rest in found:
        for mode, color, y, x in [("time slicing", "#6b7280", p99["native"], rest["native"]), ("Tranche", "#0b6e99", p99["tranche"], rest["tranche"]),
                                  *((name, "#c2410c" if name == "MPS" else "#a16207", value, rest["peer"].get(name)) for name, value in p99["peer"].items())]:
            if x is not None and y is not None:
                plot.mark(min(1.0, x), y, color, name=None if mode in seen else mode)
                seen.add(mode)
    for at, (name, y, x) in enumerate(ELSEWHERE):
        plot.mark(x, y, COLORS[at % len(COLORS)], filled=False, name=f"{name}, published")
    return plot.text()


def write(rows_path, out):
    rows = read(rows_path)
    with open(os.path.join(out, "compute.md"), "w") as file:
        file.write(table(rows))
    for name, picture in (("compute-shares.svg", shares(rows)), ("compute-tails.svg", tails(rows))):
        if picture:
            with open(os.path.join(out, name), "w") as file:
                file.write(picture)


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2])
