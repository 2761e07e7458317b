"""A small API."""

import os

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def greeting() -> dict[str, str]:
    """Say hello."""
    return {"hello": os.environ.get("GREETING", "FastAPI"), "version": "1"}


@app.get("/healthz")
def healthy() -> str:
    """Whether it works."""
    return "ok"
