//! The leading words of a statement, which is all that the shell itself looks at.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// The unquoted words of the statement in upper case, without comments, quoted texts and punctuation.
pub(crate) fn words(sql: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    // Of a text that has no tokens, those before the fault are enough: the library reports the fault.
    let _ = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location_into_buf(&mut tokens);
    tokens
        .into_iter()
        .filter_map(|token| match token.token {
            Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
            _ => None,
        })
        .collect()
}

/// Whether the statement goes to datafusion-cli, which registers object stores for it.
///
/// A COPY that may hold a version clause doesn't: only the library knows that one.
pub(crate) fn needs_object_stores(words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["CREATE", "EXTERNAL", "TABLE", ..]
        | ["CREATE", "UNBOUNDED", "EXTERNAL", "TABLE", ..]
        | ["CREATE", "OR", "REPLACE", "EXTERNAL", "TABLE", ..]
        | ["CREATE", "OR", "REPLACE", "UNBOUNDED", "EXTERNAL", "TABLE", ..] => true,
        ["COPY", rest @ ..] => {
            !rest.windows(2).any(|pair| matches!(pair, ["VERSION" | "TIMESTAMP" | "SYSTEM_TIME", "AS" | "BETWEEN"]))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_leave_out_comments_and_quoted_texts() {
        assert_eq!(words("-- drop\n /* purge */ Select 'drop', \"Drop\" FROM t;"), ["SELECT", "FROM", "T"]);
        assert_eq!(words("DROP TABLE 'open"), ["DROP", "TABLE"]);
    }

    #[test]
    fn only_stock_statements_with_locations_need_object_stores() {
        for sql in ["CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 'x'", "copy t to 'x.csv'", "COPY (SELECT 1) TO 'x'"]
        {
            assert!(needs_object_stores(&words(sql)), "{sql}");
        }
        for sql in ["CREATE TABLE t (a INT)", "SELECT 1", "COPY (SELECT * FROM t VERSION AS OF 2) TO 'x'", ""] {
            assert!(!needs_object_stores(&words(sql)), "{sql}");
        }
    }
}
