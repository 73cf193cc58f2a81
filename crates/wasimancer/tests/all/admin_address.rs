//! The administration on an address of its own has a thread of its own.

use serde_json::json;

use crate::support::{Home, Launch, MODERN, Operator, Server};

fn launch() -> (Server, Operator) {
    let launch = Launch::of(Home::guest()).env("ADMIN_ADDRESS", "127.0.0.1:0");
    let server = launch.start();
    let stdout = server.stdout();
    let mut lines = stdout.lines();
    let url = lines.find_map(|line| line.strip_prefix("administration on "));
    let operator = Operator::at(url.expect("it is announced").to_owned());
    (server, operator)
}

#[tokio::test]
async fn probes_are_answered_there_too() {
    let (server, operator) = launch();
    let at_clients = server.client(MODERN);
    for path in ["/healthz", "/readyz"] {
        let without_token = operator.stranger(reqwest::Method::GET, path);
        let answer = crate::support::answer(without_token).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.json, at_clients.get(path).await.json, "{path}");
        // Probes of orchestrators name whatever host they like, and learn what strangers may.
        let named = operator
            .stranger(reqwest::Method::GET, path)
            .header("host", "10.0.0.7");
        assert_eq!(crate::support::answer(named).await.status, 200, "{path}");
    }
    let answer = operator.stranger(reqwest::Method::GET, "/plugins");
    assert_eq!(crate::support::answer(answer).await.status, 403);
    // Only here are operators told more.
    assert_eq!(operator.get("/readyz").await.json["quarantined"], json!([]));
    assert_eq!(at_clients.ready().await.json["quarantined"], 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_keeps_the_other_threads_busy_is_none_of_its_business() {
    let (server, operator) = launch();
    let tasks = format!("/proc/{}/task", server.pid());
    let names = || {
        let tasks = std::fs::read_dir(&tasks).unwrap();
        let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
        names.map(|name| name.unwrap_or_default().trim().to_owned())
    };
    let threads: Vec<String> = names().collect();
    for name in ["administration", "signals", "log"] {
        assert!(threads.iter().any(|thread| thread == name), "{threads:?}");
    }
    let definition = json!({"name": "x", "uri": "info://x", "contents": [{"text": "x"}]});
    operator.post("/add-resource", definition).await.granted();
}
