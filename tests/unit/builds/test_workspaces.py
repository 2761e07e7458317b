"""Apps of workspaces: installed at the root, built and started in their folder, and no internal package is asked from a registry."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from landfall.builds.errors import UndetectedError
from landfall.builds.fetch import place
from landfall.builds.image.start import check_start
from landfall.builds.plan import BuildOverrides, BuildPlan
from landfall.builds.planning import located, plan_of, tree_of
from landfall.builds.workspaces import is_member
from tests.support.trees import Files


def manifest(name: str, scripts: dict[str, str] | None = None, needs: dict[str, str] | None = None, **more: object) -> str:
    return json.dumps({"name": name, "scripts": scripts or {}, "dependencies": needs or {}, **more})


_NPM = {
    "package.json": json.dumps({"private": True, "workspaces": ["apps/*", "packages/*"], "engines": {"node": "22"}}),
    "package-lock.json": "{}",
    "apps/api/package.json": manifest("api", {"start": "node server.js"}, {"express": "5", "@acme/words": "*"}),
    "apps/api/server.js": "require('express')",
    "apps/web/package.json": manifest("web", {"build": "vite build"}, {"vite": "7", "@acme/ui": "workspace:*"}),
    "apps/web/index.html": "",
    "apps/web/vite.config.ts": "",
    "apps/site/package.json": manifest("site", {"build": "next build", "start": "next start"}, {"next": "15", "@acme/ui": "*"}),
    "packages/words/package.json": manifest("@acme/words", {"build": "tsc"}),
    "packages/ui/package.json": manifest("@acme/ui", {"build": "tsup"}, {"@acme/words": "*"}),
    "other/package.json": manifest("other", {"start": "node server.js"}, {"express": "5"}),
    "other/server.js": "require('express')",
}


def write_files(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def planned_at(root: Path, path: str) -> BuildPlan:
    tree_root, inside = located(root, path)
    return plan_of(tree_of(tree_root), BuildOverrides(), path=inside)


def test_an_app_of_a_workspace_is_installed_at_the_root_and_started_in_its_folder(tmp_path: Path) -> None:
    plan = planned_at(write_files(tmp_path, _NPM), "apps/api")
    assert plan.package_manager == "npm (package-lock.json)"
    assert plan.version == "22.20.0"
    assert plan.install == ("npm install --no-save --no-audit --no-fund",)
    assert plan.build == ("cd packages/words && npm run build",)
    assert plan.start == "cd apps/api && node server.js"
    assert plan.paths == ("apps/api/node_modules/.bin", "node_modules/.bin")
    assert [layer.include for layer in plan.layers] == [(".",)]
    assert (plan.keys, plan.packages) == ((), "")
    check_start(tmp_path, plan)


def test_a_site_of_a_workspace_is_the_folder_that_it_writes(tmp_path: Path) -> None:
    plan = planned_at(write_files(tmp_path, _NPM), "./apps/web/")
    assert plan.output == "apps/web/dist"
    assert plan.build[:2] == ("cd packages/words && npm run build", "cd packages/ui && npm run build")
    assert plan.build[2] == "cd apps/web && npm run build"
    assert plan.layers[0].rooted == ("apps/web/dist",)


def test_next_of_a_workspace_is_started_with_its_packages(tmp_path: Path) -> None:
    plan = planned_at(write_files(tmp_path, _NPM), "apps/site")
    assert plan.start == "cd apps/site && next start"
    assert plan.build[-1] == "cd apps/site && NEXT_TELEMETRY_DISABLED=1 npm run build"


def test_a_folder_outside_the_workspace_is_built_on_its_own(tmp_path: Path) -> None:
    write_files(tmp_path, _NPM)
    assert located(tmp_path, "other") == (tmp_path / "other", ".")
    assert planned_at(tmp_path, "other").start == "node server.js"


def test_an_internal_package_is_never_asked_from_a_registry(tmp_path: Path) -> None:
    app = write_files(tmp_path, _NPM) / "apps" / "web"
    with pytest.raises(UndetectedError) as raised:
        plan_of(tree_of(app), BuildOverrides())
    assert raised.value.reason == "WorkspaceMissing"
    assert "@acme/ui is a package of a workspace" in raised.value.message


@pytest.mark.parametrize(
    ("files", "path", "member"),
    [
        ({"package.json": '{"workspaces": {"packages": ["apps/*"]}}', "apps/a/package.json": "{}"}, "apps/a", True),
        ({"package.json": '{"workspaces": ["apps/*", "!apps/a"]}', "apps/a/package.json": "{}"}, "apps/a", False),
        ({"package.json": '{"workspaces": ["apps/**"]}', "apps/x/a/package.json": "{}"}, "apps/x/a", True),
        ({"package.json": '{"workspaces": ["./apps/a/"]}', "apps/a/package.json": "{}"}, "apps/a", True),
        ({"package.json": '{"workspaces": ["apps/*"]}', "apps/x/a/package.json": "{}"}, "apps/x/a", False),
        (
            {
                "package.json": "{}",
                "pnpm-workspace.yaml": "packages:\n  - 'apps/*'\n  # more\n  - lib\n",
                "apps/a/package.json": "{}",
            },
            "apps/a",
            True,
        ),
        (
            {
                "package.json": "{}",
                "pnpm-workspace.yaml": "catalog:\n  a: 1\n\npackages:\n- apps/*\n",
                "apps/a/package.json": "{}",
            },
            "apps/a",
            True,
        ),
        (
            {"package.json": "{}", "pnpm-workspace.yaml": "onlyBuiltDependencies: []\n", "apps/a/package.json": "{}"},
            "apps/a",
            False,
        ),
        ({"go.work": "go 1.24\nuse ./api\n", "api/go.mod": "module a\n"}, "api", True),
        ({"package.json": '{"workspaces": ["apps/*"]}', "apps/a/README.md": ""}, "apps/a", False),
    ],
)
def test_who_belongs_to_a_workspace(files: dict[str, str], path: str, *, member: bool) -> None:
    assert is_member(Files(files), path) == member
    assert not is_member(Files(files), ".")


def test_a_module_of_a_go_workspace_is_built_beside_the_others(tmp_path: Path) -> None:
    main = "package main\nfunc main() {}\n"
    files = {
        "go.work": "go 1.24\nuse (\n ./api\n ./lib\n)\n",
        "api/go.mod": "module a\n\ngo 1.24\n",
        "api/main.go": main,
        "lib/go.mod": "module l\n",
    }
    plan = planned_at(write_files(tmp_path, files), "api")
    assert plan.install == ("cd api && go mod download",)
    assert plan.build == ('cd api && CGO_ENABLED=0 go build -ldflags="-w -s" -o out .',)
    assert plan.start == "cd api && ./out"


def test_a_fetched_workspace_stays_whole_and_another_folder_does_not(tmp_path: Path) -> None:
    write_files(tmp_path / "repository", _NPM)
    for path, expected in (("apps/api", "packages"), ("other", "server.js")):
        into = tmp_path / path.replace("/", "-")
        into.mkdir()
        file = Path(shutil.make_archive(str(tmp_path / "sources"), "tar", tmp_path / "repository"))
        place(file, into, path)
        assert (into / expected).exists()
        assert (into / "apps").exists() == (path == "apps/api")
