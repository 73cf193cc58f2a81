//! Resources and prompts are added, updated and removed while the server runs.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Home, Launch, MODERN, Operator, Server, answer};

const RESOURCES: &str = "# Texts.\nresources:\n  static:\n    - name: old\n      uri: info://old # keep\n      contents: [{text: old}]\n  dynamic: []\n";
const PROMPTS: &str = "prompts:\n  predefined:\n    # The greeting.\n    - {name: old, arguments: [], messages: [{role: user, text: old}]}\n";

fn start() -> (Server, Operator, std::path::PathBuf) {
    let home = Home::new();
    home.file("resources/resources.yml", RESOURCES);
    home.file("prompts/prompts.yml", PROMPTS);
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    (server, operator, folder)
}

fn resource(name: &str, uri: &str, text: &str) -> Value {
    json!({"name": name, "uri": uri, "contents": [{"text": text, "customField": "kept"}]})
}

fn template(name: &str, uri: &str, text: &str) -> Value {
    let arguments = json!([{"name": "who", "type": "string"}]);
    json!({"name": name, "uri": uri, "arguments": arguments, "contents": [{"text": text}]})
}

fn prompt(name: &str, text: &str) -> Value {
    let arguments =
        json!([{"name": "who", "type": "string", "description": "whom", "required": true}]);
    json!({"name": name, "description": "a prompt", "arguments": arguments, "messages": [{"role": "user", "text": text}]})
}

async fn read(server: &Server, uri: &str) -> Option<String> {
    let answer = server
        .client(MODERN)
        .ask("resources/read", json!({"uri": uri}))
        .await;
    let text = answer.json["result"]["contents"][0]["text"].as_str();
    text.map(str::to_owned)
}

async fn said(server: &Server, name: &str) -> Option<String> {
    let params = json!({"name": name, "arguments": {"who": "Ada"}});
    let answer = server.client(MODERN).ask("prompts/get", params).await;
    let text = answer.json["result"]["messages"][0]["content"]["text"].as_str();
    text.map(str::to_owned)
}

#[tokio::test]
async fn a_resource_is_added_updated_and_removed() {
    let (server, operator, folder) = start();
    let text = || fs::read_to_string(folder.join("resources/resources.yml")).unwrap();

    let static_one = resource("new one", "info://new", "first");
    let added = operator.post("/add-resource", static_one.clone()).await;
    assert_eq!(
        added.granted(),
        &json!({"message": "🎉 Resource new one added successfully", "resource": static_one})
    );
    assert_eq!(read(&server, "info://new").await.unwrap(), "first");

    let again = resource("new one", "info://newer", "second");
    let updated = operator
        .put("/update-resource/new%20one", again.clone())
        .await;
    assert_eq!(
        updated.granted(),
        &json!({
            "message": "🎉 Resource new one updated successfully",
            "oldType": "static",
            "newType": "static",
            "resource": again
        })
    );
    assert_eq!(read(&server, "info://newer").await.unwrap(), "second");
    assert_eq!(read(&server, "info://new").await, None);

    let dynamic = template("new one", "greet://{who}", "Hello ${who}!");
    let updated = operator.put("/update-resource/new%20one", dynamic).await;
    assert_eq!(updated.granted()["oldType"], "static");
    assert_eq!(updated.granted()["newType"], "dynamic");
    assert_eq!(read(&server, "greet://Ada").await.unwrap(), "Hello Ada!");
    assert!(text().starts_with(
        "# Texts.\nresources:\n  static:\n    - name: old\n      uri: info://old # keep\n"
    ));

    let back = operator.put(
        "/update-resource/new%20one",
        resource("new one", "info://new", "third"),
    );
    let back = back.await;
    assert_eq!(back.granted()["oldType"], "dynamic");
    assert_eq!(back.granted()["newType"], "static");
    assert_eq!(read(&server, "greet://Ada").await, None);

    let removed = operator.delete("/remove-resource/new%20one").await;
    assert_eq!(
        removed.granted(),
        &json!({"message": "🙂 Resource new one removed successfully", "type": "static"})
    );
    assert_eq!(read(&server, "info://new").await, None);
    assert_eq!(text(), RESOURCES);
}

