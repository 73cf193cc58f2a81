//! Resources and prompts whose contents and messages a plugin makes.

use serde_json::{Value, json};

use crate::support::{
    Ended, Home, Launch, MODERN, Operator, REVISIONS, Sample, Server, command, finish, fixtures,
    guest_module,
};

const PLUGINS: &str = "plugins:\n  - name: maker\n    path: guest.wasm\n    functions: [{displayName: echo, function: echo}]\n";
const RESOURCES: &str = r#"resources:
  static:
    - {name: fixed, uri: "made://größe", mimeType: application/json, plugin: maker, function: echo}
    - {name: failing, uri: "made://failing", plugin: maker, function: fail}
    - {name: orphan, uri: "made://orphan", plugin: nobody, function: echo}
    - {name: nameless, uri: "made://nameless", plugin: maker, function: nowhere}
  dynamic:
    - name: greet
      uri: made://{last}/{first}
      arguments: [{name: first, complete: {plugin: maker, function: echo}}]
      plugin: maker
      function: echo
"#;
const PROMPTS: &str = r"prompts:
  predefined:
    - name: made
      description: what arrived
      arguments:
        - {name: zulu, type: number}
        - {name: alpha, default: calm}
        - {name: left, required: false, complete: {plugin: maker, function: echo}}
      plugin: maker
      function: echo
    - {name: failing, arguments: [], plugin: maker, function: fail}
    - {name: orphan, arguments: [], plugin: nobody, function: echo}
";

fn home() -> Home {
    let home = Home::with_plugins(PLUGINS);
    home.file("resources/resources.yml", RESOURCES);
    home.file("prompts/prompts.yml", PROMPTS);
    home
}

fn start() -> Server {
    Launch::of(home()).start()
}

#[tokio::test]
async fn contents_are_what_the_function_answers() {
    let server = start();
    for revision in REVISIONS {
        let client = server.client(revision);
        let read = async |uri: &str| client.ask("resources/read", json!({ "uri": uri })).await;
        let fixed = json!([{"uri": "made://größe", "mimeType": "application/json", "text": "{}"}]);
        assert_eq!(read("made://größe").await.result()["contents"], fixed);
        let text = r#"{"last":"L/\"","first":"Ada"}"#;
        assert_eq!(
            read("made://L%2F\"/Ada").await.result()["contents"],
            json!([{"uri": "made://L%2F%22/Ada", "text": text}])
        );
        for (uri, wanted) in [
            ("made://failing", "it broke"),
            ("made://orphan", "plugin \"nobody\""),
            ("made://nameless", "`nowhere`"),
        ] {
            let answer = read(uri).await;
            let message = answer.refused(200, -32603)["message"].as_str().unwrap();
            assert!(message.contains(wanted), "{message}");
        }
    }
}

#[tokio::test]
async fn messages_are_what_the_function_answers() {
    let server = start();
    for revision in REVISIONS {
        let client = server.client(revision);
        let get = async |name: &str, arguments: Value| {
            let params = json!({"name": name, "arguments": arguments});
            client.ask("prompts/get", params).await
        };
        let answer = get("made", json!({"zulu": "1.50"})).await;
        let text = r#"{"zulu":"1.50","alpha":"calm"}"#;
        assert_eq!(
            answer.result()["messages"],
            json!([{"role": "user", "content": {"type": "text", "text": text}}])
        );
        assert_eq!(answer.result()["description"], "what arrived");
        // Arguments are checked before anything is called.
        let answer = get("made", json!({"zulu": "one"})).await;
        let message = answer.refused(200, -32602)["message"].as_str().unwrap();
        assert!(message.contains("\"zulu\" must be a number"), "{message}");
        for (name, wanted) in [("failing", "it broke"), ("orphan", "plugin \"nobody\"")] {
            let answer = get(name, json!({})).await;
            let message = answer.refused(200, -32603)["message"].as_str().unwrap();
            assert!(message.contains(wanted), "{message}");
        }
    }
}

