"""Tables over every column type, filled with extreme and random values, and how the checker reads them on each side."""

from __future__ import annotations

import random
import sqlite3
import struct
from pathlib import Path

from tests.support.servers import MariaDb, PostgreSql

FIXTURES = Path(__file__).parent.parent / "integration" / "fixtures"
_MULTIRANGES_SINCE = 140000
_TEXTS = (
    "",
    " ",
    "a",
    "\\",
    "\\N",
    "\\.",
    "\t",
    "\r\n",
    "'",
    '"',
    "~",
    "|",
    "1|2",
    "\x01",
    "\x02",
    "ü",
    "日本",
    "😀",
    "NULL",
    "a\x7fb",
)

# table: (expressions for MariaDB, expressions for PostgreSQL)
MARIADB = {
    "parent": (["id", "code", "title", "created", "touched"],) * 2,
    "numbers": (
        [
            *("id", "t", "tu", "s", "su", "m", "mu", "i", "iu", "b", "bu", "z", "flag", "notflag", "d", "du", "f*1e0", "g"),
            *("bit1+0", "bit9+0", "LPAD(BIN(bit64+0),64,'0')", "y+0", "half", "sum_ts"),
        ],
        [
            *("id", "t", "tu", "s", "su", "m", "mu", "i", "iu", "b", "bu", "z", "flag", "notflag", "d", "du", "f::float8", "g"),
            *("bit1", "bit9::int", "bit64::text", "y", "half", "sum_ts"),
        ],
    ),
    "texts": (
        [
            *(
                "id",
                "c",
                "REPLACE(v,CHAR(0),'')",
                "v0",
                "tt",
                "tx",
                "mt",
                "lt",
                "latin",
                "ucs",
                "e",
                "st",
                "j",
                "HEX(bi)",
                "HEX(vb)",
            ),
            *("HEX(tb)", "HEX(bl)", "HEX(mb)", "HEX(lb)", "u", "ip", "HEX(g)"),
        ],
        [
            *("id", "c", "v", "v0", "tt", "tx", "mt", "lt", "latin", "ucs", "e::text", "array_to_string(st,',')", "j::text"),
            *(f"upper(encode({c},'hex'))" for c in ("bi", "vb", "tb", "bl", "mb", "lb")),
            *("u::text", "host(ip)", "upper(encode(g,'hex'))"),
        ],
    ),
    "moments": (["id", "d", "dt", "dt6", "ts", "ts3", "ti", "ti6", "dd", "df"],) * 2,
    "child": (["a", "b", "parent", "twin"],) * 2,
    "keyless": (["a", "b"],) * 2,
    "`Order Lines`": (["`Line No`", "`select`"], ['"line no"', '"select"']),
    "empty_one": (["id", "v"],) * 2,
}


def target_name(table: str) -> str:
    """How the target spells a table of MARIADB."""
    return '"' + table.strip("`").lower() + '"'


def _hexed(text: str) -> str:
    return f"_utf8mb4 X'{text.encode().hex()}'" if text else "''"


def _double(rng: random.Random) -> float:
    while True:
        (value,) = struct.unpack("<d", rng.randbytes(8))
        if value == value and abs(value) != float("inf"):  # noqa: PLR0124  not a NaN
            return float(value)


