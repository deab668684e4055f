#!/usr/bin/env python3
"""Checks that docs/architecture.md is true of the sources: its floors, its lists of calls and the
files that it names. Reads text only, compiles nothing.

An entry of a list is `function` in `file`, indented below the function that calls it. The function
must be defined in that file, and be called by name in the body of the function above it, or, with
"as `member`", be called through the member to which its file assigns it.
"""

import dataclasses
import re
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import check_floors  # noqa: E402

DOCUMENT = (ROOT / "docs" / "architecture.md").read_text()
LISTS = 5
MOST_CALLS = 20
ENTRY = re.compile(r"^( *)- `([\w:~]+)` in `([^`]+)`(?: as `(\w+)`)?", re.MULTILINE)
PATH = re.compile(r"`([\w.-]+/[\w./-]*|[\w-]+\.(?:md|txt|cff|json))`")
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'', re.DOTALL)
AFTER_PARAMETERS = re.compile(r"\s*(?:(?:const|noexcept|override|final|mutable|->[\w\s:<>,*&]+)\s*)*")
INITIALIZER = re.compile(r"[:,]\s*[\w:<>]+\s*([({])")
CLOSING = {"(": ")", "{": "}"}


class Wrong(Exception):
    """What the document says and the sources do not."""


@dataclasses.dataclass
class Call:
    depth: int
    function: str
    file: str
    member: str  # that it is called through; "" if it is called by its name


def code_of(file: str) -> str:
    """The text of a source without comments, string and character literals."""
    if not (ROOT / file).is_file():
        raise Wrong(f"there is no file {file}")
    return NOT_CODE.sub(" ", (ROOT / file).read_text())


def end_of(code: str, begin: int) -> int:
    """The index after the bracket that closes the one at `begin`."""
    opening, depth = code[begin], 0
    for index in range(begin, len(code)):
        depth += (code[index] == opening) - (code[index] == CLOSING[opening])
        if depth == 0:
            return index + 1
    return len(code)


def body_after(code: str, parameters: int) -> str | None:
    """The body of a function whose parameters begin at `parameters`; None if it has none there."""
    index = AFTER_PARAMETERS.match(code, end_of(code, parameters)).end()
    while initializer := INITIALIZER.match(code, index):
        index = end_of(code, initializer.start(1))
        index += len(code[index:]) - len(code[index:].lstrip())
    return code[index : end_of(code, index)] if code[index : index + 1] == "{" else None


def definitions(code: str, name: str) -> list[str]:
    """The bodies of all functions of this name; `Class::name` may be defined inside the class."""
    pattern = r"(?:<\w+>)?::".join(map(re.escape, name.split("::")))
    found = [body_after(code, match.end() - 1)
             for match in re.finditer(rf"(?<![\w.>]){pattern}\s*\(", code)]  # fmt: skip
    owner, _, member = name.rpartition("::")
    if owner:
        for match in re.finditer(rf"\b(?:class|struct)\s+{owner}\b[^;{{]*{{", code):
            found += definitions(code[match.end() - 1 : end_of(code, match.end() - 1)], member)
    return [body for body in found if body is not None]


def calls(body: str, name: str) -> bool:
    """Whether `body` calls the function, or makes an object where it is a constructor."""
    *owner, member = name.split("::")
    if owner[-1:] == [member]:
        return re.search(rf"\b{member}\b(?:<[^;{{]*>)?(?:\s+\w+)?\s*[({{]", body) is not None
    return re.search(rf"\b{member}\s*(?:<[^;(]*>)?\s*\(", body) is not None


def check_call(caller: Call, bodies: list[str], call: Call) -> None:
    name = call.member or call.function
    if not any(calls(body, name) for body in bodies):
        raise Wrong(f"{caller.function} does not call {name}")
    if call.member and not re.search(rf"\.{call.member} = {call.function}\b", code_of(call.file)):
        raise Wrong(f"{call.file} does not assign {call.function} to {call.member}")


def lists_of(document: str) -> list[list[Call]]:
    """The lists, each of consecutive entries of one section."""
    sections = re.split(r"^## ", document, flags=re.MULTILINE)
    found = [[Call(len(spaces) // 2, *rest) for spaces, *rest in ENTRY.findall(section)]
             for section in sections]  # fmt: skip
    return [entries for entries in found if entries]


def check_list(entries: list[Call]) -> None:
    if len(entries) > MOST_CALLS:
        raise Wrong(f"{len(entries)} calls below {entries[0].function}")
    above: list[tuple[Call, list[str]]] = []
    for call in entries:
        bodies = definitions(code_of(call.file), call.function)
        if not bodies:
            raise Wrong(f"{call.function} is not defined in {call.file}")
        if call.depth > len(above) or (call.depth == 0) != (not above):
            raise Wrong(f"{call.function} is not below one function")
        del above[call.depth :]
        if above:
            check_call(*above[-1], call)
        above.append((call, bodies))


def check_floors_table(document: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| (yes|no) \|$", document, re.MULTILINE)
    expected = {floor: "yes" if floor in check_floors.USES_TORCH else "no" for floor in check_floors.BELOW}
    if dict(rows) != expected or len(rows) != len(expected):
        raise Wrong(f"floors {rows}, but scripts/check_floors.py has {expected}")


def check_document(document: str) -> None:
    lists = lists_of(document)
    if len(lists) != LISTS:
        raise Wrong(f"{len(lists)} lists of calls")
    for entries in lists:
        check_list(entries)
    check_floors_table(document)
    for path in PATH.findall(document):
        if not (ROOT / path).exists():
            raise Wrong(f"there is no {path}")


class ArchitectureTest(unittest.TestCase):
    def wrong(self, old: str, new: str) -> str:
        """What is found in the document with `new` in place of `old`."""
        self.assertIn(old, DOCUMENT)
        with self.assertRaises(Wrong) as caught:
            check_document(DOCUMENT.replace(old, new, 1))
        return str(caught.exception)

    def test_document(self):
        check_document(DOCUMENT)

    def test_wrong_entries_are_found(self):
        entries = lists_of(DOCUMENT)[0]
        second, last = entries[1], entries[-1]
        self.assertIn("is not defined", self.wrong(f"`{second.function}`", "`no_such_function`"))
        self.assertIn("no file", self.wrong(f"`{second.file}`", "`src/no_such_file.cpp`"))
        caller = f"`{second.function}` in `{second.file}`"
        self.assertIn("does not call", self.wrong(caller, f"`{last.function}` in `{last.file}`"))

    def test_wrong_paths_and_floors_are_found(self):
        self.assertIn("there is no", self.wrong("`src/app/", "`src/no_such_folder/"))
        self.assertIn("floors", self.wrong("| no |", "| yes |"))


if __name__ == "__main__":
    unittest.main()
