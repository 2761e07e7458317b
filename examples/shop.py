"""The shop: a dozen tables and about a million rows, with the values that break other tools. Seeded, so always the same.

python -m examples.shop sqlite shop.db       writes a SQLite file
python -m examples.shop mariadb > shop.sql   writes SQL for MariaDB or MySQL
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TextIO

Value = str | bytes | int | float | None
Row = tuple[Value, ...]

_SEED = 20260214
_START = datetime(2021, 3, 1, 8, 0, 0)  # noqa: DTZ001  the shop's clock has no zone
_NASTY = (
    "back\\slash",
    "tab\there",
    "two\nlines",
    "carriage\r\nreturn",
    "\\.",
    "\\N",
    "NULL",
    "",
    " ",
    "quote \" and ' and `",
    "naïve café — ünïcödé",
    "日本語のレビュー",
    "emoji 😀👩‍👩‍👧",
    "ctrl \x01\x02\x03 chars",
    "percent %s {} $1",
    "e\u0301 is not é",
    "<script>alert(1)</script>",
    "; DROP TABLE orders; --",
)
_WORDS = [
    "solar",
    "harbor",
    "oak",
    "linen",
    "copper",
    "quiet",
    "amber",
    "north",
    "willow",
    "granite",
    "velvet",
    "river",
    "lantern",
    "meadow",
    "cedar",
    "salt",
]
_STATUS = ("new", "paid", "packed", "shipped", "done", "returned")


def _size(full: int, scale: float) -> int:
    return max(3, int(full * scale))


class Shop:
    """The rows of every table, in an order that satisfies foreign keys. `scale` 1 is about a million rows."""

    def __init__(self, scale: float = 1.0) -> None:
        self._random = random.Random(_SEED)  # noqa: S311  seeded on purpose
        self.customers_count = _size(60_000, scale)
        self.products_count = _size(20_000, scale)
        self.orders_count = _size(190_000, scale)
        self.scale = scale

    def _words(self, count: int) -> str:
        return " ".join(self._random.choice(_WORDS) for _ in range(count))

    def _text(self, count: int) -> str:
        return self._random.choice(_NASTY) if self._random.random() < 0.03 else self._words(count)

    def _moment(self, index: int) -> str:
        return str(_START + timedelta(seconds=index * 547 + self._random.randrange(500)))

    def customers(self) -> Iterator[Row]:
        """id, email, name, country, newsletter, credit, created, note."""
        for n in range(1, self.customers_count + 1):
            credit = self._random.choice((0.1, 1e-9, 12345678.9, -0.5, 1.7976931348623157e308, 5e-324, 3.3333333333333335))
            note = None if n % 3 else self._text(4)
            country = ("de", "US", "jp", "Br", "fr")[n % 5]
            yield n, f"user{n}@example.com", self._text(2), country, n % 2, credit, self._moment(n), note

    def addresses(self) -> Iterator[Row]:
        """customer, kind, street, city, postcode: a key of two columns."""
        for n in range(1, self.customers_count + 1):
            yield n, "billing", self._words(3), self._words(1), f"{self._random.randrange(99999):05d}"
            if n % 3 == 0:
                yield n, "shipping", self._text(3), self._words(1), f"0{n % 9999}"

    def categories(self) -> Iterator[Row]:
        """id, parent, name: a tree."""
        for n in range(1, 61):
            yield n, None if n <= 6 else (n - 1) // 3, f"{self._words(2)} {n}"

    def products(self) -> Iterator[Row]:
        """id, category, sku, title, price, weight, attributes, released."""
        for n in range(1, self.products_count + 1):
            attributes = None if n % 7 == 0 else f'{{"color": "{self._words(1)}", "size": {n % 50}, "size": 1e2}}'
            released = str(date(2015, 1, 1) + timedelta(days=n % 3000))
            price = round(self._random.randrange(100, 99_999_999) / 100, 2)
            yield n, 1 + n % 60, f"SKU-{n:08d}", self._text(3), price, self._random.random() * 10, attributes, released

    def images(self) -> Iterator[Row]:
        """product, position, data: bytes of every value."""
        for n in range(1, _size(4000, self.scale) + 1):
            size = self._random.choice((0, 1, 255, 256, 900))
            yield 1 + n % self.products_count, n, self._random.randbytes(size) if n % 11 else bytes(range(256))

    def stock(self) -> Iterator[Row]:
        """product, warehouse, quantity, counted."""
        for n in range(1, self.products_count + 1):
            yield n, 1 + n % 4, self._random.choice((0, n, 2**31 - 1, 2**53 + 1)), self._moment(n)

    def coupons(self) -> Iterator[Row]:
        """code, percent, ends."""
        for n in range(_size(500, self.scale)):
            yield f"SAVE{n}", n % 90, str(date(2024, 1, 1) + timedelta(days=n))

    def orders(self) -> Iterator[Row]:
        """id, customer, status, placed, comment, total; identifiers have gaps."""
        for n in range(1, self.orders_count + 1):
            key = n * 3 - self._random.randrange(2)
            comment = None if n % 4 else self._text(6)
            customer = 1 + self._random.randrange(self.customers_count)
            yield key, customer, _STATUS[n % 6], self._moment(n), comment, self._random.randrange(10**9) / 100

    def items(self, orders: Iterable[int]) -> Iterator[Row]:
        """order, line, product, quantity, price."""
        for key in orders:
            for line in range(1, 2 + key % 4):
                product = 1 + self._random.randrange(self.products_count)
                yield key, line, product, 1 + key % 9, self._random.randrange(10**7) / 100

    def payments(self, orders: Iterable[int]) -> Iterator[Row]:
        """id, order, method, amount, reference."""
        for n, key in enumerate(orders, 1):
            reference = None if n % 5 == 0 else f"{self._random.getrandbits(128):032x}"
            yield n, key, ("card", "invoice", "cash")[n % 3], self._random.randrange(10**9) / 100, reference

    def reviews(self) -> Iterator[Row]:
        """product, customer, stars, body: no key at all, and duplicates."""
        for n in range(_size(40_000, self.scale)):
            body = "same" if n % 100 < 2 else self._text(12)
            yield 1 + n % self.products_count, 1 + n % self.customers_count, n % 6, body

    def settings(self) -> Iterator[Row]:
        """name, value: a number, a text, a blob or nothing, whatever was stored."""
        yield from (("tax", 19), ("ratio", 0.1), ("motto", "ship \\ shape"), ("logo", b"\x00\xff\x89PNG"), ("none", None))


_SQLITE = """
CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, email VARCHAR(80) NOT NULL COLLATE NOCASE UNIQUE, name TEXT NOT NULL,
  country CHAR(2) DEFAULT 'de', newsletter BOOLEAN NOT NULL DEFAULT 0, credit REAL, created DATETIME NOT NULL, note TEXT,
  CHECK (length(email) > 3));