def fill_mariadb(server: MariaDb, database: str, seed: int, rows: int = 300) -> None:
    """The schema, the extremes and random rows."""
    server.sql((FIXTURES / "mariadb.sql").read_text(), database)
    server.sql((FIXTURES / "mariadb_rows.sql").read_text(), database)
    rng = random.Random(seed)
    words = ["SET sql_mode='', time_zone='+00:00', foreign_key_checks=0;"]
    for n in range(100, 100 + rows):
        text = "".join(rng.choice(_TEXTS) for _ in range(rng.randrange(6)))
        number = rng.choice((rng.getrandbits(63), -rng.getrandbits(63), 0, 2**53 + 1))
        single = struct.unpack("<f", struct.pack("<f", rng.uniform(-1e6, 1e6)))[0]
        words.append(
            "INSERT INTO numbers(t,tu,s,su,m,mu,i,iu,b,bu,z,flag,notflag,d,du,f,g,bit1,bit9,bit64,y) VALUES"
            f"({rng.randrange(-128, 128)},{rng.randrange(256)},{rng.randrange(-32768, 32768)},{rng.randrange(65536)},"
            f"{rng.randrange(-(2**23), 2**23)},{rng.randrange(2**24)},{rng.randrange(-(2**31), 2**31)},{rng.randrange(2**32)},"
            f"{number},{rng.getrandbits(64)},{rng.randrange(10**8)},{rng.randrange(2)},{rng.randrange(3)},"
            f"{rng.randrange(10**15)}.{rng.randrange(10**15):015d},{rng.randrange(10**8)}.{rng.randrange(100):02d},"
            f"{single!r},{_double(rng)!r},{rng.randrange(2)},{rng.randrange(512)},{rng.getrandbits(64)},{rng.randrange(1901, 2156)});"
        )
        blob = rng.randbytes(rng.randrange(40)).hex()
        words.append(
            "INSERT INTO texts(id,c,v,tx,lt,latin,ucs,e,st,j,vb,lb) VALUES"
            f"({n},{_hexed(text[:4].rstrip(' '))},{_hexed(text)},{_hexed(text * 3)},{_hexed(text * 50)},{_hexed(rng.choice(('é', 'ß', 'x', '')))},"
            f"{_hexed(text)},{rng.randrange(1, 5)},{rng.randrange(8)},'[{n}]',X'{blob}',X'{blob * 9}');"
        )
        day = f"{rng.randrange(1000, 10000)}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"
        clock = f"{rng.randrange(24):02d}:{rng.randrange(60):02d}:{rng.randrange(60):02d}"
        micros = f"{rng.randrange(10**6):06d}"
        stamp = f"{rng.randrange(1971, 2037)}-0{rng.randrange(1, 10)}-1{rng.randrange(10)} {clock}"
        words.append(
            f"INSERT INTO moments(id,d,dt,dt6,ts,ts3,ti,ti6) VALUES({n},'{day}','{day} {clock}','{day} {clock}.{micros}',"
            f"'{stamp}','{stamp}.{micros[:3]}','{rng.choice(('', '-'))}{rng.randrange(839)}{clock[2:]}','{clock}.{micros}');"
        )
        words.append(f"INSERT INTO child VALUES({n},{_hexed(text[:9])},{rng.choice((1, 2, 3, 'NULL'))},{n});")
        words.append(f"INSERT INTO keyless VALUES({rng.randrange(5)},{_hexed(text[:9])});")
    server.sql("\n".join(words), database)


POSTGRESQL = {
    "parent": "id,code,title,loud,kind::text,size,at::text,made",
    "legacy": "id,ticket,note",
    "kinds": "*",
    "events": "id,day,what,parent",
    "booking": "room,during::text",
    "keyless": "a,b",
    '"Odd Name"': '"Id","select"',
    "secret": "id,owner",
}


def fill_postgresql(server: PostgreSql, database: str, seed: int, rows: int = 300) -> None:
    """The schema, the extremes and random rows."""
    with server.connect(database) as connection:
        for name in ("postgresql.sql", "postgresql_rows.sql"):
            text = (FIXTURES / name).read_bytes()
            old = connection.info.server_version < _MULTIRANGES_SINCE
            connection.execute(text.replace(b"int8multirange", b"text") if old else text)
        connection.execute(f"SELECT setseed({seed % 1000 / 1000.0})".encode())
        connection.execute(
            b"INSERT INTO kinds(id,b,i2,i8,n,f4,f8,c,v,t,by,d,tst,iv,u,jb,ip,ia,ma,pl,ir) SELECT g,g%2=0,(random()*60000-30000)::int2,"
            b"(random()*1e18)::int8,(random()*1e9)::numeric/7,random()*1e30,(random()-0.5)*1e300,chr(65+g%26),repeat(E'\\\\\\n\\t',g%3),"
            b"repeat(chr(233)||chr(128512),g%9),decode(md5(g::text),'hex'),date '2000-01-01'+g,now()-g*interval '1 hour',"
            b"(random()*1e6)*interval '1 second',md5(g::text)::uuid,jsonb_build_object('a',g),('10.0.'||g%256||'.1')::inet,"
            b"ARRAY[g,NULL,g],ARRAY['happy'::mood],ROW('s'||g,g)::place,int4range(g,g+9) FROM generate_series(100,99+%s) g".replace(
                b"%s", str(rows).encode()
            )
        )
        connection.execute(
            f"INSERT INTO events SELECT g, date '2024-01-01'+(g%700), 'e'||g, NULL FROM generate_series(1000,{999 + rows}) g".encode()
        )
        connection.execute(f"INSERT INTO keyless SELECT g%7,'k'||g%5 FROM generate_series(1,{rows}) g".encode())


