//! Version clauses that the stock parser doesn't know: cut from the tokens, parsed apart, put back into the tree.
//!
//! Only a statement that the stock parser refused comes here. Each clause is replaced by a mark: one more part on the
//! name of its table (`t VERSION AS OF 3 x` becomes `t.__tt_version_0 x`), which every dialect parses. Invariant: every
//! mark is found again on a table factor, else the statement is an error.

use std::ops::{ControlFlow, Range};

use datafusion::sql::parser::{DFParserBuilder, Statement as DFStatement};
use datafusion::sql::sqlparser::ast::{TableFactor, TableVersion, VisitorMut};
use datafusion::sql::sqlparser::dialect::Precedence;
use datafusion::sql::sqlparser::keywords::{Keyword, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_TABLE_ALIAS};
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Word};

use super::clauses::{VersionClause, VersionRange, VersionUnit, check_targets, visit_mut};
use super::failure::{At, Failure, Parse};
use super::parser::Syntax;
use crate::error::Code;

const MARK: &str = "__tt_version_";

/// Parses one statement: as stock DataFusion does or, where that fails, with its version clauses taken out first.
pub(crate) fn parse_statement(tokens: &[TokenWithSpan], syntax: Syntax<'_>) -> Parse<DFStatement> {
    let stock = match parse_stock(tokens.to_vec(), syntax) {
        Ok(statement) => {
            check_targets(&statement)?;
            return Ok(statement);
        }
        Err(failure) => failure,
    };
    let spliced = match splice(tokens, syntax) {
        Ok(spliced) => spliced,
        Err(failure) => return Err(failure.or_further(stock)),
    };
    if spliced.clauses.is_empty() {
        return Err(explain(stock, spliced.misplaced, tokens));
    }
    let mut statement = match parse_stock(spliced.tokens, syntax) {
        Ok(statement) => statement,
        Err(failure) => {
            let failure = if failure.message.contains(MARK) { stock } else { failure.or_further(stock) };
            return Err(explain(failure, spliced.misplaced, tokens));
        }
    };
    place(&mut statement, spliced.clauses)?;
    check_targets(&statement)?;
    Ok(statement)
}

/// Exactly one statement, as DataFusion's own parser reads it.
fn parse_stock(tokens: Vec<TokenWithSpan>, syntax: Syntax<'_>) -> Parse<DFStatement> {
    let mut parser = DFParserBuilder::new(tokens)
        .with_dialect(syntax.dialect)
        .with_recursion_limit(syntax.recursion_limit)
        .build()?;
    let mut statements = parser.parse_statements()?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        _ => Err(Failure::syntax("Expected: one statement", At::End)),
    }
}

struct Clause {
    version: TableVersion,
    at: Location,
}

struct Spliced {
    tokens: Vec<TokenWithSpan>,
    clauses: Vec<Clause>,
    /// The first clause that follows something other than a table name.
    misplaced: Option<Misplaced>,
}

/// A clause where none may stand.
struct Misplaced {
    failure: Failure,
    /// Its last fixed word: a stock parser that stumbled up to there stumbled over the clause.
    until: At,
}

impl Misplaced {
    fn explain(self, failure: Failure) -> Failure {
        if failure.at <= self.until { self.failure } else { failure }
    }
}

/// Takes the clauses out of the tokens and leaves marks.
fn splice(tokens: &[TokenWithSpan], syntax: Syntax<'_>) -> Parse<Spliced> {
    let solid = Solid::new(tokens);
    let mut cuts: Vec<Range<usize>> = Vec::new();
    // A mark goes behind the token with this index.
    let mut marks: Vec<usize> = Vec::new();
    let mut clauses = Vec::new();
    let mut misplaced = None;
    let mut at = 0;
    while let Some(index) = solid.index(at) {
        let Some(head) = Head::read(&solid, at) else {
            at += 1;
            continue;
        };
        let location = solid.location(at);
        match anchor(&solid, at) {
            Anchor::None => at += 1,
            Anchor::NotATable => {
                if misplaced.is_none() && head.as_of {
                    let unit = head.unit.as_str();
                    let message =
                        format!("{unit} AS OF may follow the name of a table only; put it behind the tables inside");
                    misplaced = Some(Misplaced {
                        failure: Failure::new(Code::NotVersioned, message, At::Token(location)),
                        until: At::Token(solid.location(at + head.words - 1)),
                    });
                }
                at += 1;
            }
            Anchor::Name(name) => {
                let start = solid.index(at + head.words).unwrap_or(tokens.len());
                let rest = tokens.get(start..).unwrap_or_default();
                let (range, used) = parse_range(rest, head.as_of, syntax)?;
                let version = VersionClause { unit: head.unit, range }.into_table_version();
                clauses.push(Clause { version, at: location });
                marks.push(name);
                cuts.push(index..start + used);
                at = solid.after(start + used);
            }
        }
    }
    Ok(Spliced { tokens: cut(tokens, &cuts, &marks), clauses, misplaced })
}

