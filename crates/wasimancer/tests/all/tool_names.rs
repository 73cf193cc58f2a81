//! Names of tools that mislead people and models.

use serde_json::{Value, json};

use crate::support::{Home, Launch, MODERN, Operator, Sample, command, finish};

/// Names that look like `echo`, and one that does not.
const LOOK_ALIKES: [&str; 7] = [
    "еcho",
    "EСHO",
    "Echo",
    " echo",
    "e\u{200b}cho",
    "\u{202e}echo",
    "echo\u{e0041}",
];
const OTHER: &str = "échо";

fn sample(plugin: &str, tool: &str) -> Sample {
    Sample::new(plugin, "1.0.0", "it").with("/functions/0/displayName", json!(tool))
}

fn warnings(granted: &Value) -> Vec<&str> {
    let warnings = granted["warnings"].as_array();
    let warnings = warnings.into_iter().flatten();
    warnings.filter_map(Value::as_str).collect()
}

#[tokio::test]
async fn names_that_look_alike_warn_whoever_publishes_them() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    let answer = operator.upload("", &sample("first", "echo")).await;
    assert_eq!(warnings(answer.granted()), [""; 0]);
    for (number, tool) in LOOK_ALIKES.into_iter().enumerate() {
        let plugin = format!("p{number}");
        let answer = operator.upload("", &sample(&plugin, tool)).await;
        let found = warnings(answer.granted());
        let alike = found
            .iter()
            .filter(|warning| warning.contains("looks like"));
        assert_eq!(alike.count(), 1, "{tool:?}: {found:?}");
        let unseen = tool.contains(['\u{200b}', '\u{202e}', '\u{e0041}']);
        let told = found.iter().any(|warning| warning.contains("do not show"));
        assert_eq!(told, unseen, "{tool:?}: {found:?}");
        assert!(!found.concat().contains('\u{202e}'), "{found:?}");
        let called = server.client(MODERN).call(tool, "{}").await;
        assert_eq!(called.output(), "it", "it is served");
    }
    let answer = operator.upload("", &sample("other", OTHER)).await;
    let found = warnings(answer.granted());
    assert!(
        !found.iter().any(|warning| warning.contains("looks like")),
        "{found:?}"
    );
    // The plugin itself is none of those that its update could be taken for.
    let update = sample("first", "ECHO").with("/version", json!("2.0.0"));
    let removed: Vec<String> = (0..LOOK_ALIKES.len())
        .map(|number| format!("/remove-plugin/p{number}"))
        .collect();
    for path in removed {
        operator.delete(&path).await.granted();
    }
    let answer = operator.update("", &update).await;
    assert_eq!(warnings(answer.granted()), [""; 0]);
}

#[tokio::test]
async fn control_characters_are_refused_where_they_are_published() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    for tool in ["echo\n", "\u{1b}[31mecho", "ec\0ho", "echo\u{85}", "\techo"] {
        let answer = operator.upload("", &sample("p", tool)).await;
        let told = answer.declined(400, "invalid_definition");
        assert!(told.contains("holds control characters"), "{told}");
        assert!(told.contains("functions[0].displayName"), "{told}");
        assert!(!told.contains(char::is_control), "{told:?}");
        let listed = operator.get("/plugins").await;
        assert!(!listed.text.contains("echo"), "{}", listed.text);
    }
    operator.upload("", &sample("p", "echo")).await.granted();
    let answer = operator.update("", &sample("p", "echo\r")).await;
    answer.declined(400, "invalid_definition");
}

#[tokio::test]
async fn long_names_are_refused_and_unusual_ones_warned_of() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    let answer = operator.upload("", &sample("p", &"é".repeat(129))).await;
    let told = answer.declined(400, "invalid_definition");
    assert!(told.contains("more than 128 characters"), "{told}");
    assert!(told.contains("functions[0].displayName"), "{told}");
    for (plugin, tool) in [("a", "issues.list".to_owned()), ("b", "n".repeat(128))] {
        let argument = json!([{"name": "first name", "type": "string", "required": false}]);
        let sample = sample(plugin, &tool).with("/functions/0/arguments", argument);
        let answer = operator.upload("", &sample).await;
        let told = warnings(answer.granted());
        let of_name = |told: &&&str| told.starts_with(&format!("the tool name {tool:?} "));
        assert_eq!(told.iter().filter(of_name).count(), 1, "{told:?}");
        let of_property = |told: &&&str| told.starts_with("the property \"first name\" of tool ");
        assert_eq!(told.iter().filter(of_property).count(), 1, "{told:?}");
    }
}

/// What a file says is served as it always was, and told to its operator.
#[test]
fn a_check_warns_of_names() {
    let home = Home::with_plugins(
        "plugins:
  - {name: first, path: guest.wasm, functions: [{displayName: echo, function: echo}, {displayName: ECHO, function: echo}]}
  - {name: second, path: guest.wasm, functions: [{displayName: \"ec\\nho\", function: echo}, {displayName: \"x\\u202E\", function: echo}]}
",
    );
    let ended = finish(command(["check", "--home"]).arg(home.path()));
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    for (plugin, words) in [
        (
            "first",
            r#"the tool name "ECHO" looks like "echo" of plugin "first""#,
        ),
        (
            "second",
            r#"the tool name "ec\nho" holds control characters"#,
        ),
        (
            "second",
            r#"the tool name "x\u{202e}" holds characters that do not show"#,
        ),
    ] {
        let is_it = |line: &&str| {
            let line = line.replace("\\\\", "\\").replace("\\\"", "\"");
            line.contains(words) && line.contains(&format!("plugin=\"{plugin}\""))
        };
        assert!(
            ended.stderr.lines().any(|line| is_it(&line)),
            "{words}: {}",
            ended.stderr
        );
    }
}
