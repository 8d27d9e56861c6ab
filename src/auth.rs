//! The authorizer: the one place where an embedding application says who may do what.

use std::fmt::Debug;
use std::sync::Arc;

use crate::catalog::TableName;
use crate::error::{Code, Error, Result};

/// Who runs a statement, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name that history and audit show.
    pub actor: String,
    /// The reason that history and audit show.
    pub reason: Option<String>,
}

impl Default for Caller {
    fn default() -> Self {
        Self { actor: "unknown".into(), reason: None }
    }
}

/// What a statement needs (semantics, "Privileges").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Privilege {
    /// Read a table.
    Select,
    /// Change a table's rows.
    Update,
    /// Change a table's definition.
    Alter,
    /// Drop or purge.
    Drop,
    /// Make a table or bring one back.
    CreateTable,
    /// See the history of a live table.
    ShowHistory,
    /// See all tables, dropped ones too.
    List,
    /// Change project settings, vacuum.
    Admin,
}

impl Privilege {
    /// Every privilege.
    pub const ALL: &'static [Self] = &[
        Self::Select,
        Self::Update,
        Self::Alter,
        Self::Drop,
        Self::CreateTable,
        Self::ShowHistory,
        Self::List,
        Self::Admin,
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Select => "Select",
            Self::Update => "Update",
            Self::Alter => "Alter",
            Self::Drop => "Drop",
            Self::CreateTable => "CreateTable",
            Self::ShowHistory => "ShowHistory",
            Self::List => "List",
            Self::Admin => "Admin",
        }
    }
}

/// What a privilege is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target<'a> {
    /// The warehouse as a whole.
    Project,
    /// A table or view.
    Table(&'a TableName),
}

/// Decides. Asked at planning and again before the first byte.
pub trait Authorizer: Debug + Send + Sync {
    /// Whether the caller may.
    fn allows(&self, caller: &Caller, privilege: Privilege, target: &Target<'_>) -> bool;
}

/// The default: everything is allowed.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn allows(&self, _: &Caller, _: Privilege, _: &Target<'_>) -> bool {
        true
    }
}

/// The choke point: every verb passes it.
///
/// # Errors
/// [`Code::PermissionDenied`] names the privilege and the object and nothing else.
pub(crate) fn check(
    authorizer: &Arc<dyn Authorizer>,
    caller: &Caller,
    privilege: Privilege,
    target: &Target<'_>,
) -> Result<()> {
    if authorizer.allows(caller, privilege, target) {
        return Ok(());
    }
    let object = match target {
        Target::Project => "the project".to_owned(),
        Target::Table(name) => format!("{name}"),
    };
    Err(Error::new(
        Code::PermissionDenied,
        format!("{} on {object} is not allowed for this caller", privilege.as_str()),
    ))
}