CREATE TABLE addresses (customer_id INTEGER NOT NULL REFERENCES customers (id) ON DELETE CASCADE, kind TEXT NOT NULL,
  street TEXT, city TEXT, postcode VARCHAR(10), PRIMARY KEY (customer_id, kind)) WITHOUT ROWID;
CREATE TABLE categories (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES categories (id), name TEXT NOT NULL);
CREATE TABLE products (id INTEGER PRIMARY KEY, category_id INTEGER NOT NULL REFERENCES categories (id), sku TEXT NOT NULL UNIQUE,
  title TEXT NOT NULL, price DECIMAL(12,2) NOT NULL, weight REAL, attributes JSON, released DATE,
  gross DECIMAL GENERATED ALWAYS AS (price * 2) STORED);
CREATE TABLE images (product_id INTEGER NOT NULL REFERENCES products (id), position INTEGER NOT NULL, data BLOB, PRIMARY KEY (product_id, position));
CREATE TABLE stock (product_id INTEGER PRIMARY KEY REFERENCES products (id), warehouse INT, quantity BIGINT, counted TIMESTAMP);
CREATE TABLE coupons (code TEXT PRIMARY KEY, percent INTEGER CHECK (percent BETWEEN 0 AND 100), ends DATE) WITHOUT ROWID;
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers (id), status TEXT NOT NULL DEFAULT 'new',
  placed DATETIME NOT NULL, comment TEXT, total DECIMAL(14,2));
CREATE TABLE order_items (order_id INTEGER NOT NULL REFERENCES orders (id) ON DELETE CASCADE, line INTEGER NOT NULL,
  product_id INTEGER NOT NULL REFERENCES products (id), quantity INTEGER NOT NULL, price DECIMAL(12,2), PRIMARY KEY (order_id, line));
