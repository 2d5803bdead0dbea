"""The house stands: floors hold and their guards bite, imports are lazy, functions are short."""

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivetrain.core.rooms import PACKAGE, method_names, room_names

ROOT = PACKAGE.parent
LINT = Path(sys.executable).with_name("lint-imports")

# Contract: the file that breaks it, what that file says, and the import that must be named.
PLANTS = {
    "floors: import downwards only": {
        "core/planted.py": ("import drivetrain.data", "drivetrain.core.planted -> drivetrain.data"),
        "optim/planted_up.py": (
            "def late():\n    from drivetrain.gallery import page",
            "drivetrain.optim.planted_up -> drivetrain.gallery",
        ),
        "optim/planted_beside.py": (
            "from drivetrain import approximation",
            "drivetrain.optim.planted_beside -> drivetrain.approximation",
        ),
    },
    "peers only in bench.peers": {
        "optim/planted_peer.py": (
            "def late():\n    import bitsandbytes.optim",
            "drivetrain.optim.planted_peer -> bitsandbytes",
        ),
        "bench/planted_peer.py": ("import river", "drivetrain.bench.planted_peer -> river"),
    },
    "triton only in _triton.py": {
        "optim/planted_triton.py": (
            "import triton.language as tl",
            "drivetrain.optim.planted_triton -> triton",
        ),
    },
    "tyro only in commands": {
        "bench/planted_tyro.py": ("import tyro", "drivetrain.bench.planted_tyro -> tyro"),
    },
    "matplotlib and jinja2 only in gallery": {
        "bench/planted_picture.py": (
            "from matplotlib import pyplot",
            "drivetrain.bench.planted_picture -> matplotlib",
        ),
        "commands/planted_page.py": ("import jinja2", "drivetrain.commands.planted_page -> jinja2"),
    },
    "dask only in dask.py": {
        "boosting/planted_dask.py": (
            "import dask.array",
            "drivetrain.boosting.planted_dask -> dask",
        ),
    },
    "fastapi only in serve": {
        "commands/planted_http.py": (
            "import fastapi, uvicorn",
            "drivetrain.commands.planted_http -> fastapi",
        ),
    },
    "torchvision and torchaudio nowhere": {
        "bench/peers/planted_vision.py": (
            "import torchvision",
            "drivetrain.bench.peers.planted_vision -> torchvision",
        ),
    },
    "no cycles between siblings": {
        "medusa/planted_a.py": ("from drivetrain.medusa import planted_b", "planted_a"),
        "medusa/planted_b.py": ("from drivetrain.medusa import planted_a", "planted_b"),
    },
}
# What the contracts allow on purpose; none of these may be reported.
ALLOWED = {
    "bench/peers/allowed.py": "import river, xgboost",
    "amp/_triton.py": "import triton",
    "serve/allowed.py": "import fastapi",
    "boosting/dask.py": "import dask",
    "sd3/allowed.py": "import drivetrain.flow_matching, drivetrain.training",
    "gallery/allowed.py": "import drivetrain.bench",
    "data/allowed.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import drivetrain.optim"
    ),
}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "300", "NO_COLOR": "1"},
    )


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Everything the import linter says of a copy in which every contract is violated."""
    folder = tmp_path_factory.mktemp("house")
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, folder / "drivetrain", ignore=unwanted)
    shutil.copy(ROOT / "pyproject.toml", folder)
    files = {path: text for plants in PLANTS.values() for path, (text, _) in plants.items()}
    for path, text in {**files, **ALLOWED}.items():
        (folder / "drivetrain" / path).write_text(text + "\n")
    run = lint_imports(folder)
    assert run.returncode == 1, run.stdout + run.stderr
    return run.stdout


def section(report: str, contract: str) -> str:
    """Return what the report says of one broken contract."""
    _, _, rest = report.partition("Broken contracts")
    found = re.search(
        rf"^{re.escape(contract)}\n-+\n(.*?)(?=^[^\n]+\n-{{4,}}\n|\Z)", rest, re.M | re.S
    )
    assert found, f"{contract} is not among the broken contracts"
    return found[1]


def test_every_contract_is_kept() -> None:
    run = lint_imports(ROOT)
    assert run.returncode == 0, run.stdout
    assert f"{len(PLANTS)} kept, 0 broken" in run.stdout


def test_every_contract_has_a_plant() -> None:
    named = re.findall(r'^name = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)
    assert set(PLANTS) == set(named) - {"drivetrain"}


@pytest.mark.parametrize("contract", PLANTS)
def test_a_planted_violation_breaks_its_contract(planted: str, contract: str) -> None:
    assert f"{contract} BROKEN" in planted
    words = section(planted, contract)
    for _, named in PLANTS[contract].values():
        assert named in words


@pytest.mark.parametrize("path", ALLOWED)
def test_what_is_allowed_is_not_reported(planted: str, path: str) -> None:
    module = "drivetrain." + path.removesuffix(".py").replace("/", ".")
    assert not re.search(rf"\b{re.escape(module)} ->", planted)


# Imports are lazy.


def loaded_by(statement: str, *suspects: str) -> list[str]:
    code = f"import sys\n{statement}\nprint([m for m in {suspects!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return list(ast.literal_eval(run.stdout))


HEAVY = ("torch", "numba", "numpy", "scipy", "sklearn", "rich", "tyro", "pandas", "matplotlib")


def test_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import drivetrain; dir(drivetrain)", *HEAVY, "typing_extensions") == []


@pytest.mark.parametrize("room", room_names())
def test_every_room_opens_without_its_libraries(room: str) -> None:
    assert loaded_by(f"import drivetrain.{room}", *HEAVY) == []


def test_approximation_never_needs_torch() -> None:
    touch = "import drivetrain.approximation as room\nfor name in room.__all__: getattr(room, name)"
    assert loaded_by(touch, "torch", "matplotlib", "rich") == []


OPENED = [room for room in room_names() if (PACKAGE / room / "__init__.pyi").exists()]


@pytest.mark.parametrize("room", OPENED)
def test_every_public_name_is_there(room: str) -> None:
    code = f"import drivetrain.{room} as room, json\nprint(json.dumps(sorted(room.__all__)))\n"
    code += "missing = [n for n in room.__all__ if getattr(room, n) is None]\nassert not missing"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert len(json.loads(run.stdout)) > 0


@pytest.mark.parametrize("room", OPENED)
def test_every_public_name_says_what_it_is(room: str) -> None:
    module = importlib.import_module(f"drivetrain.{room}")
    silent = {
        name
        for name in module.__all__
        if callable(getattr(module, name)) and not (getattr(module, name).__doc__ or "").strip()
    }
    assert silent == set()


def test_rooms_are_reached_by_one_word() -> None:
    code = "import drivetrain\nprint(drivetrain.core.__name__, 'optim' in dir(drivetrain))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "drivetrain.core True\n"


def test_an_unknown_room_is_an_attribute_error() -> None:
    import drivetrain

    with pytest.raises(AttributeError, match="no attribute 'optin'"):
        drivetrain.optin  # noqa: B018


@pytest.mark.parametrize("path", sorted(PACKAGE.glob("**/__init__.py")), ids=str)
def test_package_files_hold_names_only(path: Path) -> None:
    # The package's own __init__ resolves rooms; all others are a docstring and at most lazy_loader.
    if path.parent == PACKAGE:
        return
    tree = ast.parse(path.read_text(encoding="utf8"))
    assert ast.get_docstring(tree)
    for node in tree.body[1:]:
        text = ast.unparse(node)
        assert text == "import lazy_loader" or "lazy_loader.attach_stub(__name__, __file__)" in text


# Sizes.


def sources() -> Iterator[Path]:
    return (path for path in PACKAGE.rglob("*.py") if path.name not in ("_numba.py", "_triton.py"))


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}", node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from ``def`` to its end, without its docstring."""
    assert node.end_lineno
    lines = node.end_lineno - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None and first.end_lineno:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def arity(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def test_no_function_is_long() -> None:
    assert {where: length(node) for where, node in functions() if length(node) > 40} == {}


# The faces of torch's optimizers take the arguments of torch's optimizers.
MANY_ARGUMENTS = re.compile(r"optim/\S+ __init__$")


def test_no_function_takes_many_arguments() -> None:
    many = {where: arity(node) for where, node in functions() if arity(node) > 7}
    assert {where for where in many if not MANY_ARGUMENTS.search(where)} == set()


def test_half_of_all_functions_are_a_handful_of_lines() -> None:
    lines = sorted(length(node) for _, node in functions())
    assert lines[len(lines) // 2] <= 10
    assert lines[len(lines) * 9 // 10] <= 25


def test_no_file_is_long() -> None:
    sizes = {path: len(path.read_text(encoding="utf8").splitlines()) for path in sources()}
    assert {str(p.relative_to(PACKAGE)): n for p, n in sizes.items() if n > 400} == {}


def test_every_signature_is_annotated() -> None:
    bare = set()
    for where, node in functions():
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        named = [a for a in arguments if a.arg not in ("self", "cls")]
        if node.returns is None or any(a.annotation is None for a in named):
            bare.add(where)
    assert bare == set()


def test_no_cupboards_for_everything() -> None:
    names = {path.stem for path in PACKAGE.rglob("*.py")}
    assert names.isdisjoint({"utils", "util", "helpers", "helper", "misc", "common"})


def test_no_unsafe_arithmetic() -> None:
    unsafe = [p for p in PACKAGE.rglob("*.py") if re.search(r"fastmath\s*=\s*True", p.read_text())]
    assert unsafe == []


# What is shipped.


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of all files in a wheel built from this tree, without asking for anything outside."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(path).namelist())


def test_the_wheel_holds_all_that_is_not_code(wheel: set[str]) -> None:
    assert "drivetrain/py.typed" in wheel
    assert {f"drivetrain/{method}/citation.bib" for method in method_names()} <= wheel
    kinds = {".pyi", ".bib", ".j2", ".css", ".js", ".json", ".typed"}
    here = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.suffix in kinds or path.suffix == ".py"
    }
    assert here <= wheel
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel)


def test_the_wheel_holds_nothing_else(wheel: set[str]) -> None:
    outside = {name for name in wheel if not name.startswith(("drivetrain/", "drivetrain-0"))}
    assert outside == set()
    assert not [name for name in wheel if "__pycache__" in name or name.endswith((".nbi", ".nbc"))]