def fill_live(server: PostgreSql, name: str) -> str:
    """A database that others live in, with what hangs on a table; its dump."""
    server.database(name)
    with server.connect(name) as connection:
        connection.execute((FIXTURES / "live.sql").read_text().replace("{r}", f"role_{name}").encode())
    return server.dump(name)


SQLITE = {
    "numbers": (["id", "i", "r", "flag", "n", "loose"], ["id", "i", "r", "flag", "n::float8", "loose"]),
    "texts": (
        ["id", "t", "v", "iif(b IS NULL,NULL,hex(b))", "j", "d", "ts"],
        ["id", "t", "v", "upper(encode(b,'hex'))", "j::text", "d::text", "ts::text"],
    ),
    "pairs": (["a", "b", "c"],) * 2,
    "keyless": (["a", "b"],) * 2,
    "mixed": (["id", "iif(v IS NULL,NULL,hex(CAST(v AS BLOB)))"], ["id", "upper(encode(v,'hex'))"]),
}


def fill_sqlite(path: Path, seed: int, rows: int = 300) -> None:
    """A file with every family of types, extremes and random rows."""
    rng = random.Random(seed)
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(
        "CREATE TABLE numbers (id INTEGER PRIMARY KEY, i BIGINT, r REAL, flag BOOLEAN, n DECIMAL(20,6), loose);"
        "CREATE TABLE texts (id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT, v VARCHAR(40), b BLOB, j JSON, d DATE, ts DATETIME);"
        "CREATE TABLE pairs (a TEXT, b INTEGER, c TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;"
        "CREATE TABLE keyless (a INT, b TEXT); CREATE TABLE mixed (id INTEGER PRIMARY KEY, v); CREATE INDEX k ON keyless (b);"
        "BEGIN"
    )
    extremes = (0.0, 5e-324, 1.7976931348623157e308, 0.1, 1 / 3, 8.557485100017029, 2.0**53, -1e-7, 123456789.12345679)
    for n in range(rows):
        real = extremes[n] if n < len(extremes) else _double(rng)
        whole = rng.choice((2**63 - 1, -(2**63), 0, rng.getrandbits(40)))
        text = "".join(rng.choice(_TEXTS) for _ in range(rng.randrange(6)))
        decimal = rng.choice((rng.randrange(10**9) / 100, rng.randrange(10**6), -0.5, 19.99))
        connection.execute("INSERT INTO numbers VALUES (?,?,?,?,?,?)", (n * 3, whole, real, n % 2, decimal, n))
        day = f"{rng.randrange(1, 10000):04d}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"
        row = (text, text[:9], rng.randbytes(n % 30), f'{{"a": {n}, "a": 1e2}}', day, f"{day} 12:34:56")
        connection.execute("INSERT INTO texts(t,v,b,j,d,ts) VALUES (?,?,?,?,?,?)", row if n else (None,) * 6)
        connection.execute("INSERT OR IGNORE INTO pairs VALUES (?,?,?)", (text, n, text[::-1]))
        connection.execute("INSERT INTO keyless VALUES (?,?)", (n % 5, text))
        connection.execute("INSERT INTO mixed VALUES (?,?)", (n, (n, text, rng.randbytes(5))[n % 3]))
    connection.execute("COMMIT")
    connection.close()