CREATE TABLE payments (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders (id), method TEXT, amount NUMERIC, reference TEXT);
CREATE TABLE reviews (product_id INTEGER, customer_id INTEGER, stars INTEGER, body TEXT);
CREATE TABLE settings (name TEXT PRIMARY KEY, value);
"""
_SQLITE_AFTER = """
CREATE INDEX orders_customer ON orders (customer_id, placed DESC);
CREATE INDEX orders_open ON orders (placed) WHERE status = 'new';
CREATE INDEX products_lower ON products (lower(title));
CREATE INDEX reviews_product ON reviews (product_id);
CREATE VIEW open_orders AS SELECT o.id, c.email, o.total FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.status = 'new';
CREATE VIEW revenue AS SELECT email, count(*) AS orders, sum(total) AS total FROM open_orders GROUP BY email;
CREATE TRIGGER customers_log AFTER DELETE ON customers BEGIN DELETE FROM reviews WHERE customer_id = old.id; END;
UPDATE customers SET note = CAST(X'6E756C00627974652069' AS TEXT) || note WHERE id % 999 = 0 AND note IS NOT NULL;
"""
_MARIADB = """
SET NAMES utf8mb4; SET sql_mode=''; SET foreign_key_checks=0; SET unique_checks=0;
CREATE TABLE customers (id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, email VARCHAR(80) NOT NULL UNIQUE, name VARCHAR(200) NOT NULL,
  country CHAR(2) DEFAULT 'de', newsletter TINYINT(1) NOT NULL DEFAULT 0, credit DOUBLE, created DATETIME NOT NULL DEFAULT current_timestamp(),
  note TEXT, seen DATETIME NULL, CHECK (char_length(email) > 3)) DEFAULT CHARSET=utf8mb4;
CREATE TABLE addresses (customer_id INT UNSIGNED NOT NULL, kind ENUM('billing','shipping') NOT NULL, street VARCHAR(200), city VARCHAR(90),
  postcode VARCHAR(10), PRIMARY KEY (customer_id, kind), FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE) DEFAULT CHARSET=utf8mb4;
CREATE TABLE categories (id INT PRIMARY KEY, parent_id INT, name VARCHAR(90) NOT NULL, FOREIGN KEY (parent_id) REFERENCES categories (id)) DEFAULT CHARSET=utf8mb4;
CREATE TABLE products (id INT PRIMARY KEY, category_id INT NOT NULL, sku VARCHAR(40) NOT NULL UNIQUE, title VARCHAR(200) NOT NULL,
  price DECIMAL(12,2) NOT NULL, weight DOUBLE, attributes JSON, released DATE, gross DECIMAL(14,2) AS (price * 2) STORED,
  KEY title (title(12)), FOREIGN KEY (category_id) REFERENCES categories (id)) DEFAULT CHARSET=utf8mb4;
CREATE TABLE images (product_id INT NOT NULL, position INT NOT NULL, data MEDIUMBLOB, PRIMARY KEY (product_id, position),
  FOREIGN KEY (product_id) REFERENCES products (id));
CREATE TABLE stock (product_id INT PRIMARY KEY, warehouse TINYINT UNSIGNED, quantity BIGINT UNSIGNED, counted TIMESTAMP NULL ON UPDATE current_timestamp(),
  FOREIGN KEY (product_id) REFERENCES products (id));
CREATE TABLE coupons (code VARCHAR(20) PRIMARY KEY, percent TINYINT, ends DATE) DEFAULT CHARSET=utf8mb4;
CREATE TABLE orders (id INT UNSIGNED PRIMARY KEY, customer_id INT UNSIGNED NOT NULL, status ENUM('new','paid','packed','shipped','done','returned') DEFAULT 'new',
  placed DATETIME NOT NULL, comment TEXT, total DECIMAL(14,2), KEY customer (customer_id, placed DESC),
  FOREIGN KEY (customer_id) REFERENCES customers (id)) DEFAULT CHARSET=utf8mb4;
CREATE TABLE order_items (order_id INT UNSIGNED NOT NULL, line INT NOT NULL, product_id INT NOT NULL, quantity INT NOT NULL, price DECIMAL(12,2),
  PRIMARY KEY (order_id, line), FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE, FOREIGN KEY (product_id) REFERENCES products (id));
CREATE TABLE payments (id INT AUTO_INCREMENT PRIMARY KEY, order_id INT UNSIGNED, method SET('card','invoice','cash'), amount DECIMAL(14,2),
  reference CHAR(32) CHARACTER SET ascii, FOREIGN KEY (order_id) REFERENCES orders (id));
