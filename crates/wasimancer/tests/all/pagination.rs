//! Long lists come in pages of a thousand, in the order of the file.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::{Client, Home, Launch, REVISIONS, guest};

/// More than two pages.
const ENTRIES: usize = 2500;

fn home() -> Home {
    let mut plugins =
        String::from("plugins:\n  - name: guest\n    path: guest.wasm\n    functions:\n");
    let mut resources = String::from("resources:\n  static:\n");
    let mut templates = String::from("  dynamic:\n");
    let mut prompts = String::from("prompts:\n  predefined:\n");
    for index in 0..ENTRIES {
        // Alphabetical order is another one.
        let number = (index * 7) % ENTRIES;
        let _ = writeln!(
            plugins,
            "      - {{displayName: t{number}, function: echo, description: d}}"
        );
        let _ = writeln!(
            resources,
            "    - {{name: r{number}, uri: \"r://{number}\", contents: [{{text: x}}]}}"
        );
        let _ = writeln!(
            templates,
            "    - {{name: d{number}, uri: \"d{number}://{{x}}\", arguments: [{{name: x}}], contents: [{{text: x}}]}}"
        );
        let _ = writeln!(
            prompts,
            "    - {{name: p{number}, messages: [{{role: user, text: x}}]}}"
        );
    }
    let home = Home::with_plugins(&plugins);
    home.file("resources/resources.yml", resources + &templates);
    home.file("prompts/prompts.yml", prompts);
    home
}

/// All names of a list and the lengths of its pages.
async fn pages(client: &Client, method: &str, field: &str) -> (Vec<String>, Vec<usize>) {
    let (mut names, mut lengths) = (Vec::new(), Vec::new());
    let mut params = json!({});
    loop {
        let answer = client.ask(method, params).await;
        let page = answer.result()[field].as_array().unwrap();
        lengths.push(page.len());
        names.extend(
            page.iter()
                .map(|entry| entry["name"].as_str().unwrap().to_owned()),
        );
        match answer.result().get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => return (names, lengths),
        }
    }
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let server = Launch::of(home()).start();
    for revision in REVISIONS {
        let client = server.client(revision);
        for (method, field, letter) in [
            ("tools/list", "tools", 't'),
            ("resources/list", "resources", 'r'),
            ("resources/templates/list", "resourceTemplates", 'd'),
            ("prompts/list", "prompts", 'p'),
        ] {
            let (names, lengths) = pages(&client, method, field).await;
            assert_eq!(lengths, [1000, 1000, 500], "{revision} {method}");
            let wanted: Vec<String> = (0..ENTRIES)
                .map(|index| format!("{letter}{}", (index * 7) % ENTRIES))
                .collect();
            assert!(names == wanted, "{revision} {method}: another order");
        }
        assert_eq!(client.call("t2499", "{}").await.output(), "{}");
    }
    let client = server.client(REVISIONS[0]);
    let counts = client.get("/readyz").await.json["serves"].clone();
    assert_eq!(counts["tools"], ENTRIES);
}

#[tokio::test]
async fn cursors_of_others_are_refused() {
    let server = guest();
    for revision in REVISIONS {
        let client = server.client(revision);
        for method in [
            "tools/list",
            "resources/list",
            "resources/templates/list",
            "prompts/list",
        ] {
            for cursor in [
                json!("made up"),
                json!(""),
                json!("💥"),
                json!(5),
                json!("cGFnZSA5"),
                json!("cGFnZSAtMQ"),
                json!({}),
            ] {
                client
                    .ask(method, json!({"cursor": cursor}))
                    .await
                    .refused(200, -32602);
            }
            let answer = client.ask(method, json!({"cursor": Value::Null})).await;
            assert!(answer.result().get("nextCursor").is_none());
        }
    }
}