fn cut(tokens: &[TokenWithSpan], cuts: &[Range<usize>], marks: &[usize]) -> Vec<TokenWithSpan> {
    let mut result = Vec::with_capacity(tokens.len() + marks.len());
    for (index, token) in tokens.iter().enumerate() {
        if !cuts.iter().any(|cut| cut.contains(&index)) {
            result.push(token.clone());
        }
        for (number, _) in marks.iter().enumerate().filter(|(_, mark)| **mark == index) {
            result.push(TokenWithSpan::new(Token::Period, token.span));
            let word = Word { value: format!("{MARK}{number}"), quote_style: None, keyword: Keyword::NoKeyword };
            result.push(TokenWithSpan::new(Token::Word(word), token.span));
        }
    }
    result
}

/// The expressions of a clause, and how many tokens they took.
fn parse_range(tokens: &[TokenWithSpan], as_of: bool, syntax: Syntax<'_>) -> Parse<(VersionRange, usize)> {
    let mut parser = Parser::new(syntax.dialect)
        .with_recursion_limit(syntax.recursion_limit)
        .with_tokens_with_locations(tokens.to_vec());
    let range = if as_of {
        VersionRange::AsOf(parser.parse_expr()?)
    } else {
        let precedence = syntax.dialect.prec_value(Precedence::Between);
        let low = parser.parse_subexpr(precedence)?;
        parser.expect_keyword_is(Keyword::AND)?;
        VersionRange::Between(low, parser.parse_subexpr(precedence)?)
    };
    Ok((range, parser.index().min(tokens.len())))
}

/// The tokens that are neither space nor comment.
struct Solid<'a> {
    tokens: &'a [TokenWithSpan],
    indexes: Vec<usize>,
}

impl<'a> Solid<'a> {
    fn new(tokens: &'a [TokenWithSpan]) -> Self {
        let solid = tokens.iter().enumerate().filter(|(_, t)| !matches!(t.token, Token::Whitespace(_) | Token::EOF));
        Self { tokens, indexes: solid.map(|(index, _)| index).collect() }
    }

    fn index(&self, at: usize) -> Option<usize> {
        self.indexes.get(at).copied()
    }

    fn get(&self, at: Option<usize>) -> Option<&'a Token> {
        self.tokens.get(self.index(at?)?).map(|token| &token.token)
    }

    fn word(&self, at: Option<usize>) -> Option<&'a Word> {
        match self.get(at)? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.word(Some(at)).is_some_and(|word| word.quote_style.is_none() && word.value.eq_ignore_ascii_case(text))
    }

    fn location(&self, at: usize) -> Location {
        self.index(at).and_then(|index| self.tokens.get(index)).map_or_else(Location::empty, |t| t.span.start)
    }

    /// The first solid token at or after a token.
    fn after(&self, index: usize) -> usize {
        self.indexes.partition_point(|solid| *solid < index)
    }
}

/// The fixed words a clause begins with.
struct Head {
    unit: VersionUnit,
    as_of: bool,
    words: usize,
}

impl Head {
    fn read(solid: &Solid<'_>, at: usize) -> Option<Self> {
        let marked = solid.is(at, "FOR");
        let word = at + usize::from(marked);
        let unit = if solid.is(word, "VERSION") {
            VersionUnit::Version
        } else if solid.is(word, "TIMESTAMP") || (marked && solid.is(word, "SYSTEM_TIME")) {
            VersionUnit::Timestamp
        } else {
            return None;
        };
        if solid.is(word + 1, "AS") && solid.is(word + 2, "OF") {
            Some(Self { unit, as_of: true, words: word + 3 - at })
        } else if solid.is(word + 1, "BETWEEN") {
            Some(Self { unit, as_of: false, words: word + 2 - at })
        } else {
            None
        }
    }
}

