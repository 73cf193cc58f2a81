//! What plugins answer, as it reaches clients: JSON on one line that every reader takes, optional fields
//! that are wrong left out, values that are no objects, bytes.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::{Answer, Client, Home, Launch, MODERN, REVISIONS, Server, assemble, speaking};

/// A server with a tool for each text, which answers it and is defined so.
fn tools(texts: &[(&str, &str)]) -> Server {
    let mut plugins = "plugins:\n".to_owned();
    for (index, (definition, _)) in texts.iter().enumerate() {
        let function =
            format!("{{displayName: t{index}, function: speak, arguments: [], {definition}}}");
        writeln!(
            plugins,
            "  - {{name: p{index}, path: p{index}.wasm, functions: [{function}]}}"
        )
        .unwrap();
    }
    let home = Home::with_plugins(&plugins);
    for (index, (_, text)) in texts.iter().enumerate() {
        home.file(&format!("plugins/p{index}.wasm"), speaking(text));
    }
    Launch::of(home).start()
}

async fn call(client: &Client, index: usize) -> Answer {
    client.call(&format!("t{index}"), "{}").await
}

#[tokio::test]
async fn json_goes_out_on_one_line_as_the_server_writes_it() {
    for blank in ["\n  ", "\r\n\t", "\r"] {
        let spelled = format!(
            "{{{blank}\"b\" : 1.50,{blank}\"\\u0061\":[ 1e2 ,{blank}-0],{blank}\"t\":\"cut \\ud83d\"{blank}}}{blank}"
        );
        let written = "{\"b\":1.50,\"a\":[1e2,-0],\"t\":\"cut \u{fffd}\"}";
        let whole = format!(
            "{{{blank}\"own\":{spelled},\"content\":[{blank}{{\"type\":\"text\",{blank}\"text\":\"\\udf55\",\"_meta\":{spelled}}}],\"structuredContent\":{spelled},\"_meta\":{{\"a/b\":{spelled}}}}}"
        );
        let server = tools(&[("returns: json", &spelled), ("returns: result", &whole)]);
        for revision in REVISIONS {
            let client = server.client(revision);
            let answer = call(&client, 0).await;
            assert_eq!(answer.output(), written);
            let structured = format!("\"structuredContent\":{written}");
            assert!(answer.text.contains(&structured), "{}", answer.text);
            let answer = call(&client, 1).await;
            assert_eq!(answer.output(), "\u{fffd}");
            assert_eq!(answer.text.matches(written).count(), 4, "{}", answer.text);
            assert!(!answer.text.contains(['\n', '\r']), "{:?}", answer.text);
        }
    }
}

