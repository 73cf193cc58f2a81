//! `server/discover`, `ping` and which methods each era has.

use serde_json::json;

use crate::support::{Home, LEGACY, Launch, MODERN, SERVER_INFO_KEY, guest};

#[tokio::test]
async fn discover_tells_versions_and_capabilities() {
    let server = guest();
    let answer = server
        .client(MODERN)
        .ask("server/discover", json!({}))
        .await;
    let mut result = answer.result().clone();
    result.as_object_mut().unwrap().remove("_meta");
    assert_eq!(
        result,
        json!({
            "resultType": "complete",
            "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"],
            "capabilities": {
                "tools": {"listChanged": true},
                "resources": {"subscribe": true, "listChanged": true},
                "prompts": {"listChanged": true},
                "completions": {},
                "logging": {},
                "extensions": {"io.modelcontextprotocol/tasks": {}},
            },
            "ttlMs": 1000,
            "cacheScope": "private",
        })
    );
}

#[tokio::test]
async fn instructions_and_the_time_to_live_are_configured() {
    let home = Home::new();
    home.file(
        "wasimancer.toml",
        "instructions = \"Ask \\\"nicely\\\".\"\ncache_ttl = \"5m\"\n",
    );
    let server = Launch::of(home).start();
    let answer = server
        .client(MODERN)
        .ask("server/discover", json!({}))
        .await;
    assert_eq!(answer.result()["instructions"], "Ask \"nicely\".");
    assert_eq!(answer.result()["ttlMs"], 300_000);
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    let answer = server.client("2025-11-25").ask("initialize", params).await;
    assert_eq!(answer.result()["instructions"], "Ask \"nicely\".");
}

/// Whoever asks is told all of it; every other answer names the server alone.
#[tokio::test]
async fn the_server_introduces_itself_as_configured() {
    let home = Home::guest();
    home.file(
        "wasimancer.toml",
        "[server_info]\nname = \"team\"\ntitle = \"The team\'s tools\"\ndescription = \"for us\"\nwebsiteUrl = \"https://example.com/tools\"\n\
         icons = [{src = \"https://example.com/i.png\", mimeType = \"image/png\", sizes = [\"48x48\"], theme = \"dark\"}]\n",
    );
    let server = Launch::of(home).start();
    let version = env!("CARGO_PKG_VERSION");
    let wanted = json!({
        "name": "team",
        "title": "The team\'s tools",
        "version": version,
        "description": "for us",
        "websiteUrl": "https://example.com/tools",
        "icons": [{"src": "https://example.com/i.png", "mimeType": "image/png", "sizes": ["48x48"], "theme": "dark"}],
    });
    let client = server.client(MODERN);
    let answer = client.ask("server/discover", json!({})).await;
    assert_eq!(answer.result()["_meta"][SERVER_INFO_KEY], wanted);
    let answer = client.ask("tools/list", json!({})).await;
    let named = json!({"name": "team", "version": version});
    assert_eq!(answer.result()["_meta"][SERVER_INFO_KEY], named);
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    let answer = server.client("2025-11-25").ask("initialize", params).await;
    assert_eq!(answer.result()["serverInfo"], wanted);
    let home = Home::guest();
    home.file(
        "wasimancer.toml",
        "[server_info]\nname = \"\"\nwebsiteUrl = \"example\"\nicons = [{src = \"i.png\", theme = \"red\"}]\n",
    );
    let ended = Launch::of(home).refused();
    for wrong in [
        "server_info.name: \"\" is not a name of 1 to 128 characters",
        "server_info.websiteUrl: \"example\" is not an address of http or https",
        "server_info.icons.src: \"i.png\" is not an address",
        "server_info.icons.theme: \"red\" is not light or dark",
    ] {
        assert!(ended.stderr.contains(wrong), "{wrong} in {}", ended.stderr);
    }
}

#[tokio::test]
async fn methods_belong_to_their_era() {
    let server = guest();
    let modern = server.client(MODERN);
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "unknown/method",
        "tools",
        "Tools/List",
        "",
    ] {
        let answer = modern.ask(method, json!({})).await;
        let error = answer.refused(404, -32601);
        assert_eq!(error["message"], format!("Method not found: {method}"));
        assert_eq!(answer.header("content-type"), "application/json");
    }
    for revision in LEGACY {
        let legacy = server.client(revision);
        for method in [
            "server/discover",
            "subscriptions/listen",
            "unknown/method",
            "notifications/initialized",
        ] {
            legacy.ask(method, json!({})).await.refused(200, -32601);
        }
    }
}

#[tokio::test]
async fn ping_and_log_levels_of_the_older_era() {
    let server = guest();
    for revision in LEGACY {
        let client = server.client(revision);
        assert_eq!(client.ask("ping", json!({})).await.result(), &json!({}));
        assert_eq!(
            client
                .request("ping", json!({}))
                .without_params()
                .send()
                .await
                .result(),
            &json!({})
        );
        for level in [
            "debug",
            "info",
            "notice",
            "warning",
            "error",
            "critical",
            "alert",
            "emergency",
        ] {
            assert_eq!(
                client
                    .ask("logging/setLevel", json!({"level": level}))
                    .await
                    .result(),
                &json!({})
            );
        }
        for params in [json!({"level": "loud"}), json!({"level": 3}), json!({})] {
            client
                .ask("logging/setLevel", params)
                .await
                .refused(200, -32602);
        }
    }
}
