//! Files made to exhaust whoever reads them: each is an error of its line, soon.

use std::fmt::Write as _;

use crate::support::{TestHome, in_own_process, read};

/// Eight GiB of address space and a minute of computing: far more than any of these may take.
const BOUNDS: &str = "ulimit -v 8000000; ulimit -t 60";

/// Far more levels than any stack holds.
const DEEP: usize = 200_000;

const TOO_DEEP: &str = "this is nested more than 100 levels deep: write it flatter";
const TOO_LARGE: &str =
    "the anchors and aliases of this file stand for more than 16777216 bytes: write fewer of them";

fn error(yaml: &str) -> String {
    TestHome::with_resources(yaml).error()
}

#[test]
fn very_deep_nesting_is_an_error() {
    if !in_own_process("hostile_yaml::very_deep_nesting_is_an_error", BOUNDS) {
        return;
    }
    for yaml in [
        format!("a:\n{}x\n", "- ".repeat(DEEP)),
        format!("a: {}x\n", "[".repeat(DEEP)),
        format!("a: {}x{}\n", "[".repeat(DEEP), "]".repeat(DEEP)),
        format!("a: {}x\n", "{a: ".repeat(DEEP)),
        format!("{}x\n", "? ".repeat(DEEP)),
        format!("a: {}x\n", "[? ".repeat(DEEP)),
    ] {
        let error = error(&yaml);
        assert!(error.starts_with("resources.yml:"), "{error}");
        // The parser itself takes 255 levels of brackets, and looks ahead.
        let why = [
            TOO_DEEP,
            ": a key must be a text",
            ": this is no valid YAML: recursion limit exceeded",
        ];
        assert!(why.iter().any(|why| error.ends_with(why)), "{error}");
    }
    let mut block = String::new();
    for level in 0..2000 {
        writeln!(block, "{}a:", " ".repeat(level)).unwrap();
    }
    assert_eq!(error(&block), format!("resources.yml:101: {TOO_DEEP}"));
}

#[test]
fn aliases_do_not_make_nesting_deeper_than_it_may_be() {
    if !in_own_process(
        "hostile_yaml::aliases_do_not_make_nesting_deeper_than_it_may_be",
        BOUNDS,
    ) {
        return;
    }
    let mut yaml = String::from("a0: &a0 x\n");
    for level in 1..=2000 {
        writeln!(
            yaml,
            "a{level}: &a{level} {}*a{}{}",
            "[".repeat(50),
            level - 1,
            "]".repeat(50)
        )
        .unwrap();
    }
    assert_eq!(error(&yaml), format!("resources.yml:3: {TOO_DEEP}"));
}

#[test]
fn a_hundred_levels_are_read_and_served() {
    // The file itself takes five: the root, `resources`, `static`, the entry and `contents`.
    let nested = |levels: usize| {
        TestHome::with_resources(&format!(
            "resources:\n  static:\n  - name: n\n    uri: a://a\n    contents:\n    - text: x\n      deep: {}{}\n",
            "[".repeat(levels),
            "]".repeat(levels)
        ))
    };
    let snapshot = nested(94).open_whole();
    let deep = read(&snapshot, "a://a").unwrap()[0]["deep"].to_string();
    assert_eq!(deep, format!("{}{}", "[".repeat(94), "]".repeat(94)));
    assert_eq!(nested(95).error(), format!("resources.yml:7: {TOO_DEEP}"));
    // What an alias stands for counts as if it were written out.
    let aliased = |levels: usize| {
        TestHome::with_resources(&format!(
            "x: &x {}{}\nresources:\n  static:\n  - name: n\n    uri: a://a\n    contents:\n    - text: x\n      deep: {}*x{}\n",
            "[".repeat(50),
            "]".repeat(50),
            "[".repeat(levels - 50),
            "]".repeat(levels - 50)
        ))
    };
    let snapshot = aliased(94).open_whole();
    assert_eq!(
        read(&snapshot, "a://a").unwrap()[0]["deep"].to_string(),
        deep
    );
    assert_eq!(aliased(95).error(), format!("resources.yml:8: {TOO_DEEP}"));
}

#[test]
fn a_billion_laughs_end() {
    if !in_own_process("hostile_yaml::a_billion_laughs_end", BOUNDS) {
        return;
    }
    let mut lists = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    let mut maps = String::from("a0: &a0 {a: lol, b: lol}\n");
    let mut merged = String::from("a0: &a0 {a: lol, b: lol}\n");
    for level in 1..=40 {
        let below = level - 1;
        let ten = vec![format!("*a{below}"); 10].join(", ");
        writeln!(lists, "a{level}: &a{level} [{ten}]").unwrap();
        writeln!(maps, "a{level}: &a{level} {{a: *a{below}, b: *a{below}}}").unwrap();
        writeln!(
            merged,
            "a{level}: &a{level} {{<<: [*a{below}, *a{below}], x{level}: *a{below}}}"
        )
        .unwrap();
    }
    for yaml in [lists, maps, merged] {
        let error = error(&yaml);
        assert!(
            error.starts_with("resources.yml:") && error.ends_with(TOO_LARGE),
            "{error}"
        );
    }
}

#[test]
fn one_long_text_under_many_aliases_ends() {
    if !in_own_process(
        "hostile_yaml::one_long_text_under_many_aliases_ends",
        BOUNDS,
    ) {
        return;
    }
    let yaml = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1_000_000),
        "*a, ".repeat(90_000)
    );
    assert_eq!(error(&yaml), format!("resources.yml:2: {TOO_LARGE}"));
    let yaml = format!(
        "a: &a {{{}: x}}\nb: [{}]\n",
        "x".repeat(1000),
        "*a, ".repeat(900_000)
    );
    assert_eq!(error(&yaml), format!("resources.yml:2: {TOO_LARGE}"));
    let mut anchored = String::new();
    for level in 0..95 {
        write!(anchored, "&a{level} [").unwrap();
    }
    let yaml = format!(
        "a: {anchored}{}{}\n",
        "x".repeat(10_000_000),
        "]".repeat(95)
    );
    assert_eq!(error(&yaml), format!("resources.yml:1: {TOO_LARGE}"));
}

#[test]
fn an_alias_inside_the_value_that_it_names_is_an_error() {
    for yaml in ["a: &a [*a]\n", "a: &a {b: [*a]}\n", "a: &a {b: *a}\n"] {
        assert_eq!(
            error(yaml),
            "resources.yml:1: this alias stands inside the value that it names: write the value out",
            "{yaml}"
        );
    }
}

#[test]
fn a_large_file_is_read_in_time_that_grows_with_it() {
    if !in_own_process(
        "hostile_yaml::a_large_file_is_read_in_time_that_grows_with_it",
        BOUNDS,
    ) {
        return;
    }
    // Entries, keys of one map, and arguments: each list that is searched for names that are taken.
    let mut resources = String::from("resources:\n  static:\n");
    for index in 0..20_000 {
        writeln!(
            resources,
            "  - {{name: n{index}, uri: 'a://{index}', contents: [{{text: x}}]}}"
        )
        .unwrap();
    }
    resources.push_str("  - name: keys\n    uri: a://keys\n    contents:\n    - text: x\n");
    for index in 0..100_000 {
        writeln!(resources, "      k{index}: {index}").unwrap();
    }
    let snapshot = TestHome::with_resources(&resources).open_whole();
    assert_eq!(snapshot.counts().resources, 20_001);
    assert_eq!(read(&snapshot, "a://keys").unwrap()[0]["k99999"], 99_999);
}