#[tokio::test]
async fn a_dynamic_resource_says_so_when_it_goes() {
    let (server, operator, _) = start();
    let added = operator.post(
        "/add-resource",
        template("d", "greet://{who}", "Hello ${who}!"),
    );
    added.await.granted();
    assert_eq!(read(&server, "greet://Ada").await.unwrap(), "Hello Ada!");
    // Braces alone make no template.
    let braces = resource("b", "info://{who}", "as it is");
    operator.post("/add-resource", braces).await.granted();
    let listed = operator.get("/resources").await;
    let listed = &listed.granted()["resources"];
    let kinds: Vec<_> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["name"], &entry["type"]))
        .collect();
    assert!(
        kinds.contains(&(&json!("d"), &json!("dynamic"))),
        "{listed}"
    );
    assert!(kinds.contains(&(&json!("b"), &json!("static"))), "{listed}");
    let removed = operator.delete("/remove-resource/d").await;
    assert_eq!(removed.granted()["type"], "dynamic");
}

#[tokio::test]
async fn a_prompt_is_added_updated_and_removed() {
    let (server, operator, folder) = start();
    let text = || fs::read_to_string(folder.join("prompts/prompts.yml")).unwrap();
    let first = prompt("my prompt", "Greet ${who}.");
    let added = operator.post("/add-prompt", first.clone()).await;
    assert_eq!(
        added.granted(),
        &json!({"message": "🎉 Prompt my prompt added successfully", "prompt": first})
    );
    assert_eq!(said(&server, "my prompt").await.unwrap(), "Greet Ada.");
    let second = prompt("my prompt", "Praise ${who}.");
    let updated = operator
        .put("/update-prompt/my%20prompt", second.clone())
        .await;
    assert_eq!(
        updated.granted(),
        &json!({"message": "🎉 Prompt my prompt updated successfully", "prompt": second})
    );
    assert_eq!(said(&server, "my prompt").await.unwrap(), "Praise Ada.");
    let listed = operator.get("/prompts").await;
    assert_eq!(
        listed.granted()["prompts"][1],
        json!({"name": "my prompt", "definition": second})
    );
    let removed = operator.delete("/remove-prompt/my%20prompt").await;
    assert_eq!(
        removed.granted(),
        &json!({"message": "🙂 Prompt my prompt removed successfully"})
    );
    assert_eq!(said(&server, "my prompt").await, None);
    assert_eq!(text(), PROMPTS);
}

