//! Plugins are published, updated and removed while the server runs.

use std::fs;
use std::io::Write;
use std::net::TcpStream;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::{
    Answer, Home, Launch, MODERN, Operator, Sample, Server, answer, assemble, exchange, files,
    until,
};

const PLUGINS: &str = "about: what is on offer\nplugins:\n  # The first one.\n  - name: hand-made\n    path: guest.wasm\n    functions: [{displayName: echo, function: echo}]\n";

/// A server with one plugin that was put there by hand.
struct Serving {
    server: Server,
    operator: Operator,
    folder: std::path::PathBuf,
}

impl Serving {
    fn start() -> Self {
        Self::launch(|launch| launch)
    }

    fn launch(change: impl FnOnce(Launch) -> Launch) -> Self {
        let home = Home::with_plugins(PLUGINS);
        let folder = home.path().to_owned();
        let server = change(Launch::of(home)).start();
        Self {
            operator: Operator::of(&server),
            server,
            folder,
        }
    }

    fn plugins_yml(&self) -> String {
        fs::read_to_string(self.folder.join("plugins/plugins.yml")).unwrap()
    }

    async fn call(&self, tool: &str) -> Answer {
        self.server.client(MODERN).call(tool, "{}").await
    }

    async fn tools(&self) -> Vec<String> {
        let list = self
            .server
            .client(MODERN)
            .ask("tools/list", json!({}))
            .await;
        let tools = list.result()["tools"].as_array().unwrap().clone();
        let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
        tools.iter().map(name).collect()
    }

    /// What lies on the disk and what is served: what a refused request must leave as it was.
    async fn state(&self) -> (Vec<(String, Vec<u8>)>, Vec<String>, String) {
        let names = files(&self.folder).into_iter();
        let contents = names.map(|name| {
            let bytes = fs::read(self.folder.join(&name)).unwrap();
            (name, bytes)
        });
        (
            contents.collect(),
            self.tools().await,
            self.operator.revision().await,
        )
    }
}

#[tokio::test]
async fn a_plugin_is_callable_by_the_time_its_upload_is_answered() {
    let serving = Serving::start();
    let sample = Sample::new("greeter", "1.0.0", "Good morning.");
    let uploaded = serving.operator.upload("", &sample).await;
    assert_eq!(
        uploaded.granted(),
        &json!({
            "message": "🎉 File uploaded successfully",
            "filePath": "./bucket/greeter.wasm",
            "metadata": sample.definition,
        })
    );
    assert_eq!(serving.call("greeter").await.output(), "Good morning.");
    assert_eq!(serving.tools().await, ["echo", "greeter"]);
    let kept = fs::read(serving.folder.join("plugins/bucket/greeter.wasm")).unwrap();
    assert_eq!(kept, sample.module);
    let text = serving.plugins_yml();
    assert!(
        text.starts_with(PLUGINS),
        "the rest stays as it was: {text}"
    );
    assert!(text.contains("path: ./bucket/greeter.wasm"), "{text}");

    // And it is there after a restart.
    let again = Launch::again(&serving.folder).start();
    let answer = again.client(MODERN).call("greeter", "{}").await;
    assert_eq!(answer.output(), "Good morning.");
}

#[tokio::test]
async fn an_update_takes_the_place_of_what_was_served() {
    let serving = Serving::start();
    let first = Sample::new("greeter", "1.0.0", "Good morning.");
    serving.operator.upload("", &first).await.granted();
    let second = Sample::new("greeter", "1.1.0", "Good evening.");
    let updated = serving.operator.update("", &second).await;
    assert_eq!(
        updated.granted(),
        &json!({
            "message": "🎉 File uploaded successfully",
            "filePath": "./bucket/greeter.wasm",
            "metadata": second.definition,
        })
    );
    assert_eq!(serving.call("greeter").await.output(), "Good evening.");
    assert_eq!(serving.tools().await, ["echo", "greeter"]);
    let kept = fs::read(serving.folder.join("plugins/bucket/greeter.wasm")).unwrap();
    assert_eq!(kept, second.module);

    // One that was put there by hand can be updated too, and its file is left alone.
    let by_hand =
        Sample::new("hand-made", "2", "No longer.").with("/functions/0/displayName", json!("echo"));
    serving.operator.update("", &by_hand).await.granted();
    assert_eq!(serving.call("echo").await.output(), "No longer.");
    assert!(serving.folder.join("plugins/guest.wasm").exists());
}

