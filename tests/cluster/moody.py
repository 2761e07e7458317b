"""An app that does what its variable MOOD says, for tests of what goes well and what does not."""

from __future__ import annotations

import os

from tests.cluster.conftest import Object

_PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")
REPOSITORY = f"example-org/moody{_PROCESS}"  # other test processes push to theirs
FAST = {"observeSeconds": 3, "drainSeconds": 1, "keepWarmSeconds": 0}
_SERVER = """import express from "express";
const app = express();
const mood = process.env.MOOD ?? "well";
app.get("/", (_request, response) => (mood === "500" ? response.status(500).send("no") : response.send(`mood: ${mood}`)));
if (mood === "dies") { console.error("the harbour is closed"); process.exit(3); }
if (mood === "silent") setInterval(() => {}, 1000);
else if (mood === "loopback") app.listen(process.env.PORT, "127.0.0.1");
else if (mood === "port") app.listen(4444);
else app.listen(process.env.PORT);
if (mood === "sinks") setTimeout(() => { console.error("hull breached"); process.exit(4); }, 2500);
"""
FILES = {
    "package.json": '{"type": "module", "dependencies": {"express": "5.1.0"}, "scripts": {"start": "node server.js"}}',
    "server.js": _SERVER,
}


def deployment(namespace: str, name: str, **spec: object) -> Object:
    """A Deployment of the moody app."""
    whole_spec = {"source": {"github": {"repository": REPOSITORY, "branch": "main"}}, "rollout": FAST, **spec}
    return {
        "apiVersion": "landfall.dev/v1alpha1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": whole_spec,
    }
