"""The arrows between the packages point one way, and the core stays free of the outside world."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from source_support import tree_of

SOURCE = Path(__file__).parents[2] / "src"
PACKAGE = SOURCE / "tickctl"

# Which parts of tickctl a part may import, besides itself.
ALLOWED = {
    "errors": set(),
    "core": {"errors"},
    "sql": set(),
    "files": {"errors"},
    "settings": {"core", "errors", "files"},
    "adapters": {"core", "errors", "files", "settings", "sql"},
    "gateway": {"adapters", "core", "errors", "settings"},
    "cli": {"adapters", "core", "errors", "files", "gateway", "settings", ""},
    "__main__": {"cli"},
    "": {"core", "errors", "gateway"},
}
OUTSIDE_THE_CORE = {
    "boto3",
    "botocore",
    "httpx",
    "postgrest",
    "psycopg",
    "rich",
    "supabase",
    "supabase_auth",
    "typer",
    "dotenv",
    "platformdirs",
}
OUTSIDE_THE_GATEWAY = {"boto3", "botocore", "rich", "typer"}


def part_of(module: str) -> str:
    """Return the part of tickctl that a dotted module name belongs to; "" is the package itself."""
    return [*module.split("."), ""][1]


@cache
def imports() -> tuple[tuple[str, str], ...]:
    """Return (importing module, imported module) for every import statement at any level of nesting."""
    found: list[tuple[str, str]] = []
    for path in sorted(PACKAGE.rglob("*.py")):
        importer = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                found += [(importer, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{importer} uses a relative import"
                found += [(importer, _imported(str(node.module), alias.name)) for alias in node.names]
    return tuple(found)


def _imported(module: str, name: str) -> str:
    """Return the module that `from module import name` is about."""
    inner = SOURCE.joinpath(*module.split("."), name)
    return f"{module}.{name}" if inner.with_suffix(".py").exists() or inner.is_dir() else module


def test_parts_import_only_what_they_may() -> None:
    """The arrows: cli → gateway → adapters → core → errors, and never back."""
    for importer, imported in imports():
        if imported.split(".")[0] == "tickctl":
            source, target = part_of(importer), part_of(imported)
            assert source == target or target in ALLOWED[source], f"{importer} imports {imported}"


@pytest.mark.parametrize(
    ("part", "forbidden"),
    [("core", OUTSIDE_THE_CORE), ("errors", OUTSIDE_THE_CORE), ("gateway", OUTSIDE_THE_GATEWAY)],
)
def test_inner_parts_know_no_outside_system(part: str, forbidden: set[str]) -> None:
    """Neither a terminal nor a network nor a database client is imported by the inner parts."""
    for importer, imported in imports():
        if part_of(importer) == part:
            assert imported.split(".")[0] not in forbidden, f"{importer} imports {imported}"


# The floors of the command line: what a module may import of it.
FLOORS = {
    "main": {"app", "console"},
    "app": {"commands", "console"},
    "commands": {"open", "console"},
    "open": {"console"},
    "console": set(),
}


def test_commands_lean_on_openers_and_the_console_alone() -> None:
    """No command imports another one's module: what two of them share lives a floor below."""
    prefix = "tickctl.cli."
    for importer, imported in imports():
        if importer.startswith(prefix) and imported.startswith(prefix):
            source, target = importer.split(".")[2:], imported.split(".")[2:]
            same_command = source[:2] == target[:2]
            lower = target[0] in FLOORS[source[0]] or (source[0] == target[0] != "commands")
            assert same_command or lower, f"{importer} imports {imported}"


def test_no_modules_import_each_other() -> None:
    """In no circle, not even one that only type checkers or function bodies close."""
    modules = {importer for importer, _ in imports()}
    graph = {
        module: {imported for importer, imported in imports() if importer == module} & modules for module in modules
    }
    TopologicalSorter(graph).prepare()  # raises CycleError


# Where the process environment comes in, and why: the run of a command, a gateway without settings, errors before
# there is a run, libpq's own variables, and where sockets may lie.
ENVIRONMENT_READERS = {
    "cli/console/run.py",
    "gateway/configuration.py",
    "cli/console/boundary.py",
    "cli/open/backend.py",
    "adapters/embedded/sockets.py",
}


def test_the_environment_is_read_at_the_edge_alone() -> None:
    """Everything else is given what it needs of it."""
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} and ast.unparse(node.value) == "os"
    }
    assert readers == ENVIRONMENT_READERS


def test_no_folders_of_the_core_import_each_other() -> None:
    """A folder of the core is a layer: `tokens` can't need `secrets` while `secrets` needs `tokens`."""
    prefix = "tickctl.core."
    graph: dict[str, set[str]] = {}
    for pair in imports():
        if all(module.startswith(prefix) for module in pair):
            source, target = (module.removeprefix(prefix).partition(".")[0] for module in pair)
            graph.setdefault(source, set()).update({target} - {source})
    TopologicalSorter(graph).prepare()  # raises CycleError
