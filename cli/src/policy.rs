//! `--policy FILE`: who may do what, as a list of what is allowed (semantics, "Privileges").
//!
//! What no entry allows is refused. `*` stands for any text in each field.

use std::path::Path;

use datafusion_timetravel::auth::{Authorizer, Caller, Privilege, Target};
use datafusion_timetravel::{Code, Error, Result};
use serde::Deserialize;
use wildmatch::WildMatchPattern;

/// `*` is the one wildcard: `_` and `?` are ordinary characters of names.
type Pattern = WildMatchPattern<'*', '\0'>;

/// The project's name as an object.
const PROJECT: &str = "project";

/// The file as TOML has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(default)]
    allow: Vec<Entry>,
}

/// `[[allow]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    user: String,
    privilege: String,
    object: String,
}

/// Allows what its entries allow.
#[derive(Debug)]
pub(crate) struct Policy(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    user: Pattern,
    privilege: Pattern,
    object: Pattern,
}

impl Policy {
    /// Reads a policy file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let wrong = |what: String| Error::new(Code::InvalidArgument, format!("--policy {}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        Self::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let file: PolicyFile = toml::from_str(text).map_err(|error| error.to_string())?;
        let rule = |entry: Entry| {
            let privilege = Pattern::new(&entry.privilege);
            if !Privilege::ALL.iter().any(|known| privilege.matches(known.as_str())) {
                let known: Vec<&str> = Privilege::ALL.iter().map(|known| known.as_str()).collect();
                return Err(format!("no privilege {:?}: there are {} and *", entry.privilege, known.join(", ")));
            }
            Ok(Rule { user: Pattern::new(&entry.user), privilege, object: Pattern::new(&entry.object) })
        };
        file.allow.into_iter().map(rule).collect::<std::result::Result<_, _>>().map(Self)
    }
}

impl Authorizer for Policy {
    fn allows(&self, caller: &Caller, privilege: Privilege, target: &Target<'_>) -> bool {
        let object = match target {
            Target::Project => PROJECT.to_owned(),
            Target::Table(name) => format!("{}.{}", name.schema, name.table),
        };
        self.0.iter().any(|rule| {
            rule.user.matches(&caller.actor)
                && rule.privilege.matches(privilege.as_str())
                && rule.object.matches(&object)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use datafusion_timetravel::catalog::TableName;

    use super::*;

    const TEXT: &str = r#"
        [[allow]]
        user = "ana"
        privilege = "Select"
        object = "default.a_*"

        [[allow]]
        user = "*"
        privilege = "List"
        object = "project"
    "#;

    #[test]
    fn only_what_an_entry_allows() {
        let policy = Policy::parse(TEXT).unwrap();
        let may = |user: &str, privilege, target: &Target<'_>| {
            policy.allows(&Caller { actor: user.into(), reason: None }, privilege, target)
        };
        let table = |name| TableName::new("default", name);
        assert!(may("ana", Privilege::Select, &Target::Table(&table("a_1"))));
        assert!(!may("ana", Privilege::Select, &Target::Table(&table("ab1"))), "_ is no wildcard");
        assert!(!may("ana", Privilege::Update, &Target::Table(&table("a_1"))));
        assert!(!may("bob", Privilege::Select, &Target::Table(&table("a_1"))));
        assert!(may("bob", Privilege::List, &Target::Project));
        assert!(!may("bob", Privilege::Admin, &Target::Project));
    }

    #[test]
    fn a_policy_with_a_mistake_is_refused() {
        for (text, named) in [
            ("[[allow]]\nuser = \"a\"\nprivilege = \"Selct\"\nobject = \"*\"", "Selct"),
            ("[[allow]]\nuser = \"a\"\nobject = \"*\"", "privilege"),
            ("[[deny]]\nuser = \"a\"\nprivilege = \"Select\"\nobject = \"*\"", "deny"),
            ("allow = 1", "allow"),
        ] {
            assert!(Policy::parse(text).unwrap_err().contains(named), "{text}");
        }
    }
}
