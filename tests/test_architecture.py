"""The floors of the design: imports point down only."""

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

BELOW = {
    "deployments": {"flows", "tasks", "standin"},
    "flows": {"tasks", "runners", "imgur_mirror"},
    "tasks": {"imgur_mirror", "runners.prefect_internals"},
    "runners": {"imgur_mirror.models"},
    "imgur_mirror": set(),
    # It imports nothing of ours, so that a shared mistake cannot hide.
    "standin": set(),
    "benchmarks": {"flows", "tasks", "runners", "imgur_mirror", "standin"},
}

VALUES = {"models", "settings", "text"}

# The packages and modules of the library, each with those that it may import.
LIBRARY = {
    **{name: set() for name in VALUES},
    "http": VALUES,
    "api": {*VALUES, "http"},
    "store": {*VALUES, "http"},
    "pictures": VALUES,
    "download": {*VALUES, "http", "api", "store", "pictures"},
    "report": {*VALUES, "http", "api", "store", "pictures"},
    "compare": {*VALUES, "report"},
    "bulk": {*VALUES, "http", "api", "store", "download", "report"},
}

# Lines.
LONGEST_MODULE = 350
LONGEST_FUNCTION = 40

# What has no place on a floor, whoever wrote it.
FOREIGN = {
    "deployments": {"aiohttp", "dask", "distributed", "imgurpython", "requests"},
    "flows": {"aiohttp", "dask", "distributed", "imgurpython", "requests"},
    "tasks": {"aiohttp", "dask", "distributed", "imgurpython", "requests"},
    "runners": {"aiohttp", "imgurpython", "requests"},
    "imgur_mirror": {"prefect", "prefect_dask", "dask", "distributed"},
    "standin": {"prefect", "prefect_dask", "dask", "distributed", "imgurpython", "requests"},
    "benchmarks": set(),
}


def modules(package):
    return sorted((ROOT / package).rglob("*.py"))


