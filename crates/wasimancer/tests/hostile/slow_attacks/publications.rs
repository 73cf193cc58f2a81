//! Modules that are refused: what is said of them is bounded too.

use std::fmt::Write as _;
use std::time::Duration;

use crate::guests::{echo, module};
use crate::harness::{Case, Wanted, case, scaled};
use crate::support::Sample;

/// A module of megabytes that is not compiled.
const READING: Duration = Duration::from_secs(5);

const NAME_BYTES: usize = 500;

fn refused(title: &'static str, plugin: &Sample) {
    publication(title)
        .ends([Wanted::Declined(500, "invalid_module")])
        .attack(async |stage| vec![stage.publish(plugin).await]);
}

fn publication(title: &'static str) -> Case {
    case(title).within(READING)
}

/// As many names of [`NAME_BYTES`].
fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|at| format!("{at:0NAME_BYTES$}"))
}

#[test]
fn many_unknown_imports() {
    let mut fields = String::new();
    for name in names(scaled(50_000, 5000)) {
        let _ = writeln!(fields, r#"(import "{name}" "{name}" (func))"#);
    }
    let plugin = module(&format!(r#"{fields} (func (export "run"))"#));
    refused("50,000 unknown imports with names of 1 KB", &plugin);
}

#[test]
fn many_other_exports() {
    let mut fields = String::new();
    for name in names(scaled(50_000, 5000)) {
        let _ = write!(fields, r#"(export "{name}")"#);
    }
    let plugin = module(&format!("(func {fields})"));
    refused("50,000 exports, and none that is named", &plugin);
}

#[test]
fn many_wrong_modules() {
    let garbage = vec![0xff; scaled(32_000_000, 8_000_000)];
    let plugin = echo().with_module(garbage);
    publication("32 MB that are no module, 8 at once")
        .ends([Wanted::Declined(500, "invalid_module")])
        .attack(async |stage| {
            let publishing = (0..scaled(8, 3)).map(|_| stage.publish(&plugin));
            futures_util::future::join_all(publishing).await
        });
}
