"""Prints "PASSED FAILED" of one JUnit XML file, and the failures to standard error: count_tests.py FILE EXIT_STATUS.

It runs no tests; ./test calls it after ctest or pytest, with that runner's exit status.
"""

import sys
import xml.etree.ElementTree as ElementTree

LINES_OF_A_FAILURE = 100


def reason(case):
    """Why a test did not pass, or None if it passed. A skipped test has shown nothing, so it did not pass."""
    for kind in ("failure", "error", "skipped"):
        element = case.find(kind)
        if element is not None:
            output = case.findtext("system-out") or ""
            return "\n".join(filter(None, [f"{kind}: {element.get('message') or ''}", element.text, output]))
    if case.get("status", "run") not in ("run", "passed"):
        return f"not run: {case.get('status')}"
    return None


def main(path, exit_status):
    try:
        cases = list(ElementTree.parse(path).iter("testcase"))
    except (OSError, ElementTree.ParseError) as error:
        print(f"no test results in {path}: {error}", file=sys.stderr)
        cases = []
    failures = 0
    for case in cases:
        text = reason(case)
        if text is not None:
            failures += 1
            name = "/".join(filter(None, [case.get("classname"), case.get("name")]))
            print(f"--- FAILED {name}", *text.splitlines()[-LINES_OF_A_FAILURE:], sep="\n", file=sys.stderr)
    passed = len(cases) - failures
    # A runner that died, or ran nothing, has failed even if no test says so.
    if failures == 0 and (exit_status != 0 or not cases):
        print(f"the test runner ended with status {exit_status} after {len(cases)} tests", file=sys.stderr)
        failures = 1
    print(passed, failures)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
