//! Asking before something goes away. Scripts are never asked.

/// The question to ask before the statement runs, if it needs one.
pub(crate) fn question(words: &[String]) -> Option<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let what = match words.as_slice() {
        ["DROP", kind, ..] => format!("DROP {kind}"),
        ["PURGE", ..] => "PURGE".to_string(),
        ["ALTER", "TABLE", rest @ ..] if rest.windows(2).any(|pair| pair == ["DROP", "PARTITION"]) => {
            "DROP PARTITION".to_string()
        }
        ["ALTER", "TABLE", rest @ ..] if rest.windows(4).any(|four| four == ["DROP", "IF", "EXISTS", "PARTITION"]) => {
            "DROP PARTITION".to_string()
        }
        _ => return None,
    };
    Some(format!("{what}: are you sure? (yes/no) "))
}

/// Whether the answer is a yes; anything else is a no.
pub(crate) fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().trim_end_matches(';').to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::words;

    #[test]
    fn what_takes_something_away_is_asked_about() {
        for sql in [
            "DROP TABLE t",
            "drop table if exists t",
            "PURGE TABLE t",
            "ALTER TABLE t DROP PARTITION (ds='1')",
            "ALTER TABLE t DROP IF EXISTS PARTITION (ds='1')",
            "-- note\nDROP SCHEMA s",
        ] {
            assert!(question(&words(sql)).is_some(), "{sql}");
        }
        for sql in ["SELECT 'drop table t'", "INSERT INTO t VALUES (1)", "ALTER TABLE t DROP COLUMN c", ""] {
            assert!(question(&words(sql)).is_none(), "{sql}");
        }
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(is_yes("yes") && is_yes(" Y \n") && is_yes("yes;"));
        assert!(!is_yes("") && !is_yes("no") && !is_yes("yess"));
    }
}
