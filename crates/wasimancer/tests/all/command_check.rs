//! `check`: validates a home.

use crate::support::{Ended, Home, command, examples_folder, finish};

fn check(home: &Home) -> Ended {
    finish(command(["check", "--home"]).arg(home.path()))
}

#[test]
fn the_examples_are_without_fault() {
    let ended = finish(command(["check", "--home"]).arg(examples_folder()));
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(
        ended.stdout,
        "6 plugins with 13 tools, 2 resources, 2 resource templates, 3 prompts; 0 problems\n"
    );
}

#[test]
fn every_problem_is_listed() {
    let home = Home::with_plugins(
        "plugins:\n  - name: good\n    path: guest.wasm\n    functions: [{displayName: good, function: echo}]\n  \
         - name: bad\n    path: guest.wasm\n    limits: {timeout: x, memory: y}\n    functions: [{function: nowhere, returns: z}]\n  \
         - name: missing\n    path: nowhere.wasm\n    functions: [{function: a}]\n",
    );
    home.file(
        "resources/resources.yml",
        "resources:\n  static:\n    - name: r\n",
    );
    home.file(
        "prompts/prompts.yml",
        "prompts:\n  predefined:\n    - name: p\n      messages: [{role: x}]\n",
    );
    let ended = check(&home);
    assert_eq!(ended.code, Some(1));
    for wanted in [
        "plugins.yml:7: plugin \"bad\": limits.timeout: `x`",
        "plugins.yml:7: plugin \"bad\": limits.memory: `y`",
        "plugins.yml:8: plugin \"bad\": functions[0].returns: \"z\"",
        "plugins.yml:8: plugin \"bad\": functions[0].function: the module does not export a function `nowhere`",
        "plugins.yml:10: plugin \"missing\": path: ",
        "resources.yml:3: resource \"r\": uri: is missing",
        "resources.yml:3: resource \"r\": contents: is missing or empty",
        "messages[0].role: \"x\" is no role",
        "messages[0].text: is missing",
    ] {
        assert!(
            ended.stdout.lines().any(|line| line.contains(wanted)),
            "{wanted}: {}",
            ended.stdout
        );
    }
    let summary =
        "1 plugins with 1 tools, 0 resources, 0 resource templates, 0 prompts; 9 problems";
    assert_eq!(ended.stdout.lines().last(), Some(summary));
}

#[test]
fn what_stops_a_start_fails_the_check() {
    let home = Home::with_plugins("plugins: [\n");
    let ended = check(&home);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stdout.starts_with("plugins.yml:2: "),
        "{}",
        ended.stdout
    );
    home.file("plugins/plugins.yml", "");
    home.file("wasimancer.toml", "unknown = 1\n");
    let ended = check(&home);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("unknown"), "{}", ended.stderr);
}

#[test]
fn warnings_are_errors_where_that_is_wanted() {
    let home = Home::with_plugins(
        "plugins:\n  - name: p\n    path: guest.wasm\n    functions: [{displayName: t, function: echo, retuns: json}]\n",
    );
    let ended = check(&home);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(
        ended.stdout.ends_with("; 0 problems\n1 warnings\n"),
        "{}",
        ended.stdout
    );
    let meant = "plugins.yml:4: plugin \"p\": functions[0].retuns: means nothing here: did you mean `returns`?";
    assert_eq!(ended.stderr.matches(meant).count(), 1, "{}", ended.stderr);
    let ended = finish(command(["check", "--strict", "--home"]).arg(home.path()));
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    let ended = finish(command(["check", "--strict", "--home"]).arg(examples_folder()));
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

/// A port in use is no matter of the home, and nothing listens.
#[test]
fn nothing_is_served() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let home = Home::guest();
    let ended = finish(command(["check", "--http-port", &port, "--home"]).arg(home.path()));
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn what_some_clients_can_do_nothing_with_is_told() {
    let home = Home::with_plugins(
        "plugins:
  - name: p
    path: guest.wasm
    functions:
      - {displayName: a, function: echo, arguments: [{name: l, type: array}]}
      - {displayName: b, function: echo, description: x, inputSchema: {type: object, properties: {}, anyOf: [{}]}}
",
    );
    let ended = check(&home);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    for (tool, words) in [
        ("a", "it has no description"),
        ("a", "`l` is shown with `items: {}`"),
        ("b", "`anyOf` at its top"),
        ("", "google-genai converts no tool"),
    ] {
        let told = ended.stderr.lines().filter(|line| line.contains(words));
        let told: Vec<&str> = told.collect();
        assert!(
            matches!(told[..], [one] if tool.is_empty() || one.contains(&format!("tool=\"{tool}\""))),
            "{words}: {}",
            ended.stderr
        );
    }
    let ended = finish(command(["check", "--strict", "--home"]).arg(home.path()));
    assert_eq!(ended.code, Some(0), "nothing is wrong: {}", ended.stdout);
    home.file("wasimancer.toml", "schemas = \"open\"\n");
    let ended = check(&home);
    assert!(!ended.stderr.contains("google-genai"), "{}", ended.stderr);
    home.file("wasimancer.toml", "schemas = \"shut\"\n");
    let ended = check(&home);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("write written or open"),
        "{}",
        ended.stderr
    );
}
