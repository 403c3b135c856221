"""The layout of the package: importing it is light and changes nothing, and what it needs is declared."""

import ast
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "bayesff"
SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCES
    if path.name != "__main__.py"
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def in_fresh_python(code: str) -> str:
    """Run code in an interpreter of its own, without the settings of the tests, and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def called_names(tree: ast.AST) -> list[tuple[int, str]]:
    return [(node.lineno, ast.unparse(node.func)) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_importing_bayesff_imports_nothing_heavy() -> None:
    heavy = {"jax", "numpy", "scipy", "numpyro", "xarray", "pandas", "matplotlib", "arviz_base", "pint", "pydantic"}
    loaded = in_fresh_python("import bayesff, sys; print(*sys.modules)").split()
    assert "bayesff" in loaded
    assert heavy.isdisjoint(loaded), heavy.intersection(loaded)


def test_importing_every_module_changes_no_setting_of_jax_and_prints_nothing() -> None:
    code = f"""
import importlib, io, contextlib, json, warnings, jax
for library in ("numpyro", "equinox", "optimistix", "arviz_base", "arviz_stats", "blackjax"):
    importlib.import_module(library)
before = dict(jax.config.values)
said = io.StringIO()
with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
    for name in {MODULES!r}:
        importlib.import_module(name)
after = dict(jax.config.values)
changed = sorted(key for key in before | after if before.get(key) != after.get(key))
print(json.dumps([changed, said.getvalue()]))
"""
    changed, said = json.loads(in_fresh_python(code).strip().splitlines()[-1])
    assert changed == []
    assert said == ""


# The command line is the program, not the library: it may speak, and the settings of JAX are its own.
@pytest.mark.parametrize("path", [path for path in SOURCES if path.name not in ("cli.py", "__main__.py")], ids=str)
def test_no_module_prints_or_sets_jax(path: Path) -> None:
    forbidden = {"print", "jax.config.update", "config.update", "numpyro.enable_x64", "numpyro.set_host_device_count"}
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for line, name in called_names(ast.parse(path.read_text(encoding="utf-8")))
        if name in forbidden
    ]
    assert found == []


def test_every_import_is_a_declared_dependency() -> None:
    extras = [item for name, items in PROJECT["optional-dependencies"].items() if name != "dev" for item in items]
    declared = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in [*PROJECT["dependencies"], *extras]}
    providers = importlib.metadata.packages_distributions()
    missing = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and node.level == 0
                else []
            )
            for name in {name.split(".")[0] for name in names} - {"bayesff"} - set(sys.stdlib_module_names):
                distributions = {found.lower().replace("_", "-") for found in providers.get(name, [name])}
                if distributions.isdisjoint(declared):
                    missing.add(f"{path.relative_to(ROOT)}: {name}")
    assert not missing


def test_no_sub_package_bears_the_name_of_a_top_level_folder() -> None:
    folders = {item.name for item in ROOT.iterdir() if item.is_dir()} - {"bayesff", "__pycache__"}
    assert folders.isdisjoint(item.name for item in PACKAGE.iterdir())


def test_versions_agree() -> None:
    import bayesff

    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert citation is not None
    assert bayesff.__version__ == PROJECT["version"] == citation[1]


def test_constraints_pin_every_direct_dependency_and_name_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.!+]+", pin) for pin in pins)
    assert pins == sorted(pins)
    pinned = {pin.split("==")[0] for pin in pins}
    wanted = [*PROJECT["dependencies"], *(each for extra in PROJECT["optional-dependencies"].values() for each in extra)]
    names = {re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-") for requirement in wanted}
    assert names <= pinned, names - pinned


@pytest.fixture(scope="module")
def unpacked_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    name = in_fresh_python(code).split()[-1]
    with zipfile.ZipFile(folder / name) as wheel:
        wheel.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.mark.parametrize("folder", ["data", "models"])
def test_the_wheel_holds_the_data_and_the_studies(unpacked_wheel: Path, folder: str) -> None:
    def content(root: Path) -> dict[str, bytes]:
        paths = [path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        return {str(path.relative_to(root)): path.read_bytes() for path in paths}

    expected = content(ROOT / folder)
    assert expected
    assert content(unpacked_wheel / "bayesff" / "share" / folder) == expected
    assert not list(unpacked_wheel.rglob("__pycache__"))


def test_an_installed_package_finds_its_own_catalogue(unpacked_wheel: Path) -> None:
    code = f"""
import json, sys
sys.path.insert(0, {str(unpacked_wheel)!r})
import bayesff.datasets
print(json.dumps([bayesff.__file__, bayesff.datasets.catalogue()]))
"""
    place, names = json.loads(in_fresh_python(code))
    assert Path(place).is_relative_to(unpacked_wheel)
    assert names == sorted(path.parent.name for path in (ROOT / "data").glob("*/metadata.toml"))
    assert names


def test_the_wheel_says_that_it_is_typed(unpacked_wheel: Path) -> None:
    assert (unpacked_wheel / "bayesff" / "py.typed").is_file()
