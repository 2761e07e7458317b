"""What packages follow from: every file that decides them, and nothing where more than files does."""

from __future__ import annotations

import json

import pytest

from landfall.builds.cache_keys import installs_lock_file_only
from landfall.builds.detect.detect import detected
from landfall.builds.detect.result import Detected
from landfall.builds.languages.registry import KNOWN
from landfall.builds.plan import BuildOverrides, BuildPlan, make_plan
from tests.support.trees import Files

_SERVER = "require('express')"
_APP = "from fastapi import FastAPI\napp = FastAPI()\n"
_LISTED = {"requirements.txt": "fastapi\n", "main.py": _APP}


def node(dependencies: dict[str, str] | None = None, files: dict[str, str] | None = None, **more: object) -> dict[str, str]:
    manifest = {"dependencies": {"express": "5", **(dependencies or {})}, **more}
    return {"package.json": json.dumps(manifest), "server.js": _SERVER, **(files or {})}


def plan_of(files: dict[str, str], install: str = "") -> BuildPlan:
    detection = detected(Files(files), KNOWN)
    assert isinstance(detection, Detected), detection
    return make_plan(Files(files), detection, BuildOverrides(install=install))


KEPT: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "a manifest": (node(), ("package.json",)),
    "and its lock file": (node(files={"package-lock.json": "{}"}), ("package-lock.json", "package.json")),
    "and where packages come from": (
        node(files={".npmrc": "", "pnpm-lock.yaml": "", "pnpm-workspace.yaml": "onlyBuiltDependencies: []\n"}),
        (".npmrc", "package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"),
    ),
    "and the yarn of the app, with its plugins": (
        node(
            files={
                "yarn.lock": "",
                ".yarnrc.yml": 'plugins:\n  - path: .yarn/plugins/p.cjs\n    spec: "x"\n  - ./q.cjs\nyarnPath: .yarn/releases/yarn-4.12.0.cjs\n',
                **dict.fromkeys((".yarn/plugins/p.cjs", ".yarn/releases/yarn-4.12.0.cjs", "q.cjs"), ""),
            },
            packageManager="yarn@4.12.0",
        ),
        (".yarn/plugins/p.cjs", ".yarn/releases/yarn-4.12.0.cjs", ".yarnrc.yml", "package.json", "q.cjs", "yarn.lock"),
    ),
    "scripts that installing does not run": (node(scripts={"start": "node server.js", "test": "x"}), ("package.json",)),
    "requirements": (_LISTED, ("requirements.txt",)),
    "and what they include": (
        {
            **_LISTED,
            "requirements.txt": "-r requirements/prod.txt\n-c ./limits.txt\n",
            "requirements/prod.txt": "-r base.txt\nfastapi\n",
            "requirements/base.txt": "httpx --hash=sha256:00\n",
            "limits.txt": "httpx<1\n",
        },
        ("limits.txt", "requirements.txt", "requirements/base.txt", "requirements/prod.txt"),
    ),
    "files that include each other": (
        {**_LISTED, "requirements.txt": "-r other.txt\nfastapi\n", "other.txt": "-r requirements.txt\nhttpx\n"},
        ("other.txt", "requirements.txt"),
    ),
    "a project and its lock": (
        {"pyproject.toml": '[project]\nname = "x"\ndependencies = ["fastapi"]\n', "uv.lock": "", "main.py": _APP},
        ("pyproject.toml", "uv.lock"),
    ),
    "a package of another place": ({**_LISTED, "requirements.txt": "fastapi @ https://x.example/f.whl\n"}, ("requirements.txt",)),
}
NOT_KEPT: dict[str, dict[str, str]] = {
    "a script of its own": node(scripts={"start": "node server.js", "postinstall": "node make.js"}),
    "hooks": node(scripts={"start": "node server.js", "prepare": "husky"}),
    "workspaces": node(workspaces=["packages/*"]),
    "workspaces of pnpm": node(files={"pnpm-lock.yaml": "", "pnpm-workspace.yaml": "packages:\n  - lib\n"}),
    "a package of the tree": node({"lib": "file:lib"}),
    "by its path": node({"lib": "./lib"}),
    "by a link": node({"lib": "link:lib"}),
    "a patch": node({"ms": "patch:ms@npm%3A2.1.2#~/.yarn/patches/ms.patch"}),
    "patches of pnpm": node(pnpm={"patchedDependencies": {"ms": "patches/ms.patch"}}),
    "a hook of pnpm": node(files={".pnpmfile.cjs": ""}),
    "a native module of the app": node(files={"binding.gyp": "{}"}),
    "a shell of the app": node(files={".npmrc": "script-shell=./shell.sh\n"}),
    "a hook of Node.js": node(files={".npmrc": 'node-options = "--require ./hook.js"\n'}),
    "a yarn that is not there": node(files={"yarn.lock": "", ".yarnrc": 'yarn-path "../yarn.js"\n'}),
    "a project that is installed itself": {"setup.cfg": "[options]\ninstall_requires = fastapi\n", "main.py": _APP},
    "dependencies that its code computes": {
        "pyproject.toml": '[project]\nname = "x"\ndependencies = ["fastapi"]\ndynamic = ["version"]\n[build-system]\nbackend-path = ["."]\n',
        "main.py": _APP,
    },
    "an override of the tree": node(overrides={"ms": "file:ms"}),
    "no lock file, where one is left": node(packageManager="yarn@4.12.0"),
    "an editable package": {**_LISTED, "requirements.txt": "fastapi\n-e lib\n"},
    "the project itself": {**_LISTED, "requirements.txt": "fastapi\n.\n"},
    "a wheel of the tree": {**_LISTED, "requirements.txt": "fastapi\nwheels/lib-1-py3-none-any.whl\n"},
    "a folder of wheels": {**_LISTED, "requirements.txt": "fastapi\n--find-links wheels\n"},
    "a list that is not there": {**_LISTED, "requirements.txt": "fastapi\n-r ../shared/requirements.txt\n"},
    "an editable package, further in": {**_LISTED, "requirements.txt": "fastapi\n-r more.txt\n", "more.txt": "-e lib\n"},
    "a source of the tree": {
        "pyproject.toml": '[project]\nname = "x"\ndependencies = ["fastapi", "lib"]\n[tool.uv.sources]\nlib = { path = "lib" }\n',
        "uv.lock": "",
        "main.py": _APP,
    },
    "a package of the tree, for pipenv": {"Pipfile": "[packages]\nfastapi = '*'\nlib = {path = './lib'}\n", "main.py": _APP},
}


