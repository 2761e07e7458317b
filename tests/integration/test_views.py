"""Views of MySQL and MariaDB return the same rows in the target. One database has them all, and plain queries read both sides."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import psycopg
import pytest
from psycopg.types.json import set_json_loads

from landfall.engine.errors import VerificationError
from landfall.engine.model.events import EventKind
from landfall.engine.model.options import Options
from landfall.engine.model.plan import Plan, Statement
from tests.support import engine as run
from tests.support.servers import MariaDb, PostgreSql

_TABLE = """
ALTER DATABASE CHARACTER SET utf8mb4;
CREATE TABLE latin (id INT PRIMARY KEY, name VARCHAR(9)) CHARACTER SET latin1; INSERT INTO latin VALUES (1,X'E9');
CREATE TABLE o (id INT PRIMARY KEY AUTO_INCREMENT, cust VARCHAR(20), amt DECIMAL(8,2), at DATETIME, f TINYINT(1) DEFAULT 0, u INT UNSIGNED, d DATE,
  x DOUBLE, fl FLOAT, e ENUM('b','a'), s SET('p','q'), bin VARBINARY(10), ts TIMESTAMP(3) NULL, tm TIME, j JSON, t TEXT,
  cb VARCHAR(10) COLLATE utf8mb4_bin, big BIGINT UNSIGNED);
INSERT INTO o(cust,amt,at,f,u,d,x,fl,e,s,bin,ts,tm,j,t,cb,big) VALUES
('Anne x',1.55,'2024-01-31 10:00:00',0,5,'2023-12-31',1.5,2.25,'b','p,q','ab','2024-03-05 01:02:03.456','10:11:12',
 '{"a":1,"b":{"c":[1,"zwei",null]},"n":null,"s":"x y"}','12abc','A',18446744073709551615),