#[tokio::test]
async fn a_removed_plugin_leaves_nothing_behind() {
    let serving = Serving::start();
    let before = serving.state().await;
    let sample = Sample::new("roll dice", "1", "6");
    serving.operator.upload("", &sample).await.granted();
    assert_eq!(serving.call("roll dice").await.output(), "6");
    let removed = serving.operator.delete("/remove-plugin/roll%20dice").await;
    assert_eq!(
        removed.granted(),
        &json!({"message": "🙂 Plugin removed successfully"})
    );
    serving.call("roll dice").await.refused(200, -32602);
    assert_eq!(serving.state().await, before);
}

#[tokio::test]
async fn a_file_that_was_put_there_by_hand_outlives_its_plugin() {
    let serving = Serving::start();
    serving
        .operator
        .delete("/remove-plugin/hand-made")
        .await
        .granted();
    assert_eq!(serving.tools().await, [""; 0]);
    assert!(serving.folder.join("plugins/guest.wasm").exists());
    assert!(serving.plugins_yml().contains("# The first one."));
}

#[tokio::test]
async fn the_place_of_a_module_is_the_one_where_it_really_is() {
    let serving = Serving::start();
    let sample = Sample::new("a", "1", "a").with("/path", json!("./elsewhere/b.wasm"));
    let uploaded = serving.operator.upload("?dir=team/tools", &sample).await;
    assert_eq!(uploaded.granted()["filePath"], "./bucket/team/tools/a.wasm");
    assert!(
        serving
            .folder
            .join("plugins/bucket/team/tools/a.wasm")
            .exists()
    );
    assert!(
        serving
            .plugins_yml()
            .contains("path: ./bucket/team/tools/a.wasm")
    );

    // A second plugin whose file has the same name gets a place of its own.
    let other = Sample::new("b", "1", "b").in_file("a.wasm");
    let uploaded = serving.operator.upload("?dir=team/tools", &other).await;
    let place = uploaded.granted()["filePath"].as_str().unwrap().to_owned();
    assert!(place.starts_with("./bucket/team/tools/a-"), "{place}");
    assert_eq!(serving.call("a").await.output(), "a");
    assert_eq!(serving.call("b").await.output(), "b");
    serving.operator.delete("/remove-plugin/a").await.granted();
    assert_eq!(serving.call("b").await.output(), "b");
    serving.operator.delete("/remove-plugin/b").await.granted();
    assert!(!serving.folder.join("plugins/bucket/team").exists());
}