#[tokio::test]
async fn what_some_readers_do_not_take_is_a_failure_that_names_it() {
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let wrong = [
        (r#"{"a":1,"\u0061":2}"#.to_owned(), "duplicate key \"a\""),
        (r#"{"n":1e400}"#.to_owned(), "the number 1e400"),
        (deep(128), "more than 127 levels"),
        (deep(5000), "more than 127 levels"),
    ];
    let whole = |spelled: &String| format!(r#"{{"content":[],"structuredContent":{spelled}}}"#);
    let wholes = wrong.each_ref().map(|(spelled, _)| whole(spelled));
    let right = deep(124);
    let mut texts = vec![("returns: json", right.as_str())];
    for ((spelled, _), whole) in wrong.iter().zip(&wholes) {
        texts.push(("returns: json", spelled));
        texts.push(("returns: result", whole));
    }
    let server = tools(&texts);
    for revision in REVISIONS {
        let client = server.client(revision);
        assert_eq!(call(&client, 0).await.output(), right);
        for (index, (_, named)) in wrong.iter().enumerate() {
            for tool in [2 * index + 1, 2 * index + 2] {
                let answer = call(&client, tool).await;
                let message = answer.failure();
                assert!(message.contains(named), "{message}");
            }
        }
    }
}

/// What may be missing and is wrong or null costs nobody the rest.
#[tokio::test]
async fn optional_fields_that_are_wrong_are_left_out() {
    let whole = json!({
        "content": [
            {"type": "text", "text": "a", "annotations": {"priority": "high", "audience": null}, "_meta": null},
            {"type": "resource_link", "uri": "a://b", "name": "b", "size": "big", "title": null, "icons": [{"src": 5}, {"src": "https://example.com/i"}]},
            {"type": "image", "data": "", "mimeType": "image/png", "annotations": "none"},
        ],
        "isError": "no",
        "_meta": [],
        "own": null,
    });
    let server = tools(&[("returns: result", &whole.to_string())]);
    for revision in REVISIONS {
        let answer = call(&server.client(revision), 0).await;
        let content = &answer.result()["content"];
        assert_eq!(
            content[0],
            json!({"type": "text", "text": "a", "annotations": {}})
        );
        if revision != "2025-03-26" {
            assert_eq!(
                content[1],
                json!({"type": "resource_link", "uri": "a://b", "name": "b", "icons": [{"src": "https://example.com/i"}]})
            );
        }
        assert_eq!(
            content[2],
            json!({"type": "image", "data": "", "mimeType": "image/png"})
        );
        assert!(answer.result().get("isError").is_none());
        assert_eq!(answer.result()["own"], Value::Null);
    }
    server
        .logs("left out of the plugin's tool result: _meta must be an object; isError must be true or false; content[0].annotations.priority must be a number from 0 to 1; content[1].size must be a whole number from 0; content[1].icons[0].src must be a string; and 1 more")
        .await;
}

/// Before 2026-07-28, structured content and its schema were objects.
#[tokio::test]
async fn values_that_are_no_objects_have_a_name_for_older_clients() {
    const TREE: &str = "returns: json, outputSchema: {type: [array, number], items: {$ref: '#'}}";
    const ANY: &str = "returns: json, outputSchema: {}";
    const RESULT: &str = "returns: result";
    const ANY_RESULT: &str = "returns: result, outputSchema: {type: [array, object]}";
    let values = [
        ("returns: json", r#"{"a":1}"#, false),
        (TREE, "[[1],2]", true),
        ("returns: json", "[1,2.50]", true),
        ("returns: json", "\"text\"", true),
        ("returns: json", "null", true),
        (ANY, r#"{"a":1}"#, true),
        (ANY, "5", true),
        (RESULT, "[1]", true),
        (RESULT, "{}", false),
        (ANY_RESULT, "{}", true),
        (ANY_RESULT, "[]", true),
    ];
    let texts = values.map(|(definition, value, _)| match definition {
        RESULT | ANY_RESULT => format!(r#"{{"structuredContent":{value}}}"#),
        _ => value.to_owned(),
    });
    let definitions = values.iter().map(|(definition, ..)| *definition);
    let texts: Vec<(&str, &str)> = definitions.zip(texts.iter().map(String::as_str)).collect();
    let server = tools(&texts);
    for revision in REVISIONS {
        let client = server.client(revision);
        let is_modern = revision == MODERN;
        for (index, (definition, value, is_wrapped)) in values.iter().enumerate() {
            let answer = call(&client, index).await;
            assert_eq!(answer.output(), *value);
            let value: Value = serde_json::from_str(value).unwrap();
            let wanted = if *is_wrapped && !is_modern {
                json!({ "result": value })
            } else {
                value
            };
            let found = &answer.result()["structuredContent"];
            assert_eq!(found, &wanted, "{revision} {definition}");
        }
        let list = client.ask("tools/list", json!({})).await;
        let tools = &list.result()["tools"];
        assert_eq!(tools[0].get("outputSchema"), None);
        let tree = |root: &str| json!({"type": ["array", "number"], "items": {"$ref": root}});
        let wanted = if is_modern {
            tree("#")
        } else {
            json!({"type": "object", "properties": {"result": tree("#/properties/result")}, "required": ["result"]})
        };
        assert_eq!(tools[1]["outputSchema"], wanted);
    }
}

/// Some clients read such a text as a value, and that as structured content which is malformed.
#[tokio::test]
async fn texts_that_look_like_values_have_one_for_clients_that_read_them_so() {
    let values = ["6", " -1.50\n", "true", "null", "[1, 2]"];
    let others = ["six", "{}", "\"6\"", "6 apples", "[1", "nothing"];
    let texts: Vec<&str> = values.into_iter().chain(others).collect();
    let definitions: Vec<(&str, &str)> = texts.iter().map(|text| ("title: t", *text)).collect();
    let server = tools(&definitions);
    let mut nameless = server.client("2025-11-25");
    nameless.headers.remove("mcp-protocol-version");
    let mut clients = vec![(nameless, true)];
    for revision in REVISIONS {
        let is_wrapped = matches!(revision, "2025-11-25" | "2025-06-18");
        let mut client = server.client(revision);
        let named = revision.parse().unwrap();
        client.headers.insert("mcp-protocol-version", named);
        clients.push((client, is_wrapped));
    }
    for (client, is_wrapped) in &clients {
        for (index, text) in texts.iter().enumerate() {
            let answer = call(client, index).await;
            assert_eq!(answer.output(), *text);
            let is_value = *is_wrapped && index < values.len();
            let wanted = is_value.then(|| json!({ "result": text }));
            assert_eq!(answer.result().get("structuredContent"), wanted.as_ref());
        }
    }
}

#[tokio::test]
async fn bytes_are_blocks_of_their_media_type() {
    let functions = [
        ("image", "image/png"),
        ("sound", "audio/wav"),
        ("a paper", "application/pdf"),
        ("bytes", "bytes"),
        ("named bytes", "bytes, mediaType: image/gif"),
    ];
    let functions = functions.map(|(name, returns)| {
        format!("{{displayName: {name}, function: not_utf8, arguments: [], returns: {returns}}}")
    });
    let home = Home::with_plugins(&format!(
        "plugins:\n  - {{name: guest, path: guest.wasm, functions: [{}]}}\n",
        functions.join(", ")
    ));
    let server = Launch::of(home).start();
    // `h`, two bytes that are no UTF-8, and `llo`.
    let data = "aP/DbGxv";
    for revision in REVISIONS {
        let client = server.client(revision);
        let block = |uri: &str, media_type: &str| json!({"type": "resource", "resource": {"uri": uri, "mimeType": media_type, "blob": data}});
        for (tool, wanted) in [
            (
                "image",
                json!({"type": "image", "mimeType": "image/png", "data": data}),
            ),
            (
                "sound",
                json!({"type": "audio", "mimeType": "audio/wav", "data": data}),
            ),
            (
                "named bytes",
                json!({"type": "image", "mimeType": "image/gif", "data": data}),
            ),
            ("a paper", block("output:///a%20paper", "application/pdf")),
            (
                "bytes",
                block("output:///bytes", "application/octet-stream"),
            ),
        ] {
            let answer = client.call(tool, "{}").await;
            assert_eq!(answer.result()["content"], json!([wanted]), "{tool}");
        }
    }
}

/// A home with a function that answers a text, behind a resource, a prompt and a completion.
fn speaker(text: &str, returns: &str) -> Server {
    Launch::of(speaker_home(text, returns)).start()
}

pub(crate) fn speaker_home(text: &str, returns: &str) -> Home {
    let home = Home::with_plugins(&format!(
        "plugins:\n  - {{name: speaker, path: speaker.wasm, functions: [{{function: speak, arguments: [], returns: {returns}}}]}}\n"
    ));
    home.file("plugins/speaker.wasm", speaking(text));
    let function = format!("plugin: speaker, function: speak, returns: {returns}");
    home.file(
        "resources/resources.yml",
        format!("resources: {{static: [{{name: r, uri: 'r://r', {function}}}]}}"),
    );
    home.file(
        "prompts/prompts.yml",
        format!(
            "prompts: {{predefined: [{{name: p, arguments: [], {function}}}, {{name: c, arguments: [{{name: q, complete: {{plugin: speaker, function: speak}}}}], messages: [{{role: user, text: x}}]}}]}}"
        ),
    );
    home
}

async fn read(server: &Server, revision: &'static str) -> Answer {
    let client = server.client(revision);
    client.ask("resources/read", json!({"uri": "r://r"})).await
}

async fn get(server: &Server, revision: &'static str) -> Answer {
    let client = server.client(revision);
    client.ask("prompts/get", json!({"name": "p"})).await
}

#[tokio::test]
async fn contents_of_a_resource_may_stand_alone_or_in_a_list() {
    let content = json!({"uri": "r://r", "text": "x", "mimeType": null, "_meta": 5});
    let written = json!({"uri": "r://r", "text": "x"});
    for (answered, wanted) in [
        (json!({"contents": [content], "own": 1}), json!([written])),
        (json!([content, content]), json!([written, written])),
        (content.clone(), json!([written])),
        (json!([]), json!([])),
    ] {
        let server = speaker(&format!("{answered:#}"), "result");
        for revision in REVISIONS {
            let answer = read(&server, revision).await;
            assert_eq!(answer.result()["contents"], wanted, "{revision}");
        }
        if answered.to_string().contains("_meta") {
            server
                .logs("resources/read: left out of the answer: contents[0]._meta must be an object")
                .await;
        }
    }
    for (answered, named) in [
        (json!({}), "contents is missing"),
        (json!([{"text": "x"}]), "contents[0].uri must be a string"),
        (
            json!({"uri": "r://r", "text": 5}),
            "contents[0].text must be a string",
        ),
        (json!({"contents": "x"}), "contents must be a list"),
    ] {
        let server = speaker(&answered.to_string(), "result");
        let answer = read(&server, MODERN).await;
        let message = answer.refused(200, -32603)["message"].to_string();
        assert!(message.contains(named), "{answered}: {message}");
    }
}

#[tokio::test]
async fn messages_of_a_prompt_may_stand_alone_or_in_a_list() {
    let block = json!({"type": "text", "text": "x", "annotations": null});
    let message = json!({"role": "assistant", "content": block});
    let written = json!({"role": "assistant", "content": {"type": "text", "text": "x"}});
    let said = json!({"role": "user", "content": {"type": "text", "text": "x"}});
    for (answered, wanted) in [
        (
            json!({"description": null, "messages": [message]}),
            json!([written]),
        ),
        (json!([message, block]), json!([written, said])),
        (message.clone(), json!([written])),
        (block.clone(), json!([said])),
    ] {
        let server = speaker(&format!("{answered:#}"), "result");
        for revision in REVISIONS {
            let answer = get(&server, revision).await;
            assert_eq!(answer.result()["messages"], wanted, "{revision}");
        }
    }
    for (answered, named) in [
        (json!({}), "messages is missing"),
        (
            json!([{"content": block}]),
            "messages[0].role must be user or assistant",
        ),
        (
            json!({"role": "user"}),
            "messages[0].content.type must be text",
        ),
        (json!({"messages": 5}), "messages must be a list"),
    ] {
        let server = speaker(&answered.to_string(), "result");
        let answer = get(&server, MODERN).await;
        let message = answer.refused(200, -32603)["message"].to_string();
        assert!(message.contains(named), "{answered}: {message}");
    }
}

#[tokio::test]
async fn resources_and_prompts_of_bytes_and_json() {
    let server = speaker("{\"a\" :\n 1}", "json");
    let answer = read(&server, MODERN).await;
    assert_eq!(
        answer.result()["contents"],
        json!([{"uri": "r://r", "mimeType": "application/json", "text": "{\"a\":1}"}])
    );
    let answer = get(&server, MODERN).await;
    assert_eq!(
        answer.result()["messages"][0]["content"]["text"],
        "{\"a\":1}"
    );
    let server = speaker("hi", "image/png");
    let answer = read(&server, MODERN).await;
    assert_eq!(
        answer.result()["contents"],
        json!([{"uri": "r://r", "mimeType": "image/png", "blob": "aGk="}])
    );
    let answer = get(&server, MODERN).await;
    assert_eq!(
        answer.result()["messages"],
        json!([{"role": "user", "content": {"type": "image", "mimeType": "image/png", "data": "aGk="}}])
    );
}

#[tokio::test]
async fn completions_are_texts() {
    let complete = async |server: &Server| {
        let params = json!({"ref": {"type": "ref/prompt", "name": "c"}, "argument": {"name": "q", "value": ""}});
        let client = server.client(MODERN);
        client.ask("completion/complete", params).await
    };
    let many: Vec<String> = (0..150).map(|index| index.to_string()).collect();
    for (answered, wanted) in [
        (
            json!(["a\u{e9}", "b"]),
            json!({"values": ["a\u{e9}", "b"], "hasMore": false, "total": 2}),
        ),
        (
            json!({"values": [], "total": null, "hasMore": "yes"}),
            json!({"values": [], "hasMore": false}),
        ),
        (
            json!({"values": ["a"], "total": 1000, "hasMore": true}),
            json!({"values": ["a"], "total": 1000, "hasMore": true}),
        ),
        (
            json!(many),
            json!({"values": many[..100], "total": 150, "hasMore": true}),
        ),
    ] {
        let server = speaker(&format!("{answered:#}"), "text");
        assert_eq!(complete(&server).await.result()["completion"], wanted);
    }
    for (answered, named) in [
        (json!({"values": ["a", 5]}), "values[1] must be a string"),
        (json!({"values": "a"}), "values must be a list"),
        (json!({}), "values"),
        (json!("a"), "values"),
    ] {
        let server = speaker(&answered.to_string(), "text");
        let message = complete(&server).await.refused(200, -32603)["message"].to_string();
        assert!(message.contains(named), "{answered}: {message}");
    }
}

/// A module whose export `speak` answers a text, 400,000 times `0,0,0,0,`, and another text.
fn long_winded(before: &str, after: &str) -> Vec<u8> {
    let escape = |text: &str| text.replace('"', "\\22");
    let (begin, end) = (before.len(), after.len());
    assemble(&format!(
        r#"(module
          (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
          (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
          (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
          (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
          (memory (export "memory") 1)
          (data (i32.const 0) "{}{}")
          (func $copy (param $to i64) (param $from i32) (param $length i32)
            (loop $next
              (call $store_u8 (local.get $to) (i32.load8_u (local.get $from)))
              (local.set $to (i64.add (local.get $to) (i64.const 1)))
              (local.set $from (i32.add (local.get $from) (i32.const 1)))
              (br_if $next (local.tee $length (i32.sub (local.get $length) (i32.const 1))))))
          (func (export "speak") (local $handle i64) (local $at i64) (local $left i32)
            (local.set $left (i32.const 400000))
            (local.set $handle (call $alloc (i64.const {})))
            (call $copy (local.get $handle) (i32.const 0) (i32.const {begin}))
            (local.set $at (i64.add (local.get $handle) (i64.const {begin})))
            (loop $next
              (call $store_u64 (local.get $at) (i64.const 0x2c302c302c302c30))
              (local.set $at (i64.add (local.get $at) (i64.const 8)))
              (br_if $next (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
            (call $copy (local.get $at) (i32.const {begin}) (i32.const {end}))
            (call $output_set (local.get $handle) (i64.const {}))))"#,
        escape(before),
        escape(after),
        begin + end + 3_200_000,
        begin + end + 3_200_000,
    ))
}

/// Three megabytes of numbers would be a hundred as values.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_tree_is_made_of_an_answer() {
    let contents = r#"{"contents":[{"uri":"r://r","text":"x","_meta":{"a":["#;
    let messages =
        r#"{"messages":[{"role":"user","content":{"type":"text","text":"x","_meta":{"a":["#;
    for (before, after, is_prompt) in [(contents, "0]}}]}", false), (messages, "0]}}}]}", true)] {
        let home = speaker_home("", "result");
        home.file("plugins/speaker.wasm", long_winded(before, after));
        let server = Launch::of(home).start();
        let before = server.status("VmHWM");
        let answer = if is_prompt {
            get(&server, MODERN).await
        } else {
            read(&server, MODERN).await
        };
        assert!(answer.text.len() > 3_200_000, "{}", answer.text);
        let more_kib = server.status("VmHWM") - before;
        assert!(more_kib < 48 * 1024, "{more_kib} KiB");
    }
}