('ANNE',-2.50,'2023-12-31 23:59:59',1,0,'2024-01-01',-0.125,-1.5,'a','',NULL,'2020-02-29 23:59:59.999','23:59:59','[1,2,{"k":"v"}]','','a',1),
(NULL,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
('anne',100000.01,'2024-12-30 00:00:01',1,4294967295,'2024-02-29',1e20,1000000,'b','q','','2024-12-30 12:00:00.000','00:00:00','"str"',' -3.7e2 ','a',0);
"""
# Each line is a view of its own.
_EXPRESSIONS = r"""
amt div 1, 5/2, id/2, amt % 2, mod(id,2), -7 div 2, -7 % 3, cast(amt as unsigned), cast(amt as signed), cast('12abc' as signed), round(amt), round(2.5), truncate(amt,1), amt/3, id/7, id*u, amt*amt, -amt, 1/3*3, (1/3)=0.3333, amt/7*7, 1.0/3*3
cust like 'X%', cust='ANNE', cust in ('X','anne'), cust regexp '^A', concat('a',null), concat(cust,id), concat_ws('-',cust,null,id), id or 0, !f, not f, id <=> null, id xor f, f=false, if(f,1,2), ifnull(null,cust), nullif(id,1), coalesce(null,id), least(id,2), greatest(id,2), least(null,1)
date_format(at,'%Y-%m-%d %H:%i'), date_format(at,'%W %D %b %y'), at + interval 1 month, date_add(at, interval 1 day), date_sub(at, interval 90 minute), timestampdiff(month,at,'2024-03-31'), datediff('2024-03-01',at), dayofweek(at), weekday(at), week(at), yearweek(at), quarter(at), month(at), dayname(at), last_day(at), unix_timestamp(at), from_unixtime(1700000000), str_to_date('31.12.2024','%d.%m.%Y'), date(at), time(at), extract(year_month from at)
lower(cust), length('é'), char_length('é'), left(cust,1), right('abc',2), substring('abcdef',-3), substring('abcdef',0,2), mid('abc',2,1), locate('b','abc'), instr('abc','c'), position('b' in 'abc'), lpad(id,5,'0'), rpad(cust,5,'*'), lpad('abcdef',3,'x'), repeat('a',3), replace('aaa','a','b'), reverse('abc'), trim(both 'x' from 'xax'), ltrim('  a'), ucase('a'), hex(255), hex('a'), crc32('a'), find_in_set('b','a,b'), field('b','a','b'), elt(2,'a','b'), substring_index('a.b.c','.',-2), format(1234567.891,2), inet_aton('1.2.3.4')
json_extract('{"a":1}','$.a'), json_value('{"a":"x"}','$.a'), json_unquote('"x"'), bit_count(7), 1<<3, 6&3, 6|1, 6^3, ~1, pow(2,3), sqrt(4), log(10), log(2,8), log10(100), ceil(1.2), floor(-1.2), abs(-1), sign(-2), rand()<2, pi(), uuid() is not null, strcmp('a','b'), space(3), ascii('a'), conv('ff',16,10), bin(5), oct(8)
x'41', 0x41, b'101', 'a' 'b', 'it''s', 'back\\slash', true, null is null, case cust when 'ANNE' then 1 else 0 end, interval(5,1,10), '2024-01-01' < at, '10' + 5, 'abc' = 0, cust + 0, id = '1', count(*) over (), row_number() over (order by id), at - interval 1 second, timestamp('2024-01-01'), makedate(2024,60), to_days(at), sec_to_time(3661), time_to_sec('01:01:01'), addtime('10:00:00','01:00:00'), current_date() > '2020-01-01', now() > '2020-01-01', binary cust = 'anne', cust collate utf8mb4_bin = 'anne'
cast('2024-01-01' as date), cast(id as char), convert(id,char(3)), cast('1.239' as decimal(4,2)), cast(at as date), cast(id as double), isnull(null), (id,f)=(1,0), id between 2 and 3, exists(select 1 from o x where x.id=o.id+1), (select max(amt) from o), cast(amt as char), cast(at as char), cast(d as char), cast(d as datetime), cast(f as signed), cast(-1 as unsigned), cast(amt as decimal(3,1)), cast(ts as char), cast(at as time), convert(cust using utf8mb4)
x+1, x*2, x/3, fl*2, round(x,1), round(fl), truncate(x,1), floor(x), ceil(x), t+0, t*1, cast(t as signed), cast(t as unsigned), cast(t as decimal(10,2)), t=12, t>0
cust<>'ANNE', cust like '%NN%', cust not like 'a%', cust not in ('anne','x'), cust between 'a' and 'b', cb='a', cb in ('a'), cb like 'a', cust in (select 'Anne'), id in (select u from o), id not in (select id from o where f=1), concat(cust,'') = concat('AN','NE'), lower(cust)=cust, ucase(cust)='ANNE', 'a'='A', 'a'<'B', 'a'='a\n'
if(f,'y','n'), if(amt>0,amt,0), ifnull(cust,'-'), coalesce(u,id), nullif(cust,'anne'), case when amt<0 then 'neg' when amt=0 then 'zero' else amt end, ifnull(at,'none'), if(f,at,d), case id when 1 then 'one' when '2' then 'two' end, case when f then amt else 0 end, case f when 1 then 'on' when 0 then 'off' end
week(at,1), week(at,3), week(at,5), yearweek(at,1), weekofyear(at), dayofyear(at), hour(tm), minute(at), second(ts), microsecond(ts), day(ts), date_format(at,'%d.%m.%Y %H:%i:%s %p %j %w %U %u %v %x %% "q" text\\n %M %a %c %e %k %l %T %r %f %h'), date_format(ts,'%f %S')
at + interval 1 year, at - interval 3 week, d + interval 1 day, d + interval 1 hour, d - interval 1 quarter, at + interval id second, ts + interval 500 microsecond, date_add(d, interval -1 month), date_sub(at, interval id month), adddate(d, 3), timestampdiff(year,d,at), timestampdiff(month,at,d), timestampdiff(day,at,ts), timestampdiff(hour,at,ts), timestampdiff(second,d,at), timestampdiff(quarter,d,at), timestampdiff(week,at,'2020-01-01 00:00:00'), timestampdiff(month,'2024-01-31','2024-02-29'), timestampdiff(month,'2024-03-31 10:00:00','2024-02-29 09:00:00')
unix_timestamp(d), unix_timestamp(ts), from_unixtime(id*86400), from_unixtime(1,'%Y-%m-%d'), from_unixtime(id*9-10), from_days(to_days(d)+1), last_day(d), monthname(d), convert_tz(at,'+00:00','+05:30'), time_to_sec(tm), addtime(at,'01:00:00'), timediff(at,'2024-01-01 00:00:00'), extract(hour from at), timestamp(d), str_to_date('01.02.2024 03:04','%d.%m.%Y %H:%i'), d='2024-01-01', at>='2024-01-01', d<at, d between '2023-12-31' and '2024-01-31', d in ('2024-01-01','2024-02-29'), tm>'10:00:00', ts>'2024-01-01', d > '2024-01-01 00:00:00'
upper(cust), right(cust,3), substring(cust,2), substring(cust,-2), substring(cust,-2,1), substring(cust,-9), substring(cust,id), mid(cust,2,2), reverse(cust), locate('N',cust), locate('n',cust,3), instr(cust,'E'), rpad(id,4,'0'), lpad(amt,10,' '), trim('  a b  '), trim(leading 'x' from 'xxabcxx'), ascii(cust), hex(cust), hex(id), hex(bin), regexp_replace(cust,'n','-'), cust regexp 'n{2}e$', cust not regexp 'x', cb regexp 'a', substring_index('a.b.c','.',2), substring_index('a.b.c','.',-5), substring_index('','.',1), format(amt,2), strcmp('a','A'), field(cust,'x','ANNE'), find_in_set('B','a,b,c')
e='B', e in ('a'), concat(e,'!'), f=1, f<>1, f is true, f is not true, f+1, f and amt>0, f xor 1, f<=>1, f or null, (amt>0)=(f=1), (amt>0)+(f=1), !(amt>0), '1.0'=1, null=null, null<=>null, cust<=>null, big+0, big=1
json_extract(j,'$.a'), json_unquote(json_extract(j,'$.s')), json_unquote(json_extract(j,'$.b.c[1]')), json_unquote(json_extract(j,'$.n')), json_value(j,'$.s'), json_extract(j,'$[2].k'), json_length(j), json_length(j,'$.b.c'), json_extract(j,'$.zz'), json_object('a',id,'b',cust), json_array(id,cust,null,amt)
1|2, 6&u, u^1, u<<1, u>>1, ~id, ~0, 7 & ~1, sign(amt), ceil(amt), round(amt,-2), truncate(amt,-2), mod(amt,0.7), 7 div 0, 1/0, sqrt(-1), ln(0), log2(8), greatest(id,amt), least(u,id,3), greatest(d,at), round(-2.5), round(id/3,2), 1e3, .5, 9223372036854775807, true+true, 0.1+0.2
"""
_QUERIES = {
    "g00": "select cust, group_concat(cust) r, sum(f) s, avg(id) a, count(distinct cust) c, bit_or(id) b, std(id) d, sum(amt>0) p from o group by cust",
    "g01": "select f, max(cust) m, min(at) mi, group_concat(distinct id order by id desc separator ';') g, json_arrayagg(id) j, max(e) e, sum(u)/count(*) q,"
    " group_concat(id,':',amt order by id desc separator '|') n from o group by f",
    "g02": "select upper(left(cust,1)) l, count(*) n from o group by upper(left(cust,1)) having count(*)>1 order by n desc, l",
    "g03": "select year(at) y, month(at) m, sum(amt) s, count(distinct cust) c from o group by year(at), month(at) order by y, m",
    "g04": "select group_concat(distinct lower(cust)) c, group_concat(cust order by id separator '') o from o",
    "g05": "select d, sum(amt) s from o group by d having s > 0 and d is not null",
    "g06": "select e, count(*) n from o group by e order by e",
    "w00": "select id k, cust r from o having k>1",
    "w01": "select distinct cust k, 1 r from o order by cust desc limit 1,1",
    "w02": "select a.id k, b.id r from o a left join o b on a.cust=b.cust and a.id<>b.id",
    "w03": "select v.k, v.c1 from e00 v join o on id=k",
    "a_first": "select k,r from w02 where r is not null",
    "w04": "select id k, 'a' r from o union select id, amt from o order by 1",
    "w05": "with c as (select id from o) select id k, 1 r from c",
    "w06": "with recursive n as (select 1 as i union all select i+1 from n where i<5) select i, (select count(*) from o where id<=i) c from n",
    "w07": "select lower(cust) l from o union select 'anne' union select 'zed'",
    "w08": "select id, amt from o union all select 9, 'x' order by 1 desc limit 3",
    "w09": "select a.id k, b.cust r, c.f r2 from o a left join (o b join o c on b.id=c.id) on a.id=b.id+1 cross join o x where x.id=1",
    "w10": "select t1.id k, t1.n r from (select id, concat(cust,'!') n from o where cust like 'a%') t1 where t1.n='anne!'",
    "w11": "select straight_join a.id from o a left join o b using(id) where a.cust='Anne'",
    "w12": "select id, row_number() over (partition by f order by id) r, sum(amt) over (partition by f) s, ntile(2) over (partition by f order by id) k from o",
    "w13": "select id, lag(cust) over w l, lead(amt,1) over w a, sum(amt) over (w rows between 1 preceding and current row) s from o window w as (order by id)",
    "w14": "select * from o",
    "z": "select f, group_concat(id order by id desc separator '; ') ids, date_format(max(at),'%Y-%m') ym, ifnull(sum(amt),0) s, if(count(*)>1,'many','one') w from o group by f",
    "y": "select * from z where s > 1 order by f limit 5",
}  # fmt: skip
_REFUSED = {
    "r_database": ("select database() d", r"DATABASE\(\): it names the source's database"),
    "r_rollup": ("select f, count(*) n from o group by f with rollup", "WITH ROLLUP|rollup"),
    "r_set": ("select s='p,q' r from o", "a set and a text are compared"),
    "r_text_date": ("select year(t) y from o", "a text that is no literal is used as a date"),
    "r_json": ("select json_extract(j,'$.a') = 1 r from o", "a JSON document and an integer are compared"),
    "r_charset": ("select length(name) r from latin", "the octets of a text in latin1|another character set"),
    "r_bare": ("select cust, amt from o group by cust", "must appear in the GROUP BY clause"),
    "r_over": ("select * from r_set", "it reads r_set, which is not carried"),
}


@dataclass(frozen=True)
class _Moved:
    source: MariaDb
    name: str
    plan: Plan
    outcome: run.Outcome
    told: list[str]
    target: psycopg.Connection

    def rows(self, view: str) -> tuple[list[str], list[str]]:
        """The rows of a view on both sides, in one form and order."""
        text = self.source.sql(f"SELECT * FROM `{view}`", self.name).stdout.decode().replace("\\\\", "\\")
        left = [[_plain(v) for v in line.split("\t")] for line in text.splitlines()]
        right = [[_plain(v) for v in row] for row in self.target.execute(f'SELECT * FROM "{view}"').fetchall()]
        return sorted(map(str, left)), sorted(map(str, right))


def _statements() -> dict[str, str]:
    statements = {}
    for number, line in enumerate(_EXPRESSIONS.strip().splitlines()):
        parts = [p.strip() for p in re.split(r",\s+(?![^(]*\))", line)]
        listed = ", ".join(f"{p} as c{at}" for at, p in enumerate(parts))
        statements[f"e{number:02}"] = f"select id k, {listed} from o"
    return statements | _QUERIES


def _plain(value: Any) -> str:  # noqa: PLR0911  one line per form
    """A value as both sides print it: numbers by value, truths as numbers, documents with their keys in order."""
    if value is None or value == "NULL":
        return "NULL"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, timedelta):
        seconds = int(value.total_seconds())
        return f"{'-' if seconds < 0 else ''}{abs(seconds) // 3600:02}:{abs(seconds) // 60 % 60:02}:{abs(seconds) % 60:02}"
    if isinstance(value, list) and all(isinstance(v, str) for v in value):
        return ",".join(value)
    text = str(value)
    text = re.sub(r"(:\d\d\.\d{3})000$", r"\1", text.removesuffix("+00:00"))
    try:
        number = Decimal(text)
    except InvalidOperation:
        try:
            return json.dumps(json.loads(text), sort_keys=True)
        except ValueError:
            return re.sub(r"(:\d\d)\.0+$", r"\1", text)
    return str((number if abs(number) > 10**15 else round(number, 9)).normalize() + 0)


@pytest.fixture(scope="module", params=["maria", "mysql"])
def moved(request: pytest.FixtureRequest, pg15: PostgreSql) -> Iterator[_Moved]:
    """All views after a migration."""
    source: MariaDb = request.getfixturevalue(request.param)
    name = f"views_{request.param}"
    texts = _statements() | {view: text for view, (text, _) in _REFUSED.items()}
    last = {"r_over": 2, "w03": 1, "a_first": 1, "y": 1}
    order = sorted(texts, key=lambda view: last.get(view, 0))
    source.sql(_TABLE + "".join(f"CREATE VIEW {v} AS {texts[v]};\n" for v in order), source.database(name))
    plans: list[Plan] = []
    move = run.Move(run.mariadb(source, name), run.postgresql(pg15, pg15.database(name)), Options(fence=False))
    move.change = lambda plan: plans.append(plan) or plan
    outcome = move.run()
    notices = [e.text for e in move.events if e.kind == EventKind.NOTICE and "view" in e.text]
    with pg15.connect(name) as target:
        target.execute("SET timezone='UTC'")
        set_json_loads(lambda text: text.decode() if isinstance(text, bytes) else text, target)
        yield _Moved(source, name, plans[0], outcome, notices, target)


@pytest.mark.parametrize("view", _statements())
def test_a_view_returns_the_same_rows(moved: _Moved, view: str) -> None:
    assert [r.description for r in moved.plan.risks if r.affected == view and r.severity.value == "high"] == []
    left, right = moved.rows(view)
    assert left == right


def test_what_has_no_counterpart_is_named_with_its_reason(moved: _Moved) -> None:
    risk_of = {r.affected: r for r in moved.plan.risks if r.kind in {"View", "NotCarried"}}
    assert risk_of.keys() == _REFUSED.keys()
    for view, (_, reason) in _REFUSED.items():
        assert risk_of[view].severity.value == "high"
        assert re.search(reason, risk_of[view].description), risk_of[view].description


def test_the_run_compares_the_views_on_both_sides(moved: _Moved) -> None:
    uncompared = {line.partition(" (")[0].rpartition(".")[2]: line for line in moved.outcome.views_uncompared}
    assert {f"view not compared: {line}" for line in uncompared.values()} < set(moved.told)
    assert {"e04", "e05", "w01", "w08", "y"} <= uncompared.keys()
    assert uncompared["w08"].endswith("(LIMIT chooses among its rows)")
    assert "RAND()" in uncompared["e04"]
    assert "it returns something else each time (CUR" in uncompared["e05"]
    assert moved.outcome.views_equal == len(_statements()) - len(uncompared) > 25
    assert f"{moved.outcome.views_equal} views return the same rows on both sides" in moved.told
    (risk,) = (r for r in moved.plan.risks if (r.kind, r.affected) == ("ViewTranslated", "g01"))
    assert "the run compares its rows on both sides, but not the columns m: the source is free to choose" in risk.description


_OTHERWISE = {
    "altered": ('upper("c") AS r FROM "t"', "(2 rows in both, other values in r)"),
    "fewer": ('"c" AS r FROM "t" WHERE "id" = 1', "(2 rows in the source, 1 in the target)"),
    "fails": ('(1 / ("id" - 1))::text AS r FROM "t"', "(the target cannot compute it: code 22012)"),
}


@pytest.mark.parametrize("view", _OTHERWISE)
def test_a_view_with_other_rows_stops_the_run_before_the_cutover(
    either: MariaDb, pg15: PostgreSql, fresh: str, view: str
) -> None:
    either.sql(
        "CREATE TABLE t (id INT PRIMARY KEY, c VARCHAR(5)); INSERT INTO t VALUES (1,'a'),(2,'b');"
        f"CREATE VIEW {view} AS SELECT id, c AS r FROM t",
        either.database(fresh),
    )
    wrong, words = _OTHERWISE[view]

    def changed(statement: Statement) -> Statement:
        return replace(statement, sql=f'CREATE VIEW {view} AS SELECT "id", {wrong}') if statement.kind == "view" else statement

    source, target = run.mariadb(either, fresh), run.postgresql(pg15, pg15.database(fresh))
    move = run.Move(source, target, Options(fence=False))
    move.change = lambda plan: replace(plan, statements=tuple(changed(s) for s in plan.statements))
    with pytest.raises(VerificationError) as refused:
        move.run()
    assert f"{fresh}.{view} {words}" in str(refused.value)
    assert "spec.data.source.excludeTables" in str(refused.value)
    with pg15.connect(fresh) as connection:
        assert connection.execute("SELECT count(*) FROM pg_class WHERE relnamespace='public'::regnamespace").fetchone() == (0,)
    other = run.postgresql(pg15, pg15.database(f"{fresh}x"))
    run.Move(source, other, Options(fence=False, exclude_tables=(view,))).run()
    with pg15.connect(f"{fresh}x") as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (2,)