#[tokio::test]
async fn what_is_wrong_with_an_upload_is_told_and_leaves_no_trace() {
    let serving = Serving::launch(|launch| launch.env("UPLOAD_LIMIT", "8KiB"));
    let sample = || Sample::new("new", "1", "new");
    let unknown_import = r#"(module (import "env" "nothing" (func)) (func (export "speak")))"#;
    let before = serving.state().await;
    #[rustfmt::skip]
    let rows = [
        ("", sample().in_file("new.txt"), 400, "invalid_file_name", "\"new.txt\""),
        ("", sample().in_file(""), 400, "invalid_file_name", "\"\""),
        ("", sample().in_file(".wasm"), 400, "invalid_file_name", "\".wasm\""),
        ("", sample().in_file("../../new.wasm"), 400, "invalid_file_name", "new.wasm"),
        ("", sample().without("name"), 400, "invalid_definition", "name: is missing"),
        ("", sample().with("/name", json!(7)), 400, "invalid_definition", "the number 7"),
        ("", sample().without("functions"), 400, "invalid_definition", "functions: is missing"),
        ("", sample().with("/functions", json!([])), 400, "invalid_definition", "functions: is missing or empty"),
        ("", sample().with("/limits", json!({"timeout": "soon"})), 400, "invalid_definition", "limits.timeout"),
        ("", sample().with("/name", json!("hand-made")), 400, "name_taken", "\"hand-made\" is taken"),
        ("", sample().with("/functions/0/displayName", json!("echo")), 400, "tool_name_taken", "\"echo\" is taken by plugin \"hand-made\""),
        ("?dir=../../x", sample(), 400, "outside_folder", "`dir` is \"../../x\""),
        ("?dir=/etc", sample(), 400, "outside_folder", "`dir`"),
        ("?dir=.versions/modules", sample(), 400, "outside_folder", "`dir`"),
        ("", sample().with("/path", json!("../../x.wasm")), 400, "outside_folder", "`path` is \"../../x.wasm\""),
        ("", sample().with("/digest", json!("sha256:0")), 400, "invalid_definition", "digest"),
        ("", sample().with_module(vec![0; 8193]), 413, "too_large", "wasmFile has more than 8192 bytes"),
        ("", sample().with("/description", json!("x".repeat(1 << 20))), 413, "too_large", "pluginData has more than 1048576 bytes"),
        ("", sample().with_module(*b"no module"), 500, "invalid_module", "not a valid WebAssembly module"),
        ("", sample().with_module(*b""), 500, "invalid_module", "bucket/new.wasm: not a valid WebAssembly module: it is empty"),
        ("", sample().with_module(assemble(unknown_import)), 500, "invalid_module", "env::nothing"),
        ("", sample().with("/functions/0/function", json!("sing")), 500, "invalid_module", "does not export a function `sing`"),
        ("?dryRun=perhaps", sample(), 400, "invalid_url", "dryRun"),
        ("?dryrun=true", sample(), 400, "invalid_url", "dryrun"),
    ];
    for (query, wrong, status, code, says) in rows {
        let refused = serving.operator.upload(query, &wrong).await;
        let message = refused.declined(status, code);
        assert!(message.contains(says), "{says} in: {message}");
        assert_eq!(serving.state().await, before, "{message}");
    }
}

/// A key that means nothing is a wish that nobody hears.
#[tokio::test]
async fn keys_that_are_nearly_right_are_warned_of() {
    let serving = Serving::start();
    let sample = Sample::new("new", "1", "new").with("/functions/0/retuns", json!("json"));
    let wanted = "pluginData: plugin \"new\": functions[0].retuns: means nothing here: did you mean `returns`?";
    for query in ["?dryRun=true", ""] {
        let published = serving.operator.upload(query, &sample).await;
        assert_eq!(published.granted()["warnings"], json!([wanted]), "{query}");
    }
}

/// A script that publishes once too often is told what it meant, in one sentence.
#[tokio::test]
async fn what_is_there_already_is_refused_with_the_remedy() {
    let serving = Serving::start();
    let sample = Sample::new("new", "1", "new");
    serving.operator.upload("", &sample).await.granted();
    let resource = json!({"name": "r", "uri": "a://r", "contents": [{"text": "x"}]});
    let prompt = json!({"name": "p", "arguments": [], "messages": [{"role": "user", "text": "x"}]});
    let operator = &serving.operator;
    operator
        .post("/add-resource", resource.clone())
        .await
        .granted();
    operator.post("/add-prompt", prompt.clone()).await.granted();
    for (refused, kind, name, sent) in [
        (
            operator.upload("", &sample).await,
            "plugin",
            "new",
            "pluginData",
        ),
        (
            operator.post("/add-resource", resource).await,
            "resource",
            "r",
            "body",
        ),
        (
            operator.post("/add-prompt", prompt).await,
            "prompt",
            "p",
            "body",
        ),
    ] {
        assert_eq!(
            refused.declined(400, "name_taken"),
            format!(
                "{sent}: {kind} \"{name}\": name: \"{name}\" is taken: change that {kind} with PUT /update-{kind}, or choose another name"
            )
        );
    }
}

