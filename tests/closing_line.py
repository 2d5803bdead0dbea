"""Prints the counts of a finished test run as one plain line."""

import sys
import xml.etree.ElementTree as ElementTree


def closing_line(path: str) -> str:
    """Return ``N passed, N failed, N skipped`` from a JUnit file."""
    suite = ElementTree.parse(path).getroot().find("testsuite")
    if suite is None:
        raise ValueError(f"{path} holds no test suite.")
    count = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
    failed = count["failures"] + count["errors"]
    passed = count["tests"] - failed - count["skipped"]
    return f"{passed} passed, {failed} failed, {count['skipped']} skipped"


if __name__ == "__main__":
    print(closing_line(sys.argv[1]))
