"""Prints which operations of docs/compatibility.md a client has used, and how often: operations.py SUITE RECORD

It reads the server's log and prints JSON. `refused` counts the responses of 400 and above."""

import contextlib
import json
import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
DOCUMENTS = HERE.parents[1] / "docs"
# Where a suite pins the version of its client. The pages must name the tested version.
PINS = {
    "cli": ("cli/go.mod", r"require github.com/databricks/cli v(\S+)"),
    "go": ("go/go.mod", r"databricks-sdk-go v(\S+)"),
    "java": ("java/pom.xml", r"<artifactId>databricks-sdk-java</artifactId>\s*<version>(.+)</version>"),
    "legacy-cli": ("python/requirements.txt", r"databricks-cli==(\S+)"),
    "python": ("python/requirements.txt", r"databricks-sdk==(\S+)"),
    "terraform": ("terraform/provider/go.mod", r"terraform-provider-databricks v(\S+)"),
}


def version(suite):
    if suite not in PINS:
        return None
    file, pattern = PINS[suite]
    pinned = re.search(pattern, (HERE / file).read_text())[1]
    page = DOCUMENTS / "clients" / f"{suite}.md"
    tested = page.read_text().split("Tested: ")[1].split(",")[0]
    assert pinned in tested, f"{page} names version {tested!r}, but the tests use {pinned}"
    return pinned


def routes():
    """Returns (method, path pattern, operation) for each route, those without parameters first."""
    rows = re.findall(r"^\| (\w+) \| `(\S+)` \| (\S+) \|", (DOCUMENTS / "compatibility.md").read_text(), re.MULTILINE)
    for method, path, operation in sorted(rows, key=lambda row: row[1].count("{")):
        yield method, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), operation


def answers(record):
    """Yields the answered requests of a log. A kill may have truncated a line."""
    for line in Path(record).read_text().splitlines():
        if '"message":"answered"' in line:
            with contextlib.suppress(ValueError):
                yield json.loads(line)


def operation_of(table, answer):
    """Returns the operation of an answered request, if it has one."""
    for method, path, operation in table:
        if method == answer["method"] and path.fullmatch(answer["path"]):
            return operation
    return None


def main(suite, record):
    table = list(routes())
    used, refused = Counter(), Counter()
    for answer in answers(record):
        if operation := operation_of(table, answer):
            used[operation] += 1
            refused[operation] += answer["status"] >= 400
    operations = [{"operation": name, "used": used[name], "refused": refused[name]} for name in sorted(used)]
    print(json.dumps({"client": suite, "version": version(suite), "operations": operations}, indent=1))
    print(f"{suite}: {len(used)} operations, {used.total()} requests", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