CREATE TABLE reviews (product_id INT, customer_id INT, stars TINYINT, body TEXT, KEY product (product_id)) DEFAULT CHARSET=utf8mb4;
CREATE TABLE settings (name VARCHAR(40) PRIMARY KEY, value VARBINARY(200));
"""
_MARIADB_AFTER = """
UPDATE customers SET seen = '0000-00-00 00:00:00' WHERE id % 997 = 0; UPDATE customers SET seen = created WHERE id % 2 = 0;
CREATE VIEW open_orders AS SELECT o.id, c.email, o.total FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.status = 'new';
CREATE TRIGGER customers_log AFTER DELETE ON customers FOR EACH ROW DELETE FROM reviews WHERE customer_id = old.id;
SET foreign_key_checks=1;
"""
_COLUMNS = {
    "customers": "id,email,name,country,newsletter,credit,created,note",
    "addresses": "customer_id,kind,street,city,postcode",
    "categories": "id,parent_id,name",
    "products": "id,category_id,sku,title,price,weight,attributes,released",
    "images": "product_id,position,data",
    "stock": "product_id,warehouse,quantity,counted",
    "coupons": "code,percent,ends",
    "orders": "id,customer_id,status,placed,comment,total",
    "order_items": "order_id,line,product_id,quantity,price",
    "payments": "id,order_id,method,amount,reference",
    "reviews": "product_id,customer_id,stars,body",
    "settings": "name,value",
}
_BATCH = 500

Insert = Callable[[str, Iterable[Row]], None]


def fill(shop: Shop, insert: Insert) -> None:
    """Give every table's rows to `insert`."""
    insert("customers", shop.customers())
    insert("addresses", shop.addresses())
    insert("categories", shop.categories())
    insert("products", shop.products())
    insert("images", shop.images())
    insert("stock", shop.stock())
    insert("coupons", shop.coupons())
    keys: list[int] = []

    def orders() -> Iterator[Row]:
        for row in shop.orders():
            keys.append(row[0] if isinstance(row[0], int) else 0)
            yield row

    insert("orders", orders())
    insert("order_items", shop.items(keys))
    insert("payments", shop.payments(keys))
    insert("reviews", shop.reviews())
    insert("settings", shop.settings())


def write_sqlite(path: Path, scale: float = 1.0) -> None:
    """Write the shop as a SQLite file, in WAL mode as live ones are."""
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")
    connection.executescript(_SQLITE)
    connection.execute("BEGIN")

    def insert(table: str, rows: Iterable[Row]) -> None:
        columns = _COLUMNS[table]
        marks = ",".join("?" * (columns.count(",") + 1))
        connection.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)

    fill(Shop(scale), insert)
    connection.execute("COMMIT")
    connection.executescript(_SQLITE_AFTER)
    connection.close()


def write_mariadb(out: TextIO, scale: float = 1.0) -> None:
    """Write the shop as SQL for MariaDB and MySQL."""
    out.write(_MARIADB)

    def insert(table: str, rows: Iterable[Row]) -> None:
        batch: list[str] = []
        head = f"INSERT INTO {table} ({_COLUMNS[table]}) VALUES\n"
        out.write("BEGIN;\n")
        for row in rows:
            batch.append("(" + ",".join(map(_literal, row)) + ")")
            if len(batch) == _BATCH:
                out.write(head + ",\n".join(batch) + ";\n")
                batch = []
        if batch:
            out.write(head + ",\n".join(batch) + ";\n")
        out.write("COMMIT;\n")

    fill(Shop(scale), insert)
    out.write(_MARIADB_AFTER)


def _literal(value: Value) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return f"_utf8mb4 X'{value.encode().hex()}'" if value else "''"
    if isinstance(value, bytes):
        return f"X'{value.hex()}'" if value else "''"
    return repr(value)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("sqlite", "mariadb"))
    parser.add_argument("path", nargs="?", type=Path, help="the SQLite file to write")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is about a million rows")
    told = parser.parse_args()
    if told.kind == "mariadb":
        write_mariadb(sys.stdout, told.scale)
    elif told.path is None:
        parser.error("sqlite needs the path of the file to write")
    else:
        write_sqlite(told.path, told.scale)


if __name__ == "__main__":
    main()