/// Functions are called for each answer, and are no matter of the lists.
#[tokio::test]
async fn lists_do_not_show_the_functions() {
    let server = start();
    for revision in REVISIONS {
        let client = server.client(revision);
        for method in [
            "resources/list",
            "resources/templates/list",
            "prompts/list",
            "tools/list",
        ] {
            let listed = client.ask(method, json!({})).await.result().to_string();
            for hidden in ["maker", "\"function\"", "\"complete\":", "\"requires\""] {
                assert!(!listed.contains(hidden), "{hidden} in {listed}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_warned_of_and_the_rest_serves() {
    let server = start();
    let ready = server.client(MODERN).ready().await;
    assert_eq!(ready.json["status"], "ready");
    for warning in [
        "resource \"orphan\": plugin: the function \"echo\" of plugin \"nobody\" cannot be called",
        "resource \"nameless\": function: the function \"nowhere\" of plugin \"maker\" cannot be called",
        "prompt \"orphan\": plugin: the function",
    ] {
        server.logs(warning).await;
    }
    let home = home();
    let Ended {
        code,
        stdout,
        stderr,
    } = finish(command(["check", "--home"]).arg(home.path()));
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.ends_with("; 0 problems\n"), "{stdout}");
    let warnings = stderr.matches("cannot be called").count();
    assert_eq!(warnings, 3, "{stderr}");
}

fn resource(more: &Value) -> Value {
    with(
        json!({"name": "r", "uri": "made://{x}", "arguments": []}),
        more,
    )
}

fn prompt(more: &Value) -> Value {
    with(json!({"name": "p", "arguments": []}), more)
}

fn with(mut definition: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        definition[key] = value.clone();
    }
    definition
}

#[tokio::test]
async fn only_a_function_that_is_there_is_published() {
    let folder = home();
    let server = Launch::again(folder.path()).start();
    let operator = Operator::of(&server);
    let completed = |plugin: &str, function: &str| {
        let complete = json!({"plugin": plugin, "function": function});
        json!({"arguments": [{"name": "x", "complete": complete}]})
    };
    let data = json!({"contents": [{"text": "x"}], "messages": [{"role": "user", "text": "x"}]});
    for (more, field) in [
        (json!({"plugin": "nobody", "function": "echo"}), "plugin: "),
        (
            json!({"plugin": "maker", "function": "nowhere"}),
            "function: ",
        ),
        (json!({"plugin": "maker"}), "function: is missing"),
        (json!({"function": "echo"}), "plugin: is missing"),
        (
            json!({"plugin": "maker", "function": "echo", "returns": "xml"}),
            "returns: \"xml\"",
        ),
        (
            json!({"plugin": "maker", "function": "echo", "requires": ["roots"]}),
            "requires: needs `returns: result`",
        ),
        (
            with(completed("nobody", "echo"), &data),
            "arguments[0].complete.plugin: ",
        ),
        (
            with(completed("maker", "nowhere"), &data),
            "arguments[0].complete.function: ",
        ),
    ] {
        let mut made_resource = resource(&more);
        made_resource.as_object_mut().unwrap().remove("messages");
        let mut made_prompt = prompt(&more);
        made_prompt.as_object_mut().unwrap().remove("contents");
        for refused in [
            operator.post("/add-resource", made_resource).await,
            operator.post("/add-prompt", made_prompt).await,
        ] {
            let message = refused.declined(400, "invalid_definition");
            assert!(
                message.contains(&format!(": {field}")),
                "{field}: {message}"
            );
        }
    }
    let right = json!({"plugin": "maker", "function": "echo", "returns": "result", "requires": ["roots", "sampling.tools"]});
    operator
        .post("/add-resource", resource(&right))
        .await
        .granted();
    operator.post("/add-prompt", prompt(&right)).await.granted();
    let text = json!({"plugin": "maker", "function": "echo"});
    let updated = operator.put("/update-prompt/p", prompt(&text)).await;
    updated.granted();
    // What is served now is served after a restart too.
    drop(server);
    let server = Launch::again(folder.path()).start();
    let answer = server
        .client(MODERN)
        .ask("prompts/get", json!({"name": "p"}))
        .await;
    assert_eq!(answer.result()["messages"][0]["content"]["text"], "{}");
}

#[tokio::test]
async fn plugins_come_and_go_and_what_names_them_stays() {
    let folder = home();
    let server = Launch::again(folder.path()).start();
    let operator = Operator::of(&server);
    let client = server.client(MODERN);
    let read = async || {
        let answer = client
            .ask("resources/read", json!({"uri": "made://orphan"}))
            .await;
        answer.json["result"]["contents"][0]["text"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(read().await, None);
    let function = json!([{"displayName": "nobody", "function": "echo"}]);
    let nobody = Sample::new("nobody", "1", "")
        .with_module(guest_module())
        .with("/functions", function);
    let uploaded = operator.upload("", &nobody).await;
    assert!(
        uploaded.granted().get("warnings").is_none(),
        "{}",
        uploaded.text
    );
    assert_eq!(read().await.as_deref(), Some("{}"));
    let removed = operator.delete("/remove-plugin/nobody").await;
    let warnings: Vec<&str> = removed.granted()["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning.as_str().unwrap())
        .collect();
    assert!(
        matches!(warnings.as_slice(), [prompt, resource]
            if prompt.starts_with("prompt \"orphan\": plugin: ") && resource.starts_with("resource \"orphan\": plugin: ")),
        "{warnings:?}"
    );
    assert_eq!(read().await, None);
    // An edit of the definitions by hand may name what is not there yet.
    let more = RESOURCES.replace(
        "plugin: maker, function: fail",
        "plugin: later, function: fail",
    );
    std::fs::write(folder.path().join("resources/resources.yml"), more).unwrap();
    server
        .logs("resource \"failing\": plugin: the function \"fail\" of plugin \"later\"")
        .await;
}

/// What a function writes as a whole result, with the URI that it was asked for.
#[tokio::test]
async fn a_function_may_make_the_whole_result() {
    let server = fixtures();
    for revision in REVISIONS {
        let client = server.client(revision);
        let answer = client
            .ask("resources/read", json!({"uri": "weather://Lyon"}))
            .await;
        let contents = &answer.result()["contents"];
        assert_eq!(
            contents[0],
            json!({"uri": "weather://Lyon", "mimeType": "text/plain", "text": "It is sunny in Lyon."})
        );
        assert_eq!(contents[1]["mimeType"], "image/png");
        assert!(contents[1]["blob"].is_string());
    }
}

#[tokio::test]
async fn a_resource_may_ask_before_it_is_read() {
    let server = fixtures();
    let client = server.client(MODERN);
    let read = async |round: Value| {
        let params = with(json!({"uri": "diary://today"}), &round);
        let request = client.request("resources/read", params);
        request
            .capabilities(json!({"elicitation": {}}))
            .send()
            .await
    };
    let asked = read(json!({})).await;
    assert_eq!(asked.result()["resultType"], "input_required");
    assert_eq!(
        asked.result()["inputRequests"]["open"]["method"],
        "elicitation/create"
    );
    let answered = |action: &str| json!({"inputResponses": {"open": {"action": action}}});
    let opened = read(answered("accept")).await;
    assert_eq!(opened.result()["contents"][0]["text"], "Dear diary");
    // An error of the plugin's own.
    let closed = read(answered("decline")).await;
    assert_eq!(
        closed.refused(200, 1001)["message"],
        "The diary stays closed."
    );
    // Nobody is asked for nothing.
    let answer = client
        .ask("resources/read", json!({"uri": "diary://today"}))
        .await;
    answer.refused(400, -32021);
}

#[tokio::test]
async fn a_function_completes_an_argument() {
    let server = fixtures();
    for revision in REVISIONS {
        let client = server.client(revision);
        let complete = async |name: &str, value: &str| {
            let params = json!({
                "ref": {"type": "ref/resource", "uri": "weather://{city}"},
                "argument": {"name": name, "value": value},
                "context": {"arguments": {"other": "x"}},
            });
            client.ask("completion/complete", params).await
        };
        assert_eq!(
            complete("city", "l").await.result()["completion"]["values"],
            json!(["Lisbon", "Ljubljana", "London", "Lyon"])
        );
        assert_eq!(
            complete("city", "Lj").await.result()["completion"],
            json!({"values": ["Ljubljana"], "total": 1000, "hasMore": true})
        );
        complete("country", "").await.refused(200, -32602);
    }
    // What is no list of texts is the plugin's fault.
    let made = start();
    let params = json!({
        "ref": {"type": "ref/prompt", "name": "made"},
        "argument": {"name": "left", "value": ""},
    });
    let answer = made.client(MODERN).ask("completion/complete", params).await;
    answer.refused(200, -32603);
}