@pytest.mark.parametrize("name", KEPT)
def test_packages_are_kept_by_what_they_follow_from(name: str) -> None:
    files, keys = KEPT[name]
    assert plan_of(files).keys == keys


@pytest.mark.parametrize("name", NOT_KEPT)
def test_packages_that_follow_from_more_are_not_kept(name: str) -> None:
    assert plan_of(NOT_KEPT[name]).keys == ()


@pytest.mark.parametrize(
    ("command", "is_plain"),
    [
        ("npm ci", True),
        ("npm ci --omit=dev", True),
        ("npm ci --prefix=client", False),
        ("npm ci --legacy-peer-deps", True),
        ("npm install --no-save --legacy-peer-deps", True),
        ("npm install", False),
        ("npm ci && npm run generate", False),
        ("npm ci; make", False),
        ("pnpm install --frozen-lockfile", True),
        ("yarn install --immutable", True),
        ("make deps", False),
    ],
)
def test_a_command_of_a_persons_own_is_skipped_only_where_it_does_nothing_else(command: str, *, is_plain: bool) -> None:
    assert installs_lock_file_only(command) == is_plain
    plan = plan_of(node(), command)
    assert bool(plan.keys) == is_plain
    assert ("every build executes it" in " ".join(plan.notes)) == (not is_plain)