#[tokio::test]
async fn a_body_that_is_no_upload_is_refused() {
    let serving = Serving::start();
    let before = serving.state().await;
    let request = |path| match path {
        "/update-plugin" => serving.operator.request(Method::PUT, path),
        _ => serving.operator.request(Method::POST, path),
    };
    let file = || Part::bytes(b"x".as_slice()).file_name("x.wasm");
    for path in ["/upload-plugin", "/update-plugin"] {
        answer(request(path)).await.declined(400, "not_multipart");
        let json = request(path).json(&json!({"name": "x"}));
        answer(json).await.declined(400, "not_multipart");
        let header = "multipart/form-data; boundary=edge";
        let torn = request(path)
            .header("content-type", header)
            .body("--edge\r\nno part");
        answer(torn).await.declined(400, "not_multipart");
        let only_data = Form::new().text("pluginData", "{}");
        let message = answer(request(path).multipart(only_data)).await;
        assert!(message.declined(400, "missing_part").contains("wasmFile"));
        let only_file = Form::new().part("wasmFile", file());
        let message = answer(request(path).multipart(only_file)).await;
        assert!(message.declined(400, "missing_part").contains("pluginData"));
        for malformed in ["", "{", "{\"name\": }", "\u{0}"] {
            let form = Form::new()
                .part("wasmFile", file())
                .text("pluginData", malformed);
            let message = answer(request(path).multipart(form)).await;
            assert!(
                message
                    .declined(400, "malformed_json")
                    .contains("pluginData")
            );
        }
        for no_map in ["[]", "7", "null"] {
            let form = Form::new()
                .part("wasmFile", file())
                .text("pluginData", no_map);
            answer(request(path).multipart(form))
                .await
                .declined(400, "invalid_definition");
        }
    }
    assert_eq!(serving.state().await, before);
}

#[tokio::test]
async fn a_plugin_that_is_not_there_cannot_be_changed() {
    let serving = Serving::start();
    let before = serving.state().await;
    let unknown = Sample::new("unknown", "1", "x");
    let updated = serving.operator.update("", &unknown).await;
    assert!(updated.declined(500, "not_found").contains("\"unknown\""));
    let removed = serving.operator.delete("/remove-plugin/unknown").await;
    removed.declined(500, "not_found");
    for nameless in ["/remove-plugin", "/remove-plugin/"] {
        serving
            .operator
            .delete(nameless)
            .await
            .declined(400, "missing_name");
    }
    let rolled_back = serving
        .operator
        .post("/rollback-plugin/unknown", json!({}))
        .await;
    rolled_back.declined(404, "not_found");
    serving
        .operator
        .get("/plugins/unknown")
        .await
        .declined(404, "not_found");
    serving
        .operator
        .get("/plugins/unknown/versions")
        .await
        .declined(404, "not_found");
    assert_eq!(serving.state().await, before);
}

#[tokio::test]
async fn a_failed_update_keeps_what_was_served() {
    let serving = Serving::start();
    let sample = Sample::new("steady", "1", "steady");
    serving.operator.upload("", &sample).await.granted();
    let before = serving.state().await;
    let broken = sample.clone().with_module(*b"broken");
    serving
        .operator
        .update("", &broken)
        .await
        .declined(500, "invalid_module");
    let clash = sample.with("/functions/0/displayName", json!("echo"));
    serving
        .operator
        .update("", &clash)
        .await
        .declined(400, "tool_name_taken");
    assert_eq!(serving.state().await, before);
    assert_eq!(serving.call("steady").await.output(), "steady");
}

