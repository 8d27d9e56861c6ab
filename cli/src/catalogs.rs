//! Which warehouses are open, and under which names. A name is a catalog's name in SQL, so no two are alike.

use std::path::Path;
use std::str::FromStr;

use datafusion_timetravel::{Code, Error, Result};

/// A warehouse as the command line names it: `[NAME=]ROOT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warehouse {
    /// The catalog's name, where it was given.
    pub(crate) name: Option<String>,
    /// A directory or a URL.
    pub(crate) root: String,
}

impl FromStr for Warehouse {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, root) = match text.split_once('=') {
            // A root may hold `=` too, but then something stands before it that no name has.
            Some((name, root)) if is_name(name) => (Some(name.to_string()), root),
            _ => (None, text),
        };
        match root {
            "" => Err("the root is empty, expected [NAME=]ROOT".to_string()),
            root => Ok(Self { name, root: root.to_string() }),
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}

/// The catalog names of the warehouses, in their order.
pub(crate) fn names(warehouses: &[Warehouse], project: Option<&str>) -> Result<Vec<String>> {
    let mut names = Vec::<String>::with_capacity(warehouses.len());
    for warehouse in warehouses {
        let first = names.is_empty();
        let name = match (&warehouse.name, project.filter(|_| first)) {
            (Some(name), Some(project)) if name != project => {
                let message =
                    format!("--project {project} and --warehouse {name}=… name the same catalog; give one of them");
                return Err(Error::new(Code::InvalidArgument, message));
            }
            (Some(name), _) => name.clone(),
            (None, Some(project)) => project.to_string(),
            (None, None) => last_segment(&warehouse.root)?,
        };
        if names.contains(&name) {
            let message = format!("two warehouses are named '{name}'; name one by --warehouse NAME=ROOT");
            return Err(Error::new(Code::InvalidArgument, message));
        }
        names.push(name);
    }
    Ok(names)
}

/// The last segment of a root's path; of a URL without a path the bucket, and of one without that the scheme.
fn last_segment(root: &str) -> Result<String> {
    let segment = match root.split_once("://") {
        Some((scheme, rest)) => {
            let path = rest.split(['?', '#']).next().unwrap_or_default();
            path.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or(scheme).to_string()
        }
        // `.` and `..` have a name only once they are absolute.
        None => std::path::absolute(root)
            .ok()
            .and_then(|path| std::fs::canonicalize(&path).ok().or(Some(path)))
            .as_deref()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
    };
    if segment.is_empty() {
        let message = format!("the warehouse '{root}' has no last segment to name it by; use --project NAME");
        return Err(Error::new(Code::InvalidArgument, message));
    }
    Ok(segment)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn named(texts: &[&str], project: Option<&str>) -> Result<Vec<String>> {
        let warehouses: Vec<_> = texts.iter().map(|text| text.parse().unwrap()).collect();
        names(&warehouses, project)
    }

    #[test]
    fn a_warehouse_is_named_by_its_last_segment() {
        assert_eq!(named(&["./lake"], None).unwrap(), ["lake"]);
        assert_eq!(named(&["s3://bucket/a/b/"], None).unwrap(), ["b"]);
        assert_eq!(named(&["s3://bucket"], None).unwrap(), ["bucket"]);
        assert_eq!(named(&["memory://"], None).unwrap(), ["memory"]);
        assert!(named(&["/"], None).is_err());
    }

    #[test]
    fn names_can_be_given_once_each() {
        assert_eq!(named(&["./lake", "b=./other"], Some("prod")).unwrap(), ["prod", "b"]);
        assert_eq!(named(&["a=./lake"], Some("a")).unwrap(), ["a"]);
        assert!(named(&["a=./lake"], Some("b")).is_err());
        assert!(named(&["./x/lake", "./y/lake"], None).is_err());
    }

    #[test]
    fn a_root_may_hold_an_equals_sign() {
        let plain: Warehouse = "./ds=1/lake".parse().unwrap();
        assert_eq!(plain, Warehouse { name: None, root: "./ds=1/lake".to_string() });
        assert!("a=".parse::<Warehouse>().is_err());
    }
}
