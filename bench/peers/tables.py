"""What compare.py measured as Markdown, and its place in docs/performance.md."""

import re

# A load average above this is a machine that others use; contestants suffer from that in different degrees.
BUSY = 0.5
BUSY_NOTICE = "**Other programs were computing too:** these numbers are for orientation only."


def cell(result):
    if "missing" in result:
        return "missing"
    return f"{result['median']:.3g} ({result['min']:.3g})"


def verdict(row):
    if row["target"] is None:
        return "-", ""
    return f"{row['target']:g}", {True: "met", False: "**missed**", None: "not measured"}[row["met"]]


def table(case):
    names = list(case["rows"][0]["contestants"])
    lines = [
        f"**{case['title']}, {case['threads']} thread{'s' if case['threads'] > 1 else ''}** (`{case['case']}`)",
        "",
        "| zeros | " + " | ".join(names) + " | ratio | ratio of minima | target | |",
        "|---|" + "---|" * (len(names) + 4),
    ]
    variants, missing = {}, {}
    for row in case["rows"]:
        ratio, minima = (
            "-" if value is None else f"{value:.2f}" for value in (row["ratio"], row["ratio_of_minima"])
        )
        cells = [cell(row["contestants"][name]) for name in names]
        lines.append("| " + " | ".join([f"{row['sparsity'] * 100:g} %", *cells, ratio, minima, *verdict(row)]) + " |")
        for name, result in row["contestants"].items():
            if "missing" in result:
                missing.setdefault((name, result["missing"]), []).append(f"{row['sparsity'] * 100:g} %")
            elif "variant" in result:
                used = variants.setdefault(name, [])
                used += [result["variant"]] if result["variant"] not in used else []
    notes = [f"{name}: {' or '.join(used)}" for name, used in variants.items()]
    lines += ["", f"Fastest variants: {'; '.join(notes)}."] if notes else []
    for (name, message), where in missing.items():
        lines += ["", f"{name} is missing at {', '.join(where)}: `{' '.join(message.split())}`"]
    return lines


def tables(results):
    versions, isa = set(), None
    for case in results["cases"]:
        for row in case["rows"]:
            for result in row["contestants"].values():
                if "missing" not in result:
                    versions.add(result["peer"])
                    isa = isa or result.get("isa")
    lines = [
        f"`{results['command']}` on {results['date']}: {results['cpu']}, {results['processors']} processors, "
        f"{results['isa']}" + (f" (eaudeqn uses {isa})" if isa else "") + f"; {', '.join(sorted(versions))}; "
        f"load average before it began {results['load_average_before']:.2f}.",
        "",
        f"Median (minimum) in milliseconds of {results['rounds']} turns each. "
        "Ratio: the fastest peer's median divided by eaudeqn's.",
    ]
    if results["load_average_before"] > BUSY:
        lines += ["", BUSY_NOTICE]
    for case in results["cases"]:
        lines += ["", *table(case)]
    return "\n".join(lines)


def check_document(file, name):
    """ValueError if the markers of that name are not there once; else their pattern."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if len(pattern.findall(file.read_text())) != 1:
        raise ValueError(f"{file.name} does not hold the lines {begin} and {end} once")
    return pattern


def section(file, name):
    """What is between the markers of that name."""
    return check_document(file, name).search(file.read_text()).group().partition("\n")[2].rpartition("\n")[0]


def document(file, name, text):
    """Replaces what is between the markers of that name."""
    pattern = check_document(file, name)
    file.write_text(pattern.sub(lambda _: f"<!-- {name}:begin -->\n{text}\n<!-- {name}:end -->", file.read_text()))


def document_machine(file, name, machine, text):
    """Puts the text under a heading of that machine's, between the markers of that name. Other machines keep theirs."""
    kept = {}
    for part in section(file, name).split("### ")[1:]:
        heading, _, body = part.partition("\n")
        kept[heading] = body.strip()
    kept[machine] = text
    document(file, name, "\n\n".join(f"### {heading}\n\n{body}" for heading, body in kept.items()))
