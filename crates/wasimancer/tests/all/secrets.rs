//! Secrets reach nobody who has no business with them: no log, no output, no answer.

use serde_json::json;

use crate::support::{ADMIN_TOKEN, Home, Launch, REVISIONS, TOKEN, Upstream, command, finish};

/// A value of a `WASM_` variable, and one of a plugin's `config:` (in `plugins.yml` of the guest).
const VARIABLE: &str = "variable-secret-83c1";
const PLUGIN: &str = "plugin-secret-5b1d";
/// A header that a plugin sends.
const OUTBOUND: &str = "outbound-secret-0e77";

fn assert_secret(text: &str) {
    for secret in [TOKEN, ADMIN_TOKEN, VARIABLE, PLUGIN, OUTBOUND] {
        assert!(!text.contains(secret), "{secret} in: {text}");
    }
}

#[tokio::test]
async fn the_log_holds_no_secret_at_any_level() {
    let upstream = Upstream::start();
    for format in ["human", "json"] {
        let server = Launch::of(Home::guest())
            .args([
                "--log",
                "trace",
                "--log-format",
                format,
                "--allow-host",
                "127.0.0.1",
            ])
            .env("WASM_SECRET", VARIABLE)
            .start();
        for revision in REVISIONS {
            let mut client = server.client(revision);
            client
                .ask("initialize", json!({"protocolVersion": revision}))
                .await;
            client.ask("tools/list", json!({})).await.result();
            client.call("trap", "{}").await.failure();
            client
                .call("config", r#"{"output":"nothing"}"#)
                .await
                .output();
            client.call("config", r#"{"output":5}"#).await;
            client.post("{").await;
            client.get("/readyz").await;
            client.ready().await;
            let url = format!("http://{}/?key=1", upstream.address);
            let arguments =
                json!({"url": url, "method": "GET", "headers": {"Authorization": OUTBOUND}});
            let (answer, ()) = tokio::join!(client.call("get", arguments), async {
                upstream.holds(1).await;
                upstream.release("fetched");
            });
            assert_eq!(answer.output(), "fetched");
            client.headers.insert(
                "authorization",
                format!("Bearer {ADMIN_TOKEN}").parse().unwrap(),
            );
            assert_eq!(client.ask("tools/list", json!({})).await.status, 401);
        }
        server.signal("TERM");
        let output = server.whole_output().await;
        assert!(
            output.contains("TRACE") || output.contains("DEBUG"),
            "it was verbose: {output}"
        );
        assert_secret(&output);
    }
}

/// A tool whose work is to tell its configuration may do so; nothing else does.
#[tokio::test]
async fn answers_hold_no_secret() {
    let server = Launch::of(Home::guest())
        .env("WASM_SECRET", VARIABLE)
        .start();
    for revision in REVISIONS {
        let client = server.client(revision);
        for (method, params) in [
            ("server/discover", json!({})),
            ("initialize", json!({"protocolVersion": revision})),
            ("tools/list", json!({})),
            ("tools/call", json!({"name": "trap"})),
            ("tools/call", json!({"name": "config"})),
            ("tools/call", json!({"name": "unknown"})),
        ] {
            assert_secret(&client.ask(method, params).await.text);
        }
        assert_secret(&client.get("/readyz").await.text);
        assert_secret(&client.ready().await.text);
        assert_secret(&client.get("/healthz").await.text);
        let answer = client.call("config", r#"{"output":"WASM_SECRET"}"#).await;
        assert_eq!(answer.output(), VARIABLE);
    }
}

/// What is wrong with a definition or with the configuration is told without the value, where
/// that may be a secret.
#[tokio::test]
async fn problems_hold_no_secret() {
    let home = Home::with_plugins(&format!(
        "plugins:\n  - name: wrong\n    path: guest.wasm\n    config: {{key: [{PLUGIN}]}}\n    permissions: {{network: [\"https://user:{PLUGIN}@internal.example/x\"]}}\n    \
         functions: [{{function: echo}}]\n"
    ));
    home.file(
        "resources/resources.yml",
        format!(
            "resources:\n  dynamic:\n    - {{name: wrong, uri: \"db://user:{PLUGIN}@internal.example/{{x}}{{\", arguments: [{{name: x}}], contents: [{{text: x}}]}}\n"
        ),
    );
    let ended = finish(
        command(["check", "--home"])
            .arg(home.path())
            .env("WASM_SECRET", VARIABLE)
            .env("WASIMANCER_ADMIN_TOKEN", ADMIN_TOKEN),
    );
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("config.key"), "{}", ended.stdout);
    for shown in [
        "https://…@internal.example/x",
        "db://…@internal.example/{x}{",
    ] {
        assert!(ended.stdout.contains(shown), "{shown}: {}", ended.stdout);
    }
    assert_secret(&format!("{}{}", ended.stdout, ended.stderr));
    // A token that somebody wrote into the file: there is no such key.
    home.file(
        "wasimancer.toml",
        format!("http_port = 0\nadmin_token = \"{ADMIN_TOKEN}\"\n"),
    );
    let ended = Launch::of(home).refused();
    assert!(ended.stderr.contains("admin_token"), "{}", ended.stderr);
    assert_secret(&format!("{}{}", ended.stdout, ended.stderr));
}
