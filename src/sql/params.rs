//! Values for the `$1`, `$name` and `?` of a statement, put in as tokens.
//!
//! Invariant: a value is never read as SQL. A text becomes one token, and no text of the statement is put together, so
//! nothing in a value can end the token that it is. A version clause takes a parameter like any other expression.

use std::collections::HashSet;

use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::error::{Code, Error, Result};

/// The tokens with every placeholder replaced by its value, at the placeholder's place in the text.
pub(super) fn bind(tokens: Vec<TokenWithSpan>, values: &ParamValues) -> Result<Vec<TokenWithSpan>> {
    let mut bound = Vec::with_capacity(tokens.len());
    let mut used = HashSet::new();
    let mut marks = 0_usize;
    for token in tokens {
        let Token::Placeholder(name) = &token.token else {
            bound.push(token);
            continue;
        };
        let name = match name.strip_prefix('$') {
            Some(name) => name.to_owned(),
            None => {
                marks += 1;
                marks.to_string()
            }
        };
        let value = look(values, &name)?;
        used.insert(name);
        bound.extend(literal(&value)?.into_iter().map(|part| TokenWithSpan::new(part, token.span)));
    }
    match values {
        ParamValues::List(list) if list.len() > used.len() => Err(Error::new(
            Code::InvalidArgument,
            format!("{} values were given, but the statement has {} parameters", list.len(), used.len()),
        )),
        ParamValues::Map(map) => match map.keys().find(|name| !used.contains(*name)) {
            Some(unused) => Err(Error::new(
                Code::InvalidArgument,
                format!("a value was given for ${unused}, which the statement doesn't have"),
            )),
            None => Ok(bound),
        },
        ParamValues::List(_) => Ok(bound),
    }
}

fn look(values: &ParamValues, name: &str) -> Result<ScalarValue> {
    let found = match values {
        ParamValues::List(list) => {
            name.parse::<usize>().ok().and_then(|place| list.get(place.checked_sub(1)?)).map(|found| &found.value)
        }
        ParamValues::Map(map) => map.get(name).map(|found| &found.value),
    };
    found.cloned().ok_or_else(|| {
        Error::new(Code::InvalidArgument, format!("no value was given for ${name}: give one for each parameter"))
    })
}

/// A value as a constant expression.
fn literal(value: &ScalarValue) -> Result<Vec<Token>> {
    use ScalarValue as S;
    if value.is_null() {
        return sql("NULL");
    }
    if let Some(text) = value.try_as_str().flatten() {
        return Ok(vec![Token::SingleQuotedString(text.to_owned())]);
    }
    match value {
        S::Boolean(Some(true)) => sql("TRUE"),
        S::Boolean(Some(false)) => sql("FALSE"),
        value if value.data_type().is_integer() => {
            let text = value.to_string();
            // In parentheses, so that `x-$1` doesn't become a comment.
            if text.starts_with('-') { sql(&format!("({text})")) } else { sql(&text) }
        }
        S::Float32(_) | S::Float64(_) => sql(&format!("CAST('{value}' AS DOUBLE)")),
        S::Decimal128(_, precision, scale) => sql(&format!("CAST('{value}' AS DECIMAL({precision}, {scale}))")),
        S::Binary(Some(bytes)) | S::BinaryView(Some(bytes)) | S::LargeBinary(Some(bytes)) => {
            Ok(vec![Token::HexStringLiteral(bytes.iter().map(|byte| format!("{byte:02X}")).collect())])
        }
        S::Date32(_) => sql(&format!("DATE '{}'", text_of(value)?)),
        S::Time64Microsecond(_) => sql(&format!("arrow_cast('{}', 'Time64(Microsecond)')", text_of(value)?)),
        S::TimestampMicrosecond(Some(micros), zone) => moment(*micros, zone.as_deref()),
        other => Err(Error::new(
            Code::InvalidArgument,
            format!("a parameter can't be of type {}: pass a text and CAST it in the statement", other.data_type()),
        )),
    }
}

/// A moment; with a zone it is said in UTC, so that it names one instant in whatever session.
fn moment(micros: i64, zone: Option<&str>) -> Result<Vec<Token>> {
    if let Some(zone) = zone {
        zone.parse::<Tz>().map_err(|error| Error::new(Code::InvalidArgument, format!("zone {zone}: {error}")))?;
        let text = text_of(&ScalarValue::TimestampMicrosecond(Some(micros), None))?;
        return sql(&format!("arrow_cast('{text}Z', 'Timestamp(Microsecond, Some(\"UTC\"))')"));
    }
    let text = text_of(&ScalarValue::TimestampMicrosecond(Some(micros), None))?;
    sql(&format!("arrow_cast('{text}', 'Timestamp(Microsecond, None)')"))
}

fn text_of(value: &ScalarValue) -> Result<String> {
    match value.cast_to(&DataType::Utf8)? {
        ScalarValue::Utf8(Some(text)) => Ok(text),
        other => Err(Error::internal(format!("{other} is no text"))),
    }
}

/// The tokens of a text that holds digits, letters of ours and numbers only.
fn sql(text: &str) -> Result<Vec<Token>> {
    Tokenizer::new(&GenericDialect {}, text)
        .tokenize()
        .map_err(|error| Error::internal(format!("{text} is no constant: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn bound(sql: &str, values: &ParamValues) -> Result<String> {
        let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().unwrap();
        Ok(bind(tokens, values)?.iter().map(|token| token.token.to_string()).collect())
    }

    #[test]
    fn values_take_the_places_of_their_parameters() {
        let values = ParamValues::from(vec![ScalarValue::from("it's; DROP TABLE t --"), ScalarValue::from(-2_i64)]);
        assert_eq!(
            bound("SELECT '$1', $1, 1-$2 FROM t VERSION AS OF $2", &values).unwrap(),
            // Tokens print their texts as they are; the parser gets one token.
            "SELECT '$1', 'it's; DROP TABLE t --', 1-(-2) FROM t VERSION AS OF (-2)"
        );
        assert_eq!(bound("VALUES (?, ?)", &values).unwrap(), "VALUES ('it's; DROP TABLE t --', (-2))");
        let named = ParamValues::from(vec![("k", ScalarValue::TimestampMicrosecond(Some(1), Some("+02:00".into())))]);
        assert_eq!(
            bound("SELECT $k", &named).unwrap(),
            "SELECT arrow_cast('1970-01-01T00:00:00.000001Z', 'Timestamp(Microsecond, Some(\"UTC\"))')"
        );
    }

    #[test]
    fn values_that_are_missing_or_left_over_are_told() {
        let values = ParamValues::from(vec![ScalarValue::from(1_i64), ScalarValue::from(2_i64)]);
        assert!(bound("SELECT $3", &values).unwrap_err().message().contains("$3"));
        assert!(bound("SELECT $1", &values).unwrap_err().message().contains("2 values"));
        let named = ParamValues::from(vec![("a", ScalarValue::from(1_i64))]);
        assert!(bound("SELECT 1", &named).unwrap_err().message().contains("$a"));
    }
}
