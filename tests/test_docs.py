"""The documentation against the program: commands, options, links, examples, settings and layers."""

import ast
import contextlib
import importlib
import inspect
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import griffe
import pytest
import typer
import typer.main

from makeweight.bench.tables import TABLES
from makeweight.classifiers import classifier_names
from makeweight.cli import app
from makeweight.compare.arms import ARMS
from makeweight.component import _REGISTRIES
from makeweight.methods import method_names

from .pages import blocks_of, is_quick, run_page, runs

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "makeweight"
PAGES = sorted(
    [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *(ROOT / "docs").rglob("*.md")]
)
PAGES_OF_SITE = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]
RUNNABLE = {"imblearn", "makeweight", "numpy", "sklearn", "torch", *sys.stdlib_module_names}


def options_of(command: Any) -> set[str]:
    """Options of a command, or of all commands of a group."""
    within = [options_of(each) for each in getattr(command, "commands", {}).values()]
    own = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    return own.union({"--help"}, *within)


COMMANDS = {name: options_of(command) for name, command in typer.main.get_command(app).commands.items()}  # type: ignore[attr-defined]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """Line number and text of the fenced blocks of a language."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}(?: title=.*)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text[: match.start()].count("\n") + 2, match.group(1)) for match in found]


def prose(page: Path) -> str:
    return re.sub(r"^\s*```.*?^\s*```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def spans(page: Path) -> list[str]:
    """Code within lines."""
    return re.findall(r"`([^`\n]+)`", prose(page))


# Pages whose blocks run one after the other are run as a whole, below or by `make docs-run`.
WHOLE = [page for page in PAGES if runs(page)]
TOGETHER = [page for page in WHOLE if page.parent.name in ("how-to", "concepts") or page.stem == "tutorial"]
PYTHON = {
    f"{named(page)}:{line}": text for page in PAGES if page not in TOGETHER for line, text in blocks(page, "python")
}


def commands_of(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Commands of makeweight in code, with the options given to each."""
    code = [*spans(page), *(text for _, text in blocks(page, "console"))]
    for line in "\n".join(code).splitlines():
        used = re.match(r"(?:\$ )?(?:\S*/)?makeweight ([a-z]+)\b(?! with)(.*)", line)
        if used:
            yield used.group(1), re.findall(r"--[a-z-]+", used.group(2).partition("#")[0])


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_and_options_exist(page: Path) -> None:
    for command, options in commands_of(page):
        assert command in COMMANDS, f"{named(page)} names the command {command}"
        assert set(options) <= COMMANDS[command], f"{named(page)} gives {command} the options {options}"
    known = set().union(*COMMANDS.values())
    alone = {option for span in spans(page) for option in re.findall(r"^--[a-z-]+", span)}
    assert alone <= known, f"{named(page)} names {sorted(alone - known)}"


def test_the_readme_and_the_guide_name_every_command_and_option() -> None:
    pages = [ROOT / name for name in ("README.md", "docs/guide.md", "docs/output.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert not {name for name in COMMANDS if f"makeweight {name}" not in text}
    explained_by_help_alone = {"--help", "--seed"}
    assert not {o for options in COMMANDS.values() for o in options if o not in text} - explained_by_help_alone


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path) if path else page
        assert place.exists(), f"{named(page)} links to {target}"
        # Of pictures, the anchor says on which pages they are shown.
        known = {"only-light", "only-dark"} if place.suffix == ".svg" else anchors(place)
        assert not anchor or anchor in known, f"{named(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    used = set(re.findall(r"(?:`|^\$ )make (?:[A-Z_]+=\S+ )?([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert used <= targets


def modules(code: str) -> set[str]:
    trees = ast.walk(ast.parse(code))
    names = [
        name
        for node in trees
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    ]
    return {name.partition(".")[0] for name in names}


# ast.parse in `modules` refuses what does not compile, in every example.
ALONE = {place: code for place, code in PYTHON.items() if set() < modules(code) <= RUNNABLE}


def test_python_examples_that_do_not_run_need_other_packages() -> None:
    for place in PYTHON.keys() - ALONE.keys():
        assert modules(PYTHON[place]) - RUNNABLE, f"{place} imports nothing, so it does not run as it stands"
        assert {place.partition(":")[0]} & {"README.md", *map(named, WHOLE)}, f"{place} is run by nothing"
    assert {"README.md", "docs/guide.md", "docs/methods/aggan.md"} <= {place.partition(":")[0] for place in ALONE}


@pytest.mark.parametrize("place", ALONE)
def test_python_examples_run(place: str, tmp_path: Path) -> None:
    """Those that need nothing but makeweight and what it needs raise nothing; with fewer steps."""
    with contextlib.chdir(tmp_path):
        exec(re.sub(r"n_steps=\d+", "n_steps=2", ALONE[place]), {"__name__": "example"})


@pytest.mark.parametrize("page", WHOLE, ids=named)
def test_blocks_of_whole_pages_are_code(page: Path) -> None:
    found = blocks_of(page.read_text(encoding="utf-8"))
    assert found or "docs/how-to" not in named(page)
    for block in found:
        if block.language == "python":
            ast.parse(block.code)
        else:
            assert block.commands()


@pytest.mark.parametrize("page", [page for page in WHOLE if is_quick(page)], ids=named)
def test_whole_pages_run(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


def test_every_page_that_gives_commands_runs_them() -> None:
    """Here or by `make docs-run`; those of the release tag a commit, and are run at a release."""
    for page in PAGES_OF_SITE:
        if page.stem == "release":
            continue
        text = page.read_text(encoding="utf-8")
        fences = re.findall(r"^ *```(\w+)", text, re.MULTILINE)
        assert set(fences) <= {"python", "console", "text", "layers"}, f"{named(page)} has blocks that nothing runs"
        if "console" in fences or ("python" in fences and page in TOGETHER):
            assert page in WHOLE, f"{named(page)} does not say that its blocks run"
        if page in WHOLE:
            assert len(blocks_of(text)) == sum(kind in ("python", "console") for kind in fences), named(page)


def test_every_method_has_a_line_and_a_page() -> None:
    lines = re.findall(r"^\| \[`(\w+)`\]", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(lines) == method_names()
    assert sorted(page.stem for page in (ROOT / "docs" / "methods").glob("*.md")) == method_names()


def test_every_part_of_the_registries_is_listed() -> None:
    assert {id(ARMS), id(TABLES)} <= {id(registry) for registry in _REGISTRIES.values()}
    assert classifier_names()
    assert method_names()
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [row for row in re.findall(r"^\|(.+)\|$", text, re.MULTILINE) if "`" in row]
    listed = {frozenset(re.findall(r"`([\w-]+)`", row.split("|")[-1])) for row in rows}
    assert {frozenset(registry.names()) for registry in _REGISTRIES.values()} == listed


def test_the_defaults_that_docstrings_tell_are_those_of_the_code() -> None:
    """As the reference shows them: of braces, griffe takes the first choice for the default."""
    package = griffe.load("makeweight", search_paths=[str(SOURCE.parent)], docstring_parser="numpy")
    wrong, n_told = [], 0
    for path, told in _told_defaults(package):
        module, _, own = path.removeprefix(package.path + ".").rpartition(".")
        for name, text in told:
            found = importlib.import_module(f"makeweight.{module}") if module else importlib.import_module("makeweight")
            parameter = inspect.signature(getattr(found, own)).parameters[name.lstrip("*")]
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            default = parameter.default
            with contextlib.suppress(ValueError):  # of a name, such as numpy.mean
                told_value = ast.literal_eval(text)
                n_told += 1
                if told_value != default and told_value != pytest.approx(default):
                    wrong.append(f"{path}: {name} is {default!r}, not {text}")
    assert not wrong, wrong
    assert n_told > 150


def _told_defaults(parent: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Paths of the classes and functions of a package, and the defaults that their docstrings tell, by parameter."""
    for each in parent.members.values():
        if each.is_alias:
            continue
        if each.is_module:
            yield from _told_defaults(each)
        elif (each.is_class or each.is_function) and each.docstring:
            told = [own for part in each.docstring.parsed if part.kind.value == "parameters" for own in part.value]
            yield each.path, [(own.name, str(own.default)) for own in told if own.default not in (None, "None")]


def layer_of(module: str, layers: dict[str, int]) -> int | None:
    """Line of the longest prefix of a module's name that is listed."""
    parts = module.split(".")
    return next((layers[p] for n in range(len(parts), 0, -1) if (p := ".".join(parts[:n])) in layers), None)


def imports_at_load(path: Path) -> Iterator[str]:
    """Modules of makeweight that a module imports when it is loaded, relative to the package."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("makeweight."):
            module = (node.module or "").removeprefix("makeweight.")
            inner = [f"{module}.{alias.name}" for alias in node.names]
            yield from (i if (SOURCE / i.replace(".", "/")).with_suffix(".py").exists() else module for i in inner)


def test_imports_point_one_way() -> None:
    ((_, text),) = blocks(ROOT / "docs" / "architecture.md", "layers")
    layers = {name: number for number, line in enumerate(text.splitlines()) for name in line.split()}
    for path in sorted(SOURCE.rglob("*.py")):
        module = path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        if module in ("__init__", "__main__"):
            continue
        own = layer_of(module, layers)
        assert own is not None or module == "data", f"{module} is missing from the layers of docs/architecture.md"
        for imported in imports_at_load(path):
            theirs = layer_of(imported, layers)
            assert theirs is not None, f"{module} imports {imported}, which has no layer"
            assert own is None or theirs <= own, f"{module} imports {imported}, which lies above it"


def test_import_loads_neither_torch_nor_numpy() -> None:
    code = "import sys, makeweight; print({'torch', 'numpy'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "set()"


def test_the_lowest_versions_are_those_that_pyproject_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    bounds = dict(re.match(r"([\w-]+)>=([\w.]+)", each).groups() for each in asked)  # type: ignore[union-attr]
    text = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8")
    pinned = dict(line.split("==") for line in text.splitlines() if "==" in line)
    for name, bound in bounds.items():
        # A lower bound of two numbers means the first release that starts with them.
        assert f"{pinned[name]}.".startswith(f"{bound}."), f"{name}: {pinned[name]} is not {bound}"


def test_the_page_of_results_is_what_the_rows_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import results_page

    for page, places in results_page.pages().items():
        text = page.read_text(encoding="utf-8")
        assert set(results_page.marked(text)) == set(places), page
        assert results_page.filled(text, places) == text, page


def test_the_figures_of_results_are_what_the_rows_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file keeps in words what it shows."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "figures")
    import measured

    for name in measured.FIGURES:
        for kind in ("light", "dark"):
            tree = ElementTree.parse(ROOT / "docs" / "figures" / f"{name}-{kind}.svg")
            told = [each.text for each in tree.iter("{http://purl.org/dc/elements/1.1/}description")]
            assert told == [measured.words(name)], f"{name}: run python docs/figures/measured.py"


def test_every_method_page_shows_its_parts_and_tells_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs" / "figures")
    import parts

    for name in method_names():
        text = (ROOT / "docs" / "methods" / f"{name}.md").read_text(encoding="utf-8")
        for kind in ("light", "dark"):
            assert f"![{parts.words(name)}](../figures/methods/{name}-{kind}.svg#only-{kind})" in text
            assert (ROOT / "docs" / "figures" / "methods" / f"{name}-{kind}.svg").is_file()


def test_the_site_leads_to_every_page() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named_there = re.findall(r"^ +- [^:]+: (\S+\.md)$", text.partition("\nnav:\n")[2], re.MULTILINE)
    assert sorted(named_there) == sorted(page.relative_to(ROOT / "docs").as_posix() for page in PAGES_OF_SITE)


def test_the_reference_holds_every_public_name_and_part() -> None:
    pages = (ROOT / "docs" / "reference").glob("*.md")
    told = set(re.findall(r"^::: ([\w.]+)$", "\n".join(p.read_text(encoding="utf-8") for p in pages), re.MULTILINE))
    last = {name.rpartition(".")[2] for name in told}
    doors = ("makeweight", "makeweight.balance", "makeweight.compare", "makeweight.quality", "makeweight.bench")
    public = {name for door in doors for name in importlib.import_module(door).__all__}
    assert public - last == {"METRICS"}
    shown_elsewhere = {id(ARMS), id(TABLES)}
    for registry in _REGISTRIES.values():
        if id(registry) not in shown_elsewhere:
            parts = {f"{part.__module__}.{part.__qualname__}" for part in registry}
            assert not {part for part in parts if part.startswith("makeweight.")} - told