def imports(path):
    """The modules that a file imports, at its top or anywhere else in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports by a relative name"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
            yield from (one.value for one in node.args if isinstance(one, ast.Constant))


def top(name):
    return name.partition(".")[0]


def is_within(name, allowed):
    return any(name == one or name.startswith(f"{one}.") for one in allowed)


def test_every_package_is_installed_and_has_its_floor():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {dotted(path) for top in BELOW for path in (ROOT / top).rglob("__init__.py")}
    assert set(listed) == there
    assert {top(name) for name in there} == set(BELOW) == set(FOREIGN)
    assert not (ROOT / "tests" / "__init__.py").exists()


@pytest.mark.parametrize("package", BELOW)
def test_imports_point_down_only(package):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if top(name) in {*BELOW, "tests"} - {package} and not is_within(name, BELOW[package])
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("package", "above"),
    [("report", {"download", "compare", "bulk"}), ("compare", {"download", "bulk"})],
)
def test_packages_of_the_library_import_none_above_them(package, above):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(f"imgur_mirror/{package}")
        for name in imports(path)
        if is_within(name, {f"imgur_mirror.{one}" for one in above})
    ]
    assert wrong == []


@pytest.mark.parametrize("package", FOREIGN)
def test_no_floor_knows_what_is_anothers_business(package):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if top(name) in FOREIGN[package]
    ]
    assert wrong == []


def dotted(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_in_library(name):
    """`imgur_mirror.http.retry` is of `http`, `imgur_mirror.models` of `models`."""
    return name.split(".")[1] if name.startswith("imgur_mirror.") else ""


def test_the_library_has_few_modules_of_no_package():
    there = {package_in_library(dotted(path)) for path in modules("imgur_mirror")} - {""}
    assert there == set(LIBRARY)
    assert len(list((ROOT / "imgur_mirror").glob("[!_]*.py"))) <= 6


def test_the_packages_of_the_library_import_in_one_direction():
    wrong = {
        f"{dotted(path)} imports {package}"
        for path in modules("imgur_mirror")
        if (own := package_in_library(dotted(path)))
        for package in {package_in_library(name) for name in imports(path)} & set(LIBRARY)
        if package not in {own, *LIBRARY[own]}
    }
    assert wrong == set()


def test_no_packages_of_the_library_import_each_other():
    # Raises CycleError, which names the packages.
    assert set(TopologicalSorter(LIBRARY).static_order()) == set(LIBRARY)


def test_no_modules_import_each_other():
    ours = {dotted(path): path for package in BELOW for path in modules(package)}
    graph = {name: (set(imports(path)) & set(ours)) - {name} for name, path in ours.items()}
    # Raises CycleError, which names the modules.
    assert set(TopologicalSorter(graph).static_order()) == set(ours)


def longer_than_allowed(path):
    """The module, and those of its functions, that one cannot hold in the head."""
    text = path.read_text(encoding="utf-8")
    if len(text.splitlines()) > LONGEST_MODULE:
        yield dotted(path)
    for node in ast.walk(ast.parse(text)):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION:
            yield f"{dotted(path)}.{node.name}"


def test_modules_and_functions_are_short():
    found = {
        name
        for package in ("imgur_mirror", "flows", "tasks", "runners")
        for path in modules(package)
        for name in longer_than_allowed(path)
    }
    assert found == set()


FACES = [dotted(path) for top in BELOW for path in sorted((ROOT / top).rglob("__init__.py"))]


@pytest.mark.parametrize("package", FACES)
def test_a_face_has_what_it_promises(package):
    face = importlib.import_module(package)
    names = getattr(face, "__all__", [])
    assert [name for name in names if name.startswith("_") or not hasattr(face, name)] == []


def package_of_private(name):
    """The package that a private module, or the module with a private name, is in."""
    owner = re.split(r"\._(?!_)", name, maxsplit=1)[0]
    return owner if (ROOT / owner.replace(".", "/")).is_dir() else owner.rpartition(".")[0]


@pytest.mark.parametrize("package", BELOW)
def test_private_names_stay_in_their_package(package):
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if top(name) in BELOW and re.search(r"\._(?!_)", name)
        if not f"{dotted(path)}.".startswith(f"{package_of_private(name)}.")
    ]
    assert wrong == []


INTERNALS = ("runners/prefect_internals.py", "runners/dask_internals.py")

OTHERS = {"prefect", "prefect_dask", "dask", "distributed"}

# Python's own names are for all to use, but not the variable that Prefect's contexts have.
OPEN = re.compile(r"__(?!var__)\w+__")
KNOWN = {"os._exit", "_replace"}


def private_names(path):
    """What a file uses of Prefect and Dask that begins with an underscore, as far as one sees."""
    for name in imports(path):
        if top(name) in OTHERS and re.search(r"\._", name):
            yield name
    if not {top(name) for name in imports(path)} & OTHERS:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Attribute) or not node.attr.startswith("_"):
            continue
        owner = ast.unparse(node.value)
        ours = owner.split(".")[0] in ("self", "cls") and owner.count(".") < 2
        if not (ours or OPEN.fullmatch(node.attr) or {node.attr, f"{owner}.{node.attr}"} & KNOWN):
            yield f"{owner}.{node.attr}"


def test_what_is_private_to_prefect_and_dask_stands_in_one_module_each():
    found = {
        f"{path.relative_to(ROOT)} uses {name}"
        for package in BELOW
        for path in modules(package)
        if str(path.relative_to(ROOT)) not in INTERNALS
        for name in private_names(path)
    }
    assert found == set()
    # The rule would see one.
    assert [*private_names(ROOT / INTERNALS[0])]


def test_the_values_stand_on_nothing():
    assert {top(name) for name in imports(ROOT / "imgur_mirror" / "models.py")} <= set(
        sys.stdlib_module_names
    )


@pytest.mark.parametrize(
    ("package", "never"),
    [
        ("imgur_mirror", {"prefect", "distributed", *(set(BELOW) - {"imgur_mirror"})}),
        ("standin", {"prefect", "distributed", *(set(BELOW) - {"standin"})}),
    ],
)
def test_what_stands_alone_loads_alone(package, never):
    """Told by the interpreter, which also sees what libraries bring along."""
    names = [dotted(path) for path in modules(package) if path.name != "__main__.py"]
    code = f"import sys\nimport {', '.join(names)}\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.split()
    assert set(names) <= set(loaded)
    assert {top(name) for name in loaded} & never == set()


def test_a_flow_loads_what_it_needs_before_it_runs():
    """Told by the interpreter; prefect.main sets up logging, and takes longer than all of ours."""
    waits = {
        *("PIL", "aiohttp", "dask", "distributed", "imgurpython", "matplotlib"),
        *("numpy", "pandas", "prefect.flow_engine", "prefect.main", "prefect.task_engine"),
        *("prefect_dask", "pyarrow", "requests", "urllib3"),
    }
    code = "import sys, flows.mirror_album\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.split()
    assert "prefect.flows" in loaded
    assert set(loaded) & waits == set()


def test_the_guide_names_files_that_are_there():
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", (ROOT / "CONTRIBUTING.md").read_text())
    assert len(named) > 10
    missing = [
        name
        for name in named
        if not any((ROOT / top / name).is_file() for top in ("", "imgur_mirror"))
    ]
    assert missing == []