#[tokio::test]
async fn what_is_wrong_with_a_definition_is_told_and_nothing_changes() {
    let (server, operator, folder) = start();
    let on_disk = || {
        ["resources/resources.yml", "prompts/prompts.yml"]
            .map(|file| fs::read_to_string(folder.join(file)).unwrap())
    };
    let revision = operator.get("/resources").await.header("etag").to_owned();
    let without = |mut definition: Value, field: &str| {
        definition.as_object_mut().unwrap().remove(field);
        definition
    };
    let right = || resource("r", "info://r", "r");
    let right_prompt = || prompt("p", "p");
    #[rustfmt::skip]
    let rows = [
        ("POST", "/add-resource", without(right(), "name"), 400, "invalid_definition", "name: is missing"),
        ("POST", "/add-resource", without(right(), "uri"), 400, "invalid_definition", "uri: is missing"),
        ("POST", "/add-resource", without(right(), "contents"), 400, "invalid_definition", "contents: is missing"),
        ("POST", "/add-resource", json!([]), 400, "invalid_definition", "a list"),
        ("POST", "/add-resource", resource("old", "info://r", "r"), 400, "name_taken", "\"old\" is taken"),
        ("POST", "/add-resource", resource("r", "info://old", "r"), 400, "uri_taken", "\"info://old\" is taken"),
        ("POST", "/add-resource", template("r", "x://{other}", "r"), 400, "invalid_definition", "no variable of the URI"),
        ("PUT", "/update-resource/old", right(), 400, "name_mismatch", "\"old\" and the body \"r\""),
        ("PUT", "/update-resource/r", right(), 404, "not_found", "\"r\""),
        ("PUT", "/update-resource/", right(), 400, "missing_name", "resource"),
        ("DELETE", "/remove-resource/r", Value::Null, 404, "not_found", "resource \"r\""),
        ("DELETE", "/remove-resource", Value::Null, 400, "missing_name", "resource"),
        ("DELETE", "/remove-resource/", Value::Null, 400, "missing_name", "resource"),
        ("DELETE", "/remove-resource/%FF", Value::Null, 400, "invalid_url", "UTF-8"),
        ("PATCH", "/remove-resource/old", Value::Null, 405, "method_not_allowed", "method"),
        ("POST", "/add-prompt", without(right_prompt(), "name"), 400, "invalid_definition", "name: is missing"),
        ("POST", "/add-prompt", without(right_prompt(), "arguments"), 400, "invalid_definition", "arguments: is missing"),
        ("POST", "/add-prompt", without(right_prompt(), "messages"), 400, "invalid_definition", "messages: is missing"),
        ("POST", "/add-prompt", prompt("old", "p"), 400, "name_taken", "\"old\" is taken"),
        ("PUT", "/update-prompt/old", right_prompt(), 400, "name_mismatch", "\"old\" and the body \"p\""),
        ("PUT", "/update-prompt/p", right_prompt(), 404, "not_found", "prompt \"p\""),
        ("DELETE", "/remove-prompt/p", Value::Null, 404, "not_found", "prompt \"p\""),
        ("DELETE", "/remove-prompt/", Value::Null, 400, "missing_name", "prompt"),
    ];
    for (method, path, body, status, code, says) in rows {
        let request = operator.request(method.parse::<Method>().unwrap(), path);
        let refused = answer(request.json(&body)).await;
        let message = refused.declined(status, code);
        assert!(
            message.contains(says),
            "{method} {path}: {says} in: {message}"
        );
        assert_eq!(on_disk(), [RESOURCES, PROMPTS]);
    }
    for path in ["/add-resource", "/add-prompt"] {
        for malformed in ["", "{", "\u{0}", "{\"name\": \"x\"}}"] {
            let request = operator.request(Method::POST, path).body(malformed);
            answer(request).await.declined(400, "malformed_json");
        }
        let request = operator
            .request(Method::POST, path)
            .body(vec![b' '; 5 << 20]);
        answer(request).await.declined(413, "too_large");
    }
    assert_eq!(operator.get("/resources").await.header("etag"), revision);
    assert_eq!(read(&server, "info://old").await.unwrap(), "old");
}

#[tokio::test]
async fn kinds_that_are_off_have_no_routes() {
    let server = Launch::of(Home::new())
        .env("RESOURCES_PATH", "")
        .env("PROMPTS_PATH", "")
        .start();
    let operator = Operator::of(&server);
    for path in ["/resources", "/prompts"] {
        operator.get(path).await.declined(404, "switched_off");
    }
    operator
        .post("/add-resource", resource("r", "info://r", "r"))
        .await
        .declined(404, "switched_off");
    operator
        .delete("/remove-prompt/p")
        .await
        .declined(404, "switched_off");
}

#[tokio::test]
async fn the_first_entries_make_the_files() {
    let home = Home::new();
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    operator
        .post("/add-resource", resource("r", "info://r", "r"))
        .await
        .granted();
    operator
        .post("/add-prompt", prompt("p", "Greet ${who}."))
        .await
        .granted();
    let again = Launch::again(&folder).start();
    assert_eq!(read(&again, "info://r").await.unwrap(), "r");
    assert_eq!(said(&again, "p").await.unwrap(), "Greet Ada.");
}
