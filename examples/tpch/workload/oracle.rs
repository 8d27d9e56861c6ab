//! What the tables must hold after a round, told from the generated rows alone.
//!
//! Which orders a round adds and deletes, and which lines it changes, follows from their keys; so the state after round
//! `r` is one query on the plain Parquet of the load, and nothing of what the rounds really did enters it.

/// The number of a generated order, counted from 0: of 32 keys TPC-H uses the first 8.
const NUMBER: &str = "((key >> 5) * 8 + (key & 7))";

fn number(key: &str) -> String {
    NUMBER.replace("key", key)
}

/// The round in which the order is copied to a fresh key, as the new orders of that round; 0.1 % each.
pub(super) fn copied_in(key: &str) -> String {
    format!("({} % 1000)", number(key))
}

/// The round in which the order is deleted, plus 500; 0.1 % each.
pub(super) fn deleted_in(key: &str) -> String {
    format!("({} % 1000 - 500)", number(key))
}

/// The round in which the line is changed; 1 % each.
pub(super) fn changed_in() -> String {
    format!("(({} * 7 + l_linenumber) % 100)", number("l_orderkey"))
}

/// Orders from the `round`s below: new ones have keys that the generator leaves out.
fn between(expr: &str, rounds: u32) -> String {
    format!("{expr} BETWEEN 1 AND {rounds}")
}

/// The columns of a line as a change leaves them.
pub(super) const CHANGED_LINE: &str = "l_orderkey, l_partkey, l_suppkey, l_linenumber,
    CAST(l_quantity + 1 AS DECIMAL(15, 2)) AS l_quantity,
    CAST(l_extendedprice + 100.25 AS DECIMAL(15, 2)) AS l_extendedprice,
    l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate, l_shipinstruct, l_shipmode,
    l_comment || ' (changed)' AS l_comment";

/// The columns of a line of a new order.
pub(super) const NEW_LINE: &str = "l_orderkey + 8 AS l_orderkey, l_partkey, l_suppkey, l_linenumber, l_quantity,
    l_extendedprice, l_discount, l_tax, l_returnflag, l_linestatus, l_shipdate, l_commitdate, l_receiptdate,
    l_shipinstruct, l_shipmode, l_comment";

/// The columns of a new order.
pub(super) const NEW_ORDER: &str = "o_orderkey + 8 AS o_orderkey, o_custkey, o_orderstatus, o_totalprice, o_orderdate,
    o_orderpriority, o_clerk, o_shippriority, o_comment";

/// All lines after so many rounds.
pub(super) fn lineitem(rounds: u32) -> String {
    let (copied, deleted, changed) = (
        between(&copied_in("l_orderkey"), rounds),
        between(&deleted_in("l_orderkey"), rounds),
        between(&changed_in(), rounds),
    );
    // A line is changed in its round unless its order is gone by then, and later rounds may delete it still.
    format!(
        "SELECT * FROM lineitem WHERE NOT ({deleted}) AND NOT ({changed})
         UNION ALL SELECT {CHANGED_LINE} FROM lineitem WHERE NOT ({deleted}) AND {changed}
         UNION ALL SELECT {NEW_LINE} FROM lineitem WHERE {copied}"
    )
}

/// All orders after so many rounds.
pub(super) fn orders(rounds: u32) -> String {
    let (copied, deleted) = (between(&copied_in("o_orderkey"), rounds), between(&deleted_in("o_orderkey"), rounds));
    format!(
        "SELECT * FROM orders WHERE NOT ({deleted})
         UNION ALL SELECT {NEW_ORDER} FROM orders WHERE {copied}"
    )
}