/// What stands before a clause.
enum Anchor {
    /// A table, whose name ends at this token.
    Name(usize),
    /// A derived table, a function call or the like.
    NotATable,
    /// Nothing a clause could belong to: a column named `version`, say.
    None,
}

/// After these words comes the name of a table, whatever the name is.
const BEFORE_TABLE: &[Keyword] = &[
    Keyword::FROM,
    Keyword::JOIN,
    Keyword::USING,
    Keyword::INTO,
    Keyword::UPDATE,
    Keyword::MERGE,
    Keyword::DELETE,
    Keyword::TABLE,
    Keyword::APPLY,
    Keyword::OVERWRITE,
    Keyword::COPY,
];

/// Words that end no name, beyond those sqlparser reserves.
const NEVER_A_NAME: &[Keyword] = &[
    Keyword::AND,
    Keyword::OR,
    Keyword::NOT,
    Keyword::XOR,
    Keyword::IN,
    Keyword::IS,
    Keyword::LIKE,
    Keyword::ILIKE,
    Keyword::RLIKE,
    Keyword::BETWEEN,
    Keyword::CASE,
    Keyword::WHEN,
    Keyword::THEN,
    Keyword::ELSE,
    Keyword::BY,
    Keyword::DISTINCT,
    Keyword::ALL,
    Keyword::ANY,
    Keyword::SOME,
    Keyword::EXISTS,
    Keyword::AS,
    Keyword::ONLY,
    Keyword::OVER,
    Keyword::FILTER,
    Keyword::NULL,
    Keyword::TRUE,
    Keyword::FALSE,
];

/// Whether a token can be a name or an alias. In some dialects a double-quoted one is a string to the tokenizer.
fn can_be_name(token: &Token) -> bool {
    let word = match token {
        Token::Word(word) => word,
        Token::DoubleQuotedString(_) => return true,
        _ => return false,
    };
    let reserved = |keyword: &Keyword| {
        NEVER_A_NAME.contains(keyword)
            || BEFORE_TABLE.contains(keyword)
            || RESERVED_FOR_TABLE_ALIAS.contains(keyword)
            || RESERVED_FOR_COLUMN_ALIAS.contains(keyword)
    };
    word.quote_style.is_some() || !reserved(&word.keyword)
}

/// Finds the table that a clause at a solid token belongs to, by walking back over an alias and a name.
fn anchor(solid: &Solid<'_>, clause: usize) -> Anchor {
    let Some(last) = clause.checked_sub(1) else { return Anchor::None };
    match solid.get(Some(last)) {
        Some(Token::RParen) => anchor_with_columns(solid, last),
        Some(token @ (Token::Word(_) | Token::DoubleQuotedString(_))) => {
            let before = last.checked_sub(1);
            if is_before_table(solid, before) {
                return name_ending_at(solid, last);
            }
            if !can_be_name(token) {
                return Anchor::None;
            }
            match solid.get(before) {
                Some(Token::RParen) => Anchor::NotATable,
                Some(Token::Word(_) | Token::DoubleQuotedString(_)) => name_before_alias(solid, last),
                _ => name_ending_at(solid, last),
            }
        }
        _ => Anchor::None,
    }
}

