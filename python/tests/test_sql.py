"""Every statement of docs/sql.md goes through `db.sql`."""

import pathlib
import re

import datafusion_timetravel as tt

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "sql.md"

#: On the page ids are stand-ins, and a minute passes between two statements.
ELSEWHERE = re.compile(r"'id' = '7ab1e|TIMESTAMP (AS OF|BETWEEN)|SELECT getdate", re.I)


def test_every_statement(tmp_path):
    blocks = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), flags=re.S)
    assert len(blocks) > 30
    ran, failed = 0, []
    with tt.connect(tmp_path / "lake") as db:
        for block in blocks:
            for statement in tt._native.split(block):
                try:
                    db.sql(statement).to_arrow()
                    ran += 1
                except tt.TimeTravelError as error:
                    failed.append((statement, error))
    unexpected = [
        (statement, str(error))
        for statement, error in failed
        if not ELSEWHERE.search(statement) and type(error) in (tt.InternalError, tt.UnsupportedError, tt.QueryError)
    ]
    assert unexpected == []
    assert not any(error.code == "TT_SYNTAX" for _, error in failed)
    assert ran > 0.8 * (ran + len(failed)), failed