#[tokio::test]
async fn nothing_of_a_body_is_read_without_the_token() {
    let serving = Serving::start();
    let before = serving.state().await;
    for (method, path) in [
        ("POST", "/upload-plugin"),
        ("PUT", "/update-plugin"),
        ("DELETE", "/remove-plugin/hand-made"),
        ("POST", "/rollback-plugin/hand-made"),
        ("POST", "/add-resource"),
        ("PUT", "/update-resource/x"),
        ("DELETE", "/remove-resource/x"),
        ("POST", "/add-prompt"),
        ("PUT", "/update-prompt/x"),
        ("DELETE", "/remove-prompt/x"),
        ("GET", "/plugins"),
        ("GET", "/plugins/hand-made"),
        ("GET", "/plugins/hand-made/versions"),
        ("GET", "/resources"),
        ("GET", "/prompts"),
        ("GET", "/openapi.json"),
    ] {
        for token in [
            "",
            "Authorization: Bearer wrong\r\n",
            "Authorization: Basic YQ==\r\n",
        ] {
            // The body that is announced never comes.
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}Content-Type: multipart/form-data; boundary=edge\r\nContent-Length: 1000\r\n\r\n"
            );
            let answer = exchange(serving.server.address, request.as_bytes());
            assert!(answer.starts_with("HTTP/1.1 403 "), "{path}: {answer}");
            let body = "{\"error\":\"😡 Unauthorized\",\"code\":\"unauthorized\"}";
            assert!(answer.ends_with(body), "{path}: {answer}");
        }
        let request = serving.operator.stranger(method.parse().unwrap(), path);
        answer(request).await.declined(403, "unauthorized");
    }
    assert_eq!(serving.state().await, before);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_no_trace() {
    let serving = Serving::start();
    let before = serving.state().await;
    let head = format!(
        "POST /upload-plugin HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: multipart/form-data; boundary=edge\r\nContent-Length: 1000000\r\n\r\n--edge\r\ncontent-disposition: form-data; name=\"wasmFile\"; filename=\"x.wasm\"\r\n\r\n",
        crate::support::ADMIN_TOKEN
    );
    let mut stream = TcpStream::connect(serving.server.address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![1; 600_000]).unwrap();
    let bucket = serving.folder.join("plugins/bucket");
    until("the upload has begun", || {
        bucket.exists() && !files(&bucket).is_empty()
    })
    .await;
    drop(stream);
    until("nothing of it is left", || !bucket.exists()).await;
    assert_eq!(serving.state().await, before);
}

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let serving = Serving::start();
    let sample = Sample::new("same", "1.0.0", "same");
    serving.operator.upload("", &sample).await.granted();
    let before = serving.state().await;
    let again = serving.operator.update("", &sample).await;
    assert_eq!(
        again.granted(),
        &json!({
            "message": "🎉 File uploaded successfully",
            "filePath": "./bucket/same.wasm",
            "metadata": sample.definition,
            "unchanged": true,
        })
    );
    assert_eq!(serving.state().await, before);
}

#[tokio::test]
async fn an_update_whose_version_did_not_rise_is_told_so() {
    let serving = Serving::start();
    let publish = async |version: &str, text: &str| {
        let sample = Sample::new("v", version, text);
        serving.operator.update("", &sample).await.granted()["warnings"].clone()
    };
    serving
        .operator
        .upload("", &Sample::new("v", "1.9.0", "0"))
        .await
        .granted();
    assert_eq!(publish("1.10.0", "1").await, Value::Null);
    for (version, text) in [("1.10.0", "2"), ("1.9.9", "3")] {
        let warnings = publish(version, text).await;
        let warning = warnings[0].as_str().unwrap();
        assert!(warning.contains(version), "{warning}");
        assert_eq!(
            serving.call("v").await.output(),
            text,
            "it is served all the same"
        );
    }
}

#[tokio::test]
async fn what_clients_or_texts_may_have_trouble_with_is_told() {
    let serving = Serving::start();
    let functions = json!([{
        "displayName": "odd name",
        "function": "speak",
        "arguments": [
            {"name": "mail", "type": "string", "pattern": r"(?=.*@)\w+(?!x)"},
            {"name": "plain", "type": "string", "pattern": r"^\w+$"},
        ],
    }]);
    let sample = Sample::new("odd", "1.0.0", "0").with("/functions", functions);
    let uploaded = serving.operator.upload("", &sample).await;
    let warnings = uploaded.granted()["warnings"].as_array().unwrap();
    let [name, pattern] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    assert!(name.as_str().unwrap().contains("odd name"), "{name}");
    let pattern = pattern.as_str().unwrap();
    assert!(
        pattern.contains("look-around") && pattern.contains(".*@"),
        "{pattern}"
    );
}

