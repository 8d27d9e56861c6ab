//! `history('t')`, `partitions('t')`, `files('t')`, `tables()` and `audit()`: what is known, as tables.

use std::sync::Arc;

use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl};
use datafusion::common::Result;
use datafusion::datasource::{MemTable, TableProvider};

use super::super::views;
use super::{WarehouseHistory, options, text, usage, wait};
use crate::auth::Privilege;
use crate::catalog::TableName;
use crate::error::Error;
use crate::log::Lsn;
use crate::ops::history::HistoryFilter;
use crate::ops::{Pin, audit, files, history, partitions, tables};

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    History,
    Partitions,
    Files,
    Tables,
    Audit,
}

impl Listing {
    pub(crate) const ALL: [Self; 5] = [Self::History, Self::Partitions, Self::Files, Self::Tables, Self::Audit];

    /// The function of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|listing| listing.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Partitions => "partitions",
            Self::Files => "files",
            Self::Tables => "tables",
            Self::Audit => "audit",
        }
    }

    /// Whether it is about one table, or else about the warehouse.
    pub(crate) const fn of_table(self) -> bool {
        matches!(self, Self::History | Self::Partitions | Self::Files)
    }

    /// How it is called.
    pub(crate) fn usage(self) -> String {
        format!("{}({})", self.name(), if self.of_table() { "'table'" } else { "" })
    }

    /// The table that it gives, after asking the authorizer; `name` where it is about one.
    pub(crate) async fn provider(self, pin: &Pin, name: Option<&TableName>) -> Result<Arc<dyn TableProvider>, Error> {
        let batch = match (self, name) {
            (Self::History, Some(name)) => {
                let table = pin.table_for(name, Privilege::ShowHistory).await?;
                let rows = history::table(pin, &table, &HistoryFilter::default(), Lsn::FIRST).await?;
                views::history::table(&rows)?
            }
            (Self::Partitions, Some(name)) => {
                let table = pin.table_for(name, Privilege::Select).await?;
                views::partitions::table(&partitions::all(pin, &table).await?)?
            }
            (Self::Files, Some(name)) => {
                let table = pin.table_for(name, Privilege::Select).await?;
                views::files::table(&files::all(&table)?)?
            }
            (Self::Tables, None) => views::tables::table(&tables::sizes(pin).await?)?,
            (Self::Audit, None) => views::audit::table(&audit::all(pin).await?)?,
            _ => return Err(Error::internal("a listing of another kind of object")),
        };
        Ok(Arc::new(MemTable::try_new(batch.schema(), vec![vec![batch]])?))
    }
}

/// The function that gives a listing.
#[derive(Debug)]
pub(crate) struct ListingFunction(pub(crate) Arc<WarehouseHistory>, pub(crate) Listing);

impl TableFunctionImpl for ListingFunction {
    fn call_with_args(&self, args: TableFunctionArgs<'_, '_>) -> Result<Arc<dyn TableProvider>> {
        let listing = self.1;
        let table = match args.exprs() {
            [table] if listing.of_table() => Some(text(table)?),
            [] if !listing.of_table() => None,
            _ => return Err(usage(&listing.usage())),
        };
        let (history, config) = (Arc::clone(&self.0), options(args.session()));
        wait(async move {
            match table {
                Some(table) => {
                    let (pin, name) = history.named(&table, &config).await?;
                    listing.provider(&pin, Some(&name)).await
                }
                None => listing.provider(&*history.source.pin().await?, None).await,
            }
        })
    }
}
