//! Mutations of what this crate writes: JSON, bytes, the lines of a log, and statements.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::{Value, json};

use crate::laws::rng::Rng;

/// Values that parsers and arithmetic trip over.
fn hostile(rng: &mut Rng) -> Value {
    let deep = (0..100).fold(json!(1), |value, _| json!([value]));
    rng.pick(&[
        json!(0),
        json!(1),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(9_999_999_999_999_999_u64),
        json!(1_u64 << 43),
        json!(2_147_483_647),
        json!(1e300),
        json!(0.5),
        json!(true),
        Value::Null,
        json!([]),
        json!({}),
        json!(""),
        json!("../../../etc/passwd"),
        json!("a/b%2e%2e\\c"),
        json!("\u{0}"),
        json!("'; DROP TABLE t; --"),
        json!("0".repeat(32)),
        json!("f".repeat(32)),
        json!("x".repeat(10_000)),
        json!("\u{202e}\u{1f4a5}"),
        deep,
    ])
    .clone()
}

fn count(value: &Value) -> u64 {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum::<u64>(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// Changes the node of this number.
fn change(value: &mut Value, at: &mut u64, rng: &mut Rng) -> bool {
    if *at == 0 {
        match value {
            Value::Object(fields) if rng.chance(50) => {
                let keys: Vec<String> = fields.keys().cloned().collect();
                if keys.is_empty() || rng.chance(30) {
                    fields.insert("unknown".into(), hostile(rng));
                } else {
                    fields.remove(rng.pick(&keys));
                }
            }
            Value::Array(items) if rng.chance(70) => match items.len() {
                0 => items.push(hostile(rng)),
                len => {
                    let item = items[rng.below(len as u64) as usize].clone();
                    let times = if rng.chance(10) { 2_000 } else { 1 };
                    match rng.chance(50) {
                        true => items.extend(std::iter::repeat_n(item, times)),
                        false => drop(items.pop()),
                    }
                }
            },
            Value::Number(number) if rng.chance(40) => {
                let near = number.as_i64().unwrap_or_default().saturating_add(*rng.pick(&[-1, 1, 2, 100]));
                *value = json!(near);
            }
            _ => *value = hostile(rng),
        }
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().any(|item| change(item, at, rng)),
        Value::Object(fields) => fields.values_mut().any(|field| change(field, at, rng)),
        _ => false,
    }
}

pub fn mutate_json(value: &mut Value, rng: &mut Rng) {
    let mut at = rng.below(count(value));
    change(value, &mut at, rng);
}

pub fn mutate_bytes(bytes: &mut Vec<u8>, rng: &mut Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.below(bytes.len() as u64) as usize;
    match rng.below(5) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = *rng.pick(&[0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'\n']),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..bytes.len().min(at + 1 + rng.below(16) as usize))),
        _ => {
            let piece = bytes[at..bytes.len().min(at + 1 + rng.below(64) as usize)].to_vec();
            let to = rng.below(bytes.len() as u64) as usize;
            bytes.splice(to..to, piece);
        }
    }
}

/// Lines of JSON, changed here and there.
pub fn mutate_lines(content: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut lines: Vec<Value> = content
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    for _ in 0..=rng.below(3) {
        match rng.below(10) {
            0 if lines.len() > 1 => drop(lines.remove(1 + rng.below(lines.len() as u64 - 1) as usize)),
            1 => lines.push(rng.pick(&lines.clone()).clone()),
            2 => lines.push(action(rng)),
            _ => {
                let at = rng.below(lines.len() as u64) as usize;
                mutate_json(&mut lines[at], rng);
            }
        }
    }
    let mut text = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n").into_bytes();
    if rng.chance(10) {
        mutate_bytes(&mut text, rng);
    }
    text
}

/// An action that a table's log may hold, on something that isn't there or twice.
fn action(rng: &mut Rng) -> Value {
    let id = "0123456789abcdef0123456789abcdef";
    rng.pick(&[
        json!({"action": "drop"}),
        json!({"action": "undrop"}),
        json!({"action": "purge"}),
        json!({"action": "sweep", "upto": u64::MAX}),
        json!({"action": "sweep", "upto": 1}),
        json!({"action": "close", "file": id, "counted": true}),
        json!({"action": "reopen", "file": id, "visible": true, "counted": true}),
        json!({"action": "uncount", "file": id}),
        json!({"action": "touch", "partition": id}),
        json!({"action": "close_partition", "id": id}),
        json!({"action": "open_partition", "values": ["a", "b"], "id": id}),
        json!({"action": "open_partition", "values": [], "id": id}),
        json!({"action": "rename", "name": "../x"}),
        json!({"action": "lifecycle", "days": 4_294_967_295_u32, "enabled": true}),
        json!({"action": "properties", "set": {"acid.data.retain.hours": "18446744073709551615"}}),
        json!({"action": "properties", "set": {"write.bucket.num": "0", "compaction.delta.count": "-1"}}),
    ])
    .clone()
}

pub fn mutate_sql(corpus: &[String], rng: &mut Rng) -> String {
    let words = |text: &str| -> Vec<String> {
        let mut words = vec![String::new()];
        for c in text.chars() {
            if !c.is_alphanumeric() && c != '_' {
                words.extend([c.to_string(), String::new()]);
            } else if let Some(word) = words.last_mut() {
                word.push(c);
            }
        }
        words.retain(|word| !word.is_empty());
        words
    };
    let mut sql = words(rng.pick::<String>(corpus));
    let odd = [
        "\0",
        "'",
        "\"",
        "`",
        "/*",
        "--",
        ";",
        "(",
        ")",
        "VERSION AS OF",
        "BETWEEN",
        "99999999999999999999",
        "-1",
        "\u{1f4a5}",
        "é",
        "$1",
        "?",
        "::",
        "''",
        "\\",
        "::x",
        "TIMESTAMP AS OF",
    ];
    for _ in 0..=rng.below(4) {
        let at = rng.below(sql.len().max(1) as u64) as usize;
        match rng.below(7) {
            0 if at < sql.len() => drop(sql.remove(at)),
            1 if at < sql.len() => sql.insert(at, sql[at].clone()),
            2 => sql.insert(at.min(sql.len()), (*rng.pick(&odd)).to_owned()),
            3 => {
                let other = words(rng.pick::<String>(corpus));
                let from = rng.below(other.len().max(1) as u64) as usize;
                let to = other.len().min(from + 1 + rng.below(8) as usize);
                let at = at.min(sql.len());
                sql.splice(at..at, other[from.min(to)..to].iter().cloned());
            }
            4 => sql.truncate(at),
            5 => {
                let depth = 1 + rng.below(200) as usize;
                let at = at.min(sql.len());
                sql.insert(at, rng.pick(&["(", "NOT ", "- ", "(SELECT ", "CASE WHEN ", "[", "{'a': "]).repeat(depth));
            }
            _ if sql.len() > 1 => {
                let other = rng.below(sql.len() as u64) as usize;
                sql.swap(at, other);
            }
            _ => {}
        }
    }
    sql.concat()
}
