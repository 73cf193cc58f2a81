//! The tests that `docs/threat-model.md` names are there.

use std::fs;
use std::path::Path;

/// The project's folder.
const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The tests that a document names: each a file, without its ending, and a function in it; they are
/// written as `file.rs::function`, in code.
fn named(document: &str) -> Vec<(&str, &str)> {
    let code = document.split('`').skip(1).step_by(2);
    code.filter_map(|code| code.split_once(".rs::")).collect()
}

/// The functions of a source file that have the attribute of a test.
fn tests(source: &str) -> Vec<&str> {
    let mut is_test = false;
    let mut found = Vec::new();
    for line in source.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, function)) = line.split_once("fn ").filter(|_| is_test) {
            found.extend(function.split('(').next());
            is_test = false;
        }
    }
    found
}

#[test]
fn each_test_that_the_threat_model_names_is_there() {
    let project = Path::new(PROJECT);
    let document = fs::read_to_string(project.join("docs/threat-model.md")).unwrap();
    let named = named(&document);
    assert!(named.len() > 50, "it names {} tests", named.len());
    for (file, function) in named {
        let folder = if file.starts_with("fuzz/") {
            ""
        } else {
            "crates"
        };
        let path = project.join(folder).join(format!("{file}.rs"));
        let source = fs::read_to_string(&path);
        let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(
            tests(&source).contains(&function),
            "{file} has no test {function}"
        );
    }
}

/// Every promise is a row of a table, and has a test behind it.
#[test]
fn each_promise_has_a_test() {
    let document = fs::read_to_string(Path::new(PROJECT).join("docs/threat-model.md")).unwrap();
    let promises = document
        .split("\n## ")
        .find(|part| part.starts_with("Promises"));
    let promises = promises.expect("there is a section of promises");
    let rows = promises.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<&str> = rows.filter(|row| !row.starts_with("| promise")).collect();
    assert!(rows.len() > 20, "there are {} promises", rows.len());
    for row in rows {
        assert_ne!(named(row), [], "{row}");
    }
}
