"""Passwords leave texts however they are spelled, other words stay, and no text takes long."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landfall.lib.redact import redacted
from landfall.worker.build import _forms

_SPELLINGS = r"""
DB_PASSWORD=Xq7
PGPASSWORD=Xq7 psql -c x
MYSQL_PWD=Xq7
{"password": "Xq7 y", "a": 1}
{\"password\":\"Xq7\",\"a\":1}
'password' => 'Xq7',
password := "Xq7"
ENV["password"] = "Xq7"
Password: Xq7
db_pass: Xq7
apiKey: "Xq7"
AWS_SECRET_ACCESS_KEY=Xq7
export SECRET_KEY='Xq7 y'
client_secret=Xq7&a=b
AccountKey=Xq7;EndpointSuffix=core
//npm.example.org/:_authToken=Xq7
Authorization: Bearer Xq7
authorization: token Xq7
"Authorization": "Basic Xq7"
x-api-key: Xq7
Cookie: sid=Xq7; b=Xq7
curl -u user:Xq7 https://h
mysql -h h -pXq7 d
--password Xq7
--password=Xq7
--token Xq7
machine h login u password Xq7
CREATE USER u IDENTIFIED BY 'Xq7 y'
CREATE USER u IDENTIFIED WITH mysql_native_password AS 'Xq7'
ALTER ROLE u PASSWORD 'Xq7 y'
redis://:Xq7@h:6379/0
postgres://u:Xq7@Xq7@h/d
postgres://u:Xq7/Xq7@h/d
POSTGRES://u:Xq7@h/d
https://Xq7Xq7Xq7Xq7Xq7Xq7Xq7@github.com/a
<password>Xq7</password>
ghp_Xq7Xq7Xq7Xq7Xq7Xq7Xq7Xq7
eyJXq7Xq7Xq7Xq7.Xq7Xq7Xq7Xq7.Xq7
-----BEGIN RSA PRIVATE KEY-----\nXq7
"""


@pytest.mark.parametrize("line", _SPELLINGS.strip().splitlines())
def test_a_password_leaves_the_line(line: str) -> None:
    for text in (line, f"step 3: {line}", f"a\n{line}\nb"):
        assert "Xq7" not in redacted(text.replace("\\n", "\n"))
        assert "***" in redacted(text)


@pytest.mark.parametrize(
    "line",
    [
        "spec.secretRef: no such Secret",
        'password authentication failed for user "x"',
        "Secret shop has no key url",
        "set spec.tls.caSecretRef: x",
        "the Secret's url: not a valid URL",
        "https://npm.example.org/@babel/core",
        "http://localhost:4873/@babel/core",
        "https://packages.registry.example.org/@babel/core",
        "https://packages.registry.example.org:8443/npm/@babel/core",
        "ssh://git@github.com/a",
        "https://h/x?a=b#c",
        "docker run -u 1000:1000 x",
        "basic authentication is on",
        "tokens: 5",
        "ok 12 - pass: 3",
        "give the Secret a `url` with the parameter require_auth",
    ],
)
def test_other_words_stay(line: str) -> None:
    assert redacted(line) == line


_UNITS = (
    *(
        "a.",
        "a-",
        "a://b",
        "a://b:c",
        "://",
        "a:",
        "@",
        "x",
        " ",
        "'",
        '\\"',
        "password",
        'password="',
        "password='\\\"",
        "token ",
    ),
    *(
        "<a",
        "eyJ",
        "eyJa.",
        "-----BEGIN PRIVATE KEY-----",
        "--a",
        "-u a",
        "mysql a ",
        "login a ",
        "identified by ",
        "authorization: a ",
    ),
    *("basic ", "cookie ", "ghp_", "gla-", "secret =", "-p", "key"),
)


@pytest.mark.parametrize("unit", _UNITS)
def test_the_time_is_linear_in_the_length(unit: str) -> None:
    def seconds(length: int) -> float:
        text = unit * (length // len(unit))
        began = time.process_time()
        redacted(text)
        return time.process_time() - began

    assert min(seconds(64_000) for _ in range(3)) < 0.2
    assert min(seconds(512_000) for _ in range(2)) < 1.6, "a quadratic pattern takes minutes"


@given(st.text(max_size=300))
def test_every_text_is_taken(text: str) -> None:
    assert "hunter22" not in redacted(f"{text} hunter22 {text}", "hunter22")


def test_a_known_secret_leaves_in_each_of_its_forms() -> None:
    forms = list(_forms(["p w/1234+", "line one\nline two", "no"]))
    for form in ("p w/1234+", "p%20w%2F1234%2B", "cCB3LzEyMzQr", "line one", "line two"):
        assert redacted(f"it is {form}.", *forms) == "it is ***."
    assert redacted("no news", *forms) == "no news"
