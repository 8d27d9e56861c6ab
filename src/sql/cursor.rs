//! Reads the tokens of one of our own statements, word by word.
//!
//! Invariant: every failure carries the place of the token it is about. Expressions, types and names are read by the
//! stock parser, so they are the same everywhere.

use std::ops::Range;

use datafusion::sql::parser::Statement as DFStatement;
use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use super::failure::{At, Failure, Parse};
use super::parser::Syntax;
use super::splice::parse_statement;
use super::statement::{ObjectPath, PartitionRef, PartitionSpec, normalized};
use super::tokens::Script;
use crate::error::Code;

/// A place in a statement.
pub(crate) struct Cursor<'a> {
    pub(crate) parser: Parser<'a>,
    script: &'a Script<'a>,
    range: Range<usize>,
    syntax: Syntax<'a>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(script: &'a Script<'a>, range: Range<usize>, syntax: Syntax<'a>) -> Self {
        let tokens = script.tokens(range.clone()).to_vec();
        let parser =
            Parser::new(syntax.dialect).with_recursion_limit(syntax.recursion_limit).with_tokens_with_locations(tokens);
        Self { parser, script, range, syntax }
    }

    /// The tokens of the whole statement.
    pub(crate) fn tokens(&self) -> &'a [TokenWithSpan] {
        self.script.tokens(self.range.clone())
    }

    /// How many tokens were read.
    pub(crate) fn position(&self) -> usize {
        self.parser.index().min(self.range.len())
    }

    /// The text not yet read, exactly as written.
    pub(crate) fn rest(&self) -> &'a str {
        self.script.slice(self.range.start + self.position()..self.range.end)
    }

    /// The text of some tokens of the statement.
    pub(crate) fn text_of(&self, tokens: Range<usize>) -> &'a str {
        self.script.slice(self.range.start + tokens.start..self.range.start + tokens.end)
    }

    /// Parses tokens as stock DataFusion does, version clauses added.
    pub(crate) fn parse_tokens(&self, tokens: &[TokenWithSpan]) -> Parse<DFStatement> {
        parse_statement(tokens, self.syntax)
    }

    /// The whole statement as stock DataFusion reads it, version clauses added.
    pub(crate) fn stock(&self) -> Parse<DFStatement> {
        self.parse_tokens(self.tokens())
    }

    /// The rest as a query.
    pub(crate) fn rest_as_query(&mut self) -> Parse<Box<Query>> {
        let at = self.at();
        let statement = parse_statement(self.tokens().get(self.position()..).unwrap_or_default(), self.syntax)?;
        let DFStatement::Statement(inner) = statement else { return Err(Failure::syntax("Expected: a query", at)) };
        match *inner {
            datafusion::sql::sqlparser::ast::Statement::Query(query) => Ok(query),
            _ => Err(Failure::syntax("Expected: a query", at)),
        }
    }

    /// The place of the next token.
    pub(crate) fn at(&self) -> At {
        match self.parser.peek_token_ref() {
            TokenWithSpan { token: Token::EOF, .. } => At::End,
            token => At::Token(token.span.start),
        }
    }

    pub(crate) fn at_end(&self) -> bool {
        self.parser.peek_token_ref().token == Token::EOF
    }

    /// Nothing may follow.
    pub(crate) fn finish(&self) -> Parse<()> {
        if self.at_end() { Ok(()) } else { self.expected("the end of the statement") }
    }

    pub(crate) fn expected<T>(&self, what: &str) -> Parse<T> {
        let found = match self.parser.peek_token_ref() {
            TokenWithSpan { token: Token::EOF, .. } => "the end of the statement".to_owned(),
            token => token.to_string(),
        };
        Err(Failure::syntax(format!("Expected: {what}, found: {found}"), self.at()))
    }

    /// Whether the next tokens are these unquoted words, in any case.
    pub(crate) fn sees(&self, words: &str) -> bool {
        words.split(' ').enumerate().all(|(n, expected)| match &self.parser.peek_nth_token_ref(n).token {
            Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(expected),
            _ => false,
        })
    }

    pub(crate) fn sees_token(&self, token: &Token) -> bool {
        self.parser.peek_token_ref().token == *token
    }

    /// Reads these words if they are there.
    pub(crate) fn take(&mut self, words: &str) -> bool {
        let there = self.sees(words);
        if there {
            words.split(' ').for_each(|_| self.parser.advance_token());
        }
        there
    }

    pub(crate) fn expect(&mut self, words: &str) -> Parse<()> {
        if self.take(words) { Ok(()) } else { self.expected(words) }
    }

    pub(crate) fn take_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    pub(crate) fn expect_token(&mut self, token: &Token) -> Parse<()> {
        if self.take_token(token) { Ok(()) } else { self.expected(&token.to_string()) }
    }

    /// `( item, … )`.
    pub(crate) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parse<T>) -> Parse<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let mut items = vec![item(self)?];
        while self.take_token(&Token::Comma) {
            items.push(item(self)?);
        }
        self.expect_token(&Token::RParen)?;
        Ok(items)
    }

    /// Skips a balanced `( … )`.
    pub(crate) fn skip_parentheses(&mut self) -> Parse<()> {
        self.expect_token(&Token::LParen)?;
        let mut depth = 1_usize;
        while depth > 0 {
            match self.parser.next_token().token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                Token::EOF => return self.expected(")"),
                _ => {}
            }
        }
        Ok(())
    }

    /// The name of a table, view or schema.
    pub(crate) fn path(&mut self) -> Parse<ObjectPath> {
        let at = self.at();
        let name = self.parser.parse_object_name(false)?;
        ObjectPath::new(&name)
            .ok_or_else(|| Failure::syntax(format!("{name} is no name of one, two or three parts"), at))
    }

    pub(crate) fn identifier(&mut self) -> Parse<String> {
        Ok(normalized(&self.parser.parse_identifier()?))
    }

    /// A quoted text, single or double, if there is one.
    pub(crate) fn take_text(&mut self) -> Option<String> {
        let text = match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(text)
            | Token::DoubleQuotedString(text)
            | Token::EscapedStringLiteral(text)
            | Token::NationalStringLiteral(text) => text.clone(),
            Token::Word(word) if word.quote_style == Some('"') => word.value.clone(),
            _ => return None,
        };
        self.parser.advance_token();
        Some(text)
    }

    pub(crate) fn text(&mut self, what: &str) -> Parse<String> {
        match self.take_text() {
            Some(text) => Ok(text),
            None => self.expected(what),
        }
    }

    /// A whole number without sign.
    pub(crate) fn number(&mut self, what: &str) -> Parse<u64> {
        let parsed = match &self.parser.peek_token_ref().token {
            Token::Number(digits, _) => digits.parse().ok(),
            _ => None,
        };
        match parsed {
            Some(number) => {
                self.parser.advance_token();
                Ok(number)
            }
            None => self.expected(what),
        }
    }

    /// `'0000000000000004'`, `'4'` or `4`.
    pub(crate) fn lsn(&mut self) -> Parse<u64> {
        let at = self.at();
        let Some(text) = self.take_text() else { return self.number("an LSN, as a number or a quoted text") };
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().ok_or_else(|| {
            Failure::new(
                Code::InvalidArgument,
                format!("'{text}' is no LSN: write its digits, as SHOW HISTORY does"),
                at,
            )
        })
    }

    /// The days of a lifecycle.
    pub(crate) fn lifecycle_days(&mut self) -> Parse<u64> {
        let at = self.at();
        let days = match self.parser.peek_token_ref().token {
            Token::Number(ref digits, _) => digits.parse().ok().filter(|days| *days > 0),
            Token::Minus => None,
            _ => return self.expected("a number of days"),
        };
        self.parser.advance_token();
        days.ok_or_else(|| Failure::new(Code::InvalidProperty, "LIFECYCLE takes a positive whole number of days", at))
    }

    /// `'…'`, an id of a table or partition.
    pub(crate) fn id(&mut self) -> Parse<String> {
        let at = self.at();
        let id = self.text("an id in quotes")?;
        if !is_id(&id) {
            return Err(Failure::new(
                Code::InvalidArgument,
                format!("'{id}' is no id: ids are 32 hex digits, as SHOW HISTORY FOR TABLES gives them"),
                at,
            ));
        }
        Ok(id.to_ascii_lowercase())
    }

    /// `('id' = '…')`, if it is there.
    pub(crate) fn take_object_id(&mut self) -> Parse<Option<String>> {
        if !self.take_token(&Token::LParen) {
            return Ok(None);
        }
        if !self.take_id_key() {
            return self.expected("'id'");
        }
        self.expect_token(&Token::Eq)?;
        let id = self.id()?;
        self.expect_token(&Token::RParen)?;
        Ok(Some(id))
    }

    fn take_id_key(&mut self) -> bool {
        let there = match &self.parser.peek_token_ref().token {
            Token::SingleQuotedString(text) | Token::DoubleQuotedString(text) => text.eq_ignore_ascii_case("id"),
            Token::Word(word) => word.quote_style == Some('"') && word.value.eq_ignore_ascii_case("id"),
            _ => false,
        };
        if there {
            self.parser.advance_token();
        }
        there
    }

    /// `PARTITION (…)` by values or by id, if it is there.
    pub(crate) fn take_partition_ref(&mut self) -> Parse<Option<PartitionRef>> {
        if !self.take("PARTITION") {
            return Ok(None);
        }
        let quoted = match &self.parser.peek_nth_token_ref(1).token {
            Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => true,
            // A double-quoted text is a string in a PARTITION spec, so "id" can't be the column of that name.
            Token::Word(word) => word.quote_style == Some('"') && word.value.eq_ignore_ascii_case("id"),
            _ => false,
        };
        if !quoted {
            return Ok(Some(PartitionRef::Spec(self.partition_values()?)));
        }
        match self.take_object_id()? {
            Some(id) => Ok(Some(PartitionRef::Id(id))),
            None => self.expected("('id' = '…')"),
        }
    }

    /// Any number of `PARTITION (…)`, with or without commas between.
    pub(crate) fn partition_refs(&mut self) -> Parse<Vec<PartitionRef>> {
        let mut partitions = Vec::new();
        while let Some(partition) = self.take_partition_ref()? {
            partitions.push(partition);
            if self.take_token(&Token::Comma) && !self.sees("PARTITION") {
                return self.expected("PARTITION");
            }
        }
        Ok(partitions)
    }

    /// `PARTITION (column = value, …)`, if it is there.
    pub(crate) fn take_partition(&mut self) -> Parse<Option<PartitionSpec>> {
        if self.take("PARTITION") { self.partition_values().map(Some) } else { Ok(None) }
    }

    /// One or more `PARTITION (column = value, …)`, with or without commas between.
    pub(crate) fn partitions(&mut self) -> Parse<Vec<PartitionSpec>> {
        let mut partitions = Vec::new();
        loop {
            match self.take_partition()? {
                Some(partition) => partitions.push(partition),
                None => return self.expected("PARTITION"),
            }
            if !self.take_token(&Token::Comma) && !self.sees("PARTITION") {
                return Ok(partitions);
            }
        }
    }

    fn partition_values(&mut self) -> Parse<PartitionSpec> {
        let mut columns: Vec<String> = Vec::new();
        let values = self.list(|cursor| {
            let at = cursor.at();
            let column = cursor.identifier()?;
            if columns.contains(&column) {
                return Err(Failure::syntax(format!("PARTITION names {column} twice"), at));
            }
            columns.push(column.clone());
            cursor.expect_token(&Token::Eq)?;
            Ok((column, cursor.partition_value()?))
        })?;
        Ok(PartitionSpec(values))
    }

    /// A literal, as text.
    fn partition_value(&mut self) -> Parse<String> {
        if let Some(text) = self.take_text() {
            return Ok(text);
        }
        let at = self.at();
        if self.take("NULL") {
            return Err(Failure::new(Code::ConstraintViolation, "A partition value can't be NULL", at));
        }
        for word in ["TRUE", "FALSE"] {
            if self.take(word) {
                return Ok(word.to_ascii_lowercase());
            }
        }
        if self.take("DATE") || self.take("TIMESTAMP") || self.take("DATETIME") {
            return self.text("a text in quotes");
        }
        let sign = if self.take_token(&Token::Minus) { "-" } else { "" };
        let Token::Number(digits, _) = &self.parser.peek_token_ref().token else {
            return self.expected("a text in quotes or a number");
        };
        let value = format!("{sign}{digits}");
        self.parser.advance_token();
        Ok(value)
    }

    /// `("key" = "value", …)`.
    pub(crate) fn properties(&mut self) -> Parse<Vec<(String, String)>> {
        let mut seen: Vec<String> = Vec::new();
        self.list(|cursor| {
            let at = cursor.at();
            let key = cursor.property_key()?;
            if seen.contains(&key) {
                return Err(Failure::new(Code::InvalidProperty, format!("The property {key} is given twice"), at));
            }
            seen.push(key.clone());
            cursor.expect_token(&Token::Eq)?;
            Ok((key, cursor.property_value()?))
        })
    }

    /// A quoted text, or words with dots.
    pub(crate) fn property_key(&mut self) -> Parse<String> {
        match self.take_text() {
            Some(text) => Ok(text),
            None => Ok(self.parser.parse_object_name(false)?.to_string()),
        }
    }

    fn property_value(&mut self) -> Parse<String> {
        if let Some(text) = self.take_text() {
            return Ok(text);
        }
        let value = match &self.parser.peek_token_ref().token {
            Token::Number(digits, _) => digits.clone(),
            Token::Word(word) if word.quote_style.is_none() => word.value.clone(),
            _ => return self.expected("a value in quotes"),
        };
        self.parser.advance_token();
        Ok(value)
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
