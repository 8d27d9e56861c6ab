//! docs/sql.md agrees with the code: every statement of the parser's table has a section with its syntax, and every
//! example runs and prints what the page says. `BLESS=1` writes what is printed into the page.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion_timetravel::store::{ManualClock, Timestamp};
use datafusion_timetravel::{Error, StatementSyntax, TimeTravel, split_statements, statement_syntax};

use crate::lake::{Session, store};

const PAGE: &str = "docs/sql.md";

/// A piece of the page.
#[derive(Debug, Clone, PartialEq)]
enum Block {
    Text(String),
    /// A fenced block: its language and content.
    Fence(String, String),
}

fn parse(page: &str) -> Vec<Block> {
    let mut blocks = vec![Block::Text(String::new())];
    for line in page.split_inclusive('\n') {
        let fence = line.strip_prefix("```").map(str::trim_end);
        match (blocks.last_mut().unwrap(), fence) {
            (Block::Text(_), Some(language)) => blocks.push(Block::Fence(language.into(), String::new())),
            (Block::Fence(..), Some(_)) => blocks.push(Block::Text(String::new())),
            (Block::Text(text) | Block::Fence(_, text), None) => text.push_str(line),
        }
    }
    blocks
}

fn print(blocks: &[Block]) -> String {
    let piece = |block: &Block| match block {
        Block::Text(text) => text.clone(),
        Block::Fence(language, text) => format!("```{language}\n{text}```\n"),
    };
    blocks.iter().map(piece).collect()
}

/// Compares the page with what it should be, or writes it.
fn settle(blocks: &[Block]) {
    let (page, should) = (std::fs::read_to_string(PAGE).unwrap(), print(blocks));
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(PAGE, &should).unwrap();
    } else if page != should {
        let differ = page.lines().zip(should.lines()).find(|(a, b)| a != b);
        panic!("{PAGE} is not what runs; BLESS=1 writes it. First difference (page, run): {differ:#?}");
    }
}

#[test]
fn every_statement_has_a_section_with_its_syntax() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let headings: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let names: Vec<&str> = statement_syntax().map(|form| form.name).collect();
    assert_eq!(headings, names, "the sections of {PAGE}, in the order of statement_syntax()");
    for (form, section) in statement_syntax().zip(page.split("\n### ").skip(1)) {
        let squeezed = section.split_whitespace().collect::<Vec<_>>().join(" ");
        let StatementSyntax { name, syntax, doc, .. } = form;
        for wanted in [syntax, doc] {
            let wanted = wanted.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(squeezed.contains(&wanted), "the section {name} of {PAGE} lacks: {wanted}");
        }
        assert!(section.contains("```sql"), "the section {name} of {PAGE} has no example");
    }
}

/// Ids are random, so the page has stand-ins: the n-th id that is printed.
#[derive(Default)]
struct StandIns(Vec<String>);

impl StandIns {
    fn stand_in(at: usize) -> String {
        format!("{:032x}", 0x7ab1_e000_0000_0000_0000_0000_0000_0001_u128 + at as u128)
    }

    /// What is printed, with stand-ins for ids.
    fn print(&mut self, text: &str) -> String {
        let is_id = |word: &str| word.len() == 32 && word.bytes().all(|b| b.is_ascii_hexdigit());
        let mut out = text.to_owned();
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| is_id(word)) {
            let at = self.0.iter().position(|known| known == word).unwrap_or_else(|| {
                self.0.push(word.to_owned());
                self.0.len() - 1
            });
            out = out.replace(word, &Self::stand_in(at));
        }
        out
    }

    /// A statement of the page, with the ids themselves.
    fn read(&self, sql: &str) -> String {
        let ids = self.0.iter().enumerate();
        ids.fold(sql.to_owned(), |sql, (at, id)| sql.replace(&Self::stand_in(at), id))
    }
}

#[tokio::test]
async fn every_example_prints_what_the_page_says() {
    let clock = ManualClock::new(Timestamp::from_micros(1_704_103_200_000_000));
    let store = store(Arc::new(object_store::memory::InMemory::new())).with_clock(Arc::new(clock.clone()));
    let tt = TimeTravel::builder_with_store(store).caller("ana", None).build().await.unwrap();
    let session = Session::with(tt).await;
    let mut ids = StandIns::default();
    let mut blocks = parse(&std::fs::read_to_string(PAGE).unwrap());
    for at in 0..blocks.len() {
        let Block::Fence(language, sql) = blocks[at].clone() else { continue };
        if language != "sql" {
            continue;
        }
        let shown = matches!((&blocks.get(at + 1), blocks.get(at + 2)), (Some(Block::Text(gap)), Some(Block::Fence(language, _))) if language == "text" && gap.trim().is_empty());
        let statements = split_statements(&sql).unwrap();
        for (nth, statement) in statements.iter().enumerate() {
            clock.advance(Duration::from_secs(60));
            let last = nth + 1 == statements.len();
            let result = async { session.tt.sql(&session.ctx, &ids.read(statement)).await?.collect().await };
            let printed = match result.await {
                Ok(batches) => pretty_format_batches(&batches).unwrap().to_string(),
                Err(error) if last && shown => match Error::find(&error) {
                    Some(error) => format!("Error: {error}"),
                    None => panic!("{statement}\n{error}"),
                },
                Err(error) => panic!("{statement}\n{error}"),
            };
            if last && shown {
                blocks[at + 2] = Block::Fence("text".into(), ids.print(&printed) + "\n");
            }
        }
    }
    settle(&blocks);
}
