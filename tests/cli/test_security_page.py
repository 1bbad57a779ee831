"""docs/SECURITY.md promises what is proved, by the commands that prove it."""

import re
from itertools import takewhile
from typing import Final

from guide_support import DOCS, said_by_the_program
from tickctl.core.audit.catalogue import Check, Promise

PAGE: Final = (DOCS / "SECURITY.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    [text] = re.findall(rf"^## \d+\. {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, flags=re.DOTALL | re.MULTILINE)
    lines = str(text).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|---"))
    table = takewhile(lambda line: line.startswith("|"), lines[start + 1 :])
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def test_every_promise_has_a_command_that_proves_it() -> None:
    """A promise without a proof is advertising."""
    promises = rows("The promises, and their proof")
    assert len(promises) > 10
    assert [promise for promise, proof in promises if "`tickctl " not in proof] == []


def test_every_proof_in_quotation_marks_is_a_requirement_of_the_check() -> None:
    """Word for word, so that a reader finds its line."""
    proofs = [title for _, proof in rows("The promises, and their proof") for title in re.findall(r'"(.*?)"', proof)]
    assert len(proofs) > 10
    assert set(proofs) <= set(said_by_the_program().splitlines())


def test_every_promise_of_the_audit_is_on_the_page() -> None:
    """With all its checks, each below its own promise, in the catalogue's order."""
    [tables] = re.findall(r"<!-- audit: .*? -->\n(.*)<!-- /audit -->", PAGE, flags=re.DOTALL)
    shown = re.split(r"^\*\*(.+)\*\*$", tables, flags=re.MULTILINE)[1:]
    by_heading = dict(zip(shown[::2], shown[1::2], strict=True))
    for promise in Promise:
        table = by_heading.pop(promise.heading[0].upper() + promise.heading[1:])
        listed = re.findall(r"^\| `(.+?)` \| (\w+) \| (.+?) \|", table, flags=re.MULTILINE)
        checks = [check for check in Check if check.promise is promise]
        assert listed == [(check.value, check.severity.value, check.meaning) for check in checks]
    assert not by_heading


def test_what_users_can_and_cannot_do_stand_side_by_side() -> None:
    """Each row says both, so that nobody reads only the good half."""
    both = rows("What a token and the publishable key are good for")
    assert len(both) > 5
    assert all(can and cannot for can, cannot in both)