/// `t [AS] x (a, b) VERSION …`: walks back over the columns of the alias.
fn anchor_with_columns(solid: &Solid<'_>, close: usize) -> Anchor {
    let mut depth = 0_usize;
    for at in (0..=close).rev() {
        match solid.get(Some(at)) {
            Some(Token::RParen) => depth += 1,
            Some(Token::LParen) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > 0 {
            continue;
        }
        let Some(alias) = at.checked_sub(1) else { return Anchor::NotATable };
        let named = solid.get(Some(alias)).is_some_and(can_be_name);
        let before = alias.checked_sub(1);
        let name =
            solid.get(before).is_some_and(|token| matches!(token, Token::Word(_) | Token::DoubleQuotedString(_)));
        if named && name && !is_before_table(solid, before) {
            return match name_before_alias(solid, alias) {
                Anchor::Name(name) => Anchor::Name(name),
                _ => Anchor::NotATable,
            };
        }
        return Anchor::NotATable;
    }
    Anchor::None
}

/// `t [AS] x`: the name that ends before an alias.
fn name_before_alias(solid: &Solid<'_>, alias: usize) -> Anchor {
    let Some(mut last) = alias.checked_sub(1) else { return Anchor::None };
    if solid.is(last, "AS") {
        let Some(before) = last.checked_sub(1) else { return Anchor::None };
        last = before;
    }
    match solid.get(Some(last)) {
        Some(Token::RParen) => Anchor::NotATable,
        Some(token) if can_be_name(token) || is_before_table(solid, last.checked_sub(1)) => name_ending_at(solid, last),
        _ => Anchor::None,
    }
}

/// Walks back over `a.b.c` and checks that a table may stand there.
fn name_ending_at(solid: &Solid<'_>, last: usize) -> Anchor {
    let Some(index) = solid.index(last) else { return Anchor::None };
    let mut first = last;
    while let (Some(period), Some(part)) = (first.checked_sub(1), first.checked_sub(2)) {
        match (solid.get(Some(period)), solid.get(Some(part))) {
            (Some(Token::Period), Some(Token::Word(_) | Token::DoubleQuotedString(_))) => first = part,
            // MSSQL's `a..b`.
            (Some(Token::Period), Some(Token::Period)) => first = period,
            _ => break,
        }
    }
    let before = first.checked_sub(1);
    let allowed = is_before_table(solid, before) || matches!(solid.get(before), Some(Token::Comma | Token::LParen));
    if allowed { Anchor::Name(index) } else { Anchor::None }
}

fn is_before_table(solid: &Solid<'_>, at: Option<usize>) -> bool {
    solid.word(at).is_some_and(|word| word.quote_style.is_none() && BEFORE_TABLE.contains(&word.keyword))
}

/// Puts the clauses where their marks are.
fn place(statement: &mut DFStatement, clauses: Vec<Clause>) -> Parse<()> {
    let mut placing = Placing { clauses: clauses.into_iter().map(Some).collect() };
    if let ControlFlow::Break(failure) = visit_mut(statement, &mut placing) {
        return Err(*failure);
    }
    match placing.clauses.into_iter().flatten().next() {
        None => Ok(()),
        Some(clause) => Err(Failure::new(
            Code::NotVersioned,
            format!("{} may follow a table that is read, in FROM, JOIN or USING, and nothing else", clause.version),
            At::Token(clause.at),
        )),
    }
}

struct Placing {
    clauses: Vec<Option<Clause>>,
}

impl VisitorMut for Placing {
    type Break = Box<Failure>;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        let TableFactor::Table { name, version, args, .. } = factor else { return ControlFlow::Continue(()) };
        let mark = name.0.last().and_then(|part| part.as_ident()).and_then(|ident| ident.value.strip_prefix(MARK));
        let Some(slot) = mark.and_then(|mark| mark.parse::<usize>().ok()).and_then(|n| self.clauses.get_mut(n)) else {
            return ControlFlow::Continue(());
        };
        let Some(clause) = slot.take() else { return ControlFlow::Continue(()) };
        name.0.pop();
        if version.is_some() || args.is_some() {
            return ControlFlow::Break(Box::new(Failure::new(
                Code::NotVersioned,
                format!("{name} already has a version, or is a function; {} can't stand there", clause.version),
                At::Token(clause.at),
            )));
        }
        *version = Some(clause.version);
        ControlFlow::Continue(())
    }
}

fn explain(failure: Failure, misplaced: Option<Misplaced>, tokens: &[TokenWithSpan]) -> Failure {
    match misplaced {
        Some(misplaced) => misplaced.explain(failure),
        None => explain_sorting(failure, tokens),
    }
}

/// MaxCompute's row distribution has no counterpart here; say so instead of "unexpected word".
fn explain_sorting(failure: Failure, tokens: &[TokenWithSpan]) -> Failure {
    let At::Token(location) = failure.at else { return failure };
    let solid = Solid::new(tokens);
    let found = (0..solid.indexes.len()).find(|at| solid.location(*at) == location);
    let Some(at) = found.filter(|at| solid.is(at + 1, "BY")) else { return failure };
    match ["DISTRIBUTE", "SORT", "CLUSTER"].into_iter().find(|word| solid.is(at, word)) {
        None => failure,
        Some(word) => Failure::new(
            Code::NotSupported,
            format!("{word} BY is not supported here: use ORDER BY, the engine distributes rows by itself"),
            failure.at,
        ),
    }
}