#[tokio::test]
async fn a_plugin_is_shown_with_all_that_is_known_of_it() {
    let serving = Serving::start();
    let sample = Sample::new("shown", "1.2.3", "x").with("/config", json!({"key": "hidden-value"}));
    serving.operator.upload("", &sample).await.granted();
    let shown = serving.operator.get("/plugins/shown").await;
    let shown = shown.granted();
    assert_eq!(shown["state"], "served");
    assert_eq!(shown["version"], "1.2.3");
    assert_eq!(shown["size"], sample.module.len());
    assert_eq!(shown["tools"], json!(["shown"]));
    assert_eq!(shown["exports"], json!(["speak"]));
    assert_eq!(
        shown["definition"]["functions"],
        sample.definition["functions"]
    );
    assert_eq!(shown["definition"]["config"], json!({"key": "***"}));
    assert_eq!(shown["definition"]["digest"], shown["digest"]);
    assert_eq!(shown["versions"].as_array().unwrap().len(), 1);
    let list = serving.operator.get("/plugins").await;
    let names: Vec<&Value> = list.granted()["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plugin| &plugin["name"])
        .collect();
    assert_eq!(names, ["hand-made", "shown"]);
}

#[tokio::test]
async fn a_quarantined_plugin_is_shown_updated_and_removed() {
    let broken = "plugins:\n  - name: broken\n    path: absent.wasm\n    functions: [{function: speak}]\n  - name: other\n    path: absent.wasm\n    functions: [{function: speak, displayName: o}]\n";
    let server = Launch::of(Home::with_plugins(broken)).start();
    let operator = Operator::of(&server);
    let shown = operator.get("/plugins/broken").await;
    let shown = shown.granted();
    assert_eq!(shown["state"], "quarantined");
    assert!(
        shown["problems"][0]
            .as_str()
            .unwrap()
            .contains("absent.wasm"),
        "{shown}"
    );
    assert_eq!(shown["digest"], Value::Null);
    let mended = Sample::new("broken", "1", "mended");
    operator.update("", &mended).await.granted();
    let answer = server.client(MODERN).call("broken", "{}").await;
    assert_eq!(answer.output(), "mended");
    operator.delete("/remove-plugin/other").await.granted();
    let list = operator.get("/plugins").await;
    assert_eq!(list.granted()["plugins"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn plugins_that_are_off_have_no_routes() {
    let server = Launch::of(Home::new()).env("PLUGINS_PATH", "").start();
    let operator = Operator::of(&server);
    operator.get("/plugins").await.declined(404, "switched_off");
    let uploaded = operator.upload("", &Sample::new("x", "1", "x")).await;
    assert!(uploaded.declined(404, "switched_off").contains("plugins"));
    operator
        .delete("/remove-plugin/x")
        .await
        .declined(404, "switched_off");
}

#[tokio::test]
async fn operators_can_have_a_listener_of_their_own() {
    let serving = Serving::launch(|launch| launch.env("ADMIN_ADDRESS", "127.0.0.1:0"));
    let stdout = serving.server.stdout();
    let mut lines = stdout.lines();
    let url = lines
        .find_map(|line| line.strip_prefix("administration on "))
        .unwrap();
    let operator = Operator::at(url.to_owned());
    operator
        .upload("", &Sample::new("x", "1", "x"))
        .await
        .granted();
    assert_eq!(serving.call("x").await.output(), "x");
    let client = serving.server.client(MODERN);
    assert_eq!(
        client.get("/plugins").await.status,
        404,
        "clients find no administration"
    );
    let at_operators = client.get("/mcp").await;
    assert_ne!(at_operators.status, 404);
    assert_eq!(
        operator.get("/mcp").await.status,
        404,
        "operators find no endpoint"
    );
    // Both listeners end with the server.
    serving.server.signal("TERM");
    assert!(serving.server.ended().await.success());
}
