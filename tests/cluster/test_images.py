"""Our image: the same sources make the same one, and its bill of materials names all that is in it."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from tests.cluster import images, kind

Object = dict[str, object]


def _packed(archive: Path) -> tuple[list[str], dict[str, bytes]]:
    """Of a docker-archive: its layers' digests, and what is asked for in the topmost."""
    with tarfile.open(archive) as packed:

        def read(name: str) -> bytes:
            file = packed.extractfile(name)
            assert file
            return file.read()

        manifest = json.loads(read("manifest.json"))[0]
        layers = [hashlib.sha256(read(name)).hexdigest() for name in manifest["Layers"]]
        contents: dict[str, bytes] = {}
        topmost = packed.extractfile(manifest["Layers"][-1])
        assert topmost
        with tarfile.open(fileobj=topmost) as layer:
            for member in layer:
                file = layer.extractfile(member) if member.isfile() else None
                if file and (member.name.endswith((images.BILL, ".dist-info/METADATA"))):
                    contents[member.name] = file.read()
        return layers, contents


@pytest.mark.skipif(kind.available(), reason="Docker's builder dates what it makes")
def test_the_same_sources_make_the_same_image(tmp_path: Path) -> None:
    images.landfall_anew(tmp_path / "again.tar")
    assert _packed(tmp_path / "again.tar")[0] == _packed(images.landfall())[0]


def test_its_bill_of_materials_names_all_that_is_in_it() -> None:
    contents = _packed(images.landfall())[1]
    bill = json.loads(next(text for name, text in contents.items() if name.endswith(images.BILL)))
    listed = {(component["name"].lower().replace("_", "-"), component["version"]) for component in bill["components"]}
    installed = set()
    for name, text in contents.items():
        if name.endswith("METADATA"):
            fields = dict(line.split(": ", 1) for line in text.decode().split("\n\n")[0].splitlines() if ": " in line)
            installed.add((fields["Name"].lower().replace("_", "-"), fields["Version"]))
    assert listed == installed
    assert len(installed) > 40
    assert bill["metadata"]["component"]["name"] == "landfall"
    assert all(component.get("licenses") for component in bill["components"]), [
        component["name"] for component in bill["components"] if not component.get("licenses")
    ]
