//! A script as tokens: cut into statements at `;`, each with the exact text it came from.
//!
//! Invariant: a `;` inside quotes or a comment never ends a statement, and every place refers to the whole script.

use std::ops::Range;

use datafusion::common::ParamValues;
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::failure::Parse;

/// A text and its tokens, white space and comments included.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    text: &'a str,
    tokens: Vec<TokenWithSpan>,
    /// The byte at which each line begins.
    lines: Vec<usize>,
}

impl<'a> Script<'a> {
    pub(crate) fn tokenize(text: &'a str, dialect: &dyn Dialect) -> Parse<Self> {
        let tokens = Tokenizer::new(dialect, text).tokenize_with_location()?;
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Ok(Self { text, tokens, lines })
    }

    /// The same script with values for its parameters.
    pub(crate) fn with_params(self, values: &ParamValues) -> crate::error::Result<Self> {
        Ok(Self { tokens: super::params::bind(self.tokens, values)?, ..self })
    }

    /// The statements, as ranges of tokens without the `;` and without surrounding space; empty ones are left out.
    pub(crate) fn statements(&self) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        let mut start = 0;
        for end in self.tokens.iter().enumerate().filter(|(_, t)| t.token == Token::SemiColon).map(|(at, _)| at) {
            ranges.extend(self.trim(start..end));
            start = end + 1;
        }
        ranges.extend(self.trim(start..self.tokens.len()));
        ranges
    }

    /// The tokens of a range.
    pub(crate) fn tokens(&self, range: Range<usize>) -> &[TokenWithSpan] {
        self.tokens.get(range).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The text that a range of tokens came from, without surrounding space and comments.
    pub(crate) fn slice(&self, range: Range<usize>) -> &'a str {
        let bounds = self.trim(range).and_then(|range| {
            let tokens = self.tokens(range);
            Some(self.offset(tokens.first()?.span.start)..self.offset(tokens.last()?.span.end))
        });
        bounds.and_then(|bounds| self.text.get(bounds)).unwrap_or_default()
    }

    fn trim(&self, range: Range<usize>) -> Option<Range<usize>> {
        let solid = |token: &TokenWithSpan| !matches!(token.token, Token::Whitespace(_) | Token::EOF);
        let tokens = self.tokens(range.clone());
        let first = tokens.iter().position(solid)?;
        let last = tokens.iter().rposition(solid)?;
        Some(range.start + first..range.start + last + 1)
    }

    /// The byte of a place; places count characters, from 1.
    fn offset(&self, place: Location) -> usize {
        let line = usize::try_from(place.line.saturating_sub(1)).unwrap_or(usize::MAX);
        let column = usize::try_from(place.column.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(&start) = self.lines.get(line) else { return self.text.len() };
        let rest = self.text.get(start..).unwrap_or_default();
        start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
    }
}

/// The statements of a script, cut on tokens, so that a `;` in a text or comment doesn't count.
pub(crate) fn split(text: &str, dialect: &dyn Dialect) -> crate::error::Result<Vec<String>> {
    let script = Script::tokenize(text, dialect)?;
    Ok(script.statements().into_iter().map(|range| script.slice(range).to_owned()).collect())
}

/// Whether a shell may run the text as it stands: it ends in `;` outside quotes and comments, or holds an error that
/// more text can't mend.
pub(crate) fn is_complete(text: &str, dialect: &dyn Dialect) -> bool {
    let mut tokens = Vec::new();
    match Tokenizer::new(dialect, text).tokenize_with_location_into_buf(&mut tokens) {
        Ok(()) => {
            let last = tokens.iter().rev().find(|token| !matches!(token.token, Token::Whitespace(_)));
            last.is_some_and(|token| token.token == Token::SemiColon)
        }
        // An open quote or comment: the rest may follow.
        Err(error) => !(error.message.contains("nterminated") || error.message.contains("EOF")),
    }
}
