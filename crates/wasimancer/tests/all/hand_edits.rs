//! What is edited by hand is noticed, loaded as a whole, or not at all.

use std::fs;

use serde_json::{Value, json};

use crate::support::{
    Home, Launch, MODERN, Operator, PATIENCE, Sample, Server, answer, speaking, until,
};

const PLUGINS: &str = "plugins:\n  - name: first\n    path: first.wasm\n    functions: [{displayName: first, function: speak}]\n";

fn start() -> (Server, Operator, std::path::PathBuf) {
    let home = Home::with_plugins(PLUGINS);
    home.file("plugins/first.wasm", speaking("first"));
    home.file("wasimancer.toml", "settle_time = \"50ms\"\n");
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    (server, operator, folder)
}

/// Polls until a condition on the answer of `/readyz` holds.
async fn ready(server: &Server, holds: impl Fn(&Value) -> bool) -> Value {
    let client = server.client(MODERN);
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let answer = client.ready().await.json;
        if holds(&answer) {
            return answer;
        }
        assert!(std::time::Instant::now() < deadline, "{answer}");
        tokio::task::yield_now().await;
    }
}

async fn spoken(server: &Server, tool: &str) -> String {
    let answer = server.client(MODERN).call(tool, "{}").await;
    answer.output().to_owned()
}

#[tokio::test]
async fn an_edited_file_is_loaded() {
    let (server, _, folder) = start();
    let second = "  - name: second\n    path: second.wasm\n    functions: [{displayName: second, function: speak}]\n";
    fs::write(folder.join("plugins/second.wasm"), speaking("second")).unwrap();
    fs::write(
        folder.join("plugins/plugins.yml"),
        format!("{PLUGINS}{second}"),
    )
    .unwrap();
    fs::write(
        folder.join("prompts/prompts.yml"),
        "prompts:\n  predefined:\n    - {name: p, messages: [{role: user, text: x}]}\n",
    )
    .unwrap();
    ready(&server, |now| {
        now["serves"]["tools"] == 2 && now["serves"]["prompts"] == 1
    })
    .await;
    assert_eq!(spoken(&server, "second").await, "second");
    assert_eq!(spoken(&server, "first").await, "first");
}

#[tokio::test]
async fn a_module_that_is_replaced_is_loaded() {
    let (server, operator, folder) = start();
    let before = operator.revision().await;
    // As a careful copy does it: under another name first.
    fs::write(folder.join("plugins/next.wasm"), speaking("replaced")).unwrap();
    fs::rename(
        folder.join("plugins/next.wasm"),
        folder.join("plugins/first.wasm"),
    )
    .unwrap();
    let client = server.client(MODERN);
    let mut now = before.clone();
    let deadline = std::time::Instant::now() + PATIENCE;
    while now == before {
        assert!(std::time::Instant::now() < deadline);
        now = operator.revision().await;
    }
    assert_eq!(client.call("first", "{}").await.output(), "replaced");
}

#[tokio::test]
async fn a_mounted_configuration_that_is_replaced_is_loaded() {
    // As Kubernetes mounts it: the file is a link into a folder behind a link that is replaced.
    let home = Home::new();
    home.file("wasimancer.toml", "settle_time = \"50ms\"\n");
    let folder = home.path().join("resources");
    let resources = |text: &str| {
        format!(
            "resources:\n  static:\n    - {{name: r, uri: 'info://r', contents: [{{text: {text}}}]}}\n"
        )
    };
    for (version, text) in [("..1", "one"), ("..2", "two")] {
        home.file(
            &format!("resources/{version}/resources.yml"),
            resources(text),
        );
    }
    std::os::unix::fs::symlink("..1", folder.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/resources.yml", folder.join("resources.yml")).unwrap();
    let server = Launch::of(home).start();
    let client = server.client(MODERN);
    let read = async || {
        let answer = client
            .ask("resources/read", json!({"uri": "info://r"}))
            .await;
        answer.result()["contents"][0]["text"].clone()
    };
    assert_eq!(read().await, "one");
    std::os::unix::fs::symlink("..2", folder.join("..next")).unwrap();
    fs::rename(folder.join("..next"), folder.join("..data")).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while read().await != "two" {
        assert!(std::time::Instant::now() < deadline);
    }
}

/// Where the system tells of no edit, they are found by looking: here since the files are written to by other
/// names, in a folder that nobody watches.
#[cfg(unix)]
#[tokio::test]
async fn edits_that_the_system_does_not_tell_of_are_found_by_looking() {
    let home = Home::with_plugins(PLUGINS);
    home.file("plugins/first.wasm", speaking("first"));
    home.file("resources/resources.yml", "resources: {}\n");
    home.file(
        "wasimancer.toml",
        "settle_time = \"10ms\"\npoll_interval = \"50ms\"\n",
    );
    let elsewhere = home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for file in ["plugins/first.wasm", "resources/resources.yml"] {
        let name = elsewhere.join(file.replace('/', "-"));
        fs::hard_link(home.path().join(file), name).unwrap();
    }
    let server = Launch::of(home).start();
    let resource = "resources: {static: [{name: r, uri: 'a://r', contents: [{text: x}]}]}\n";
    fs::write(elsewhere.join("resources-resources.yml"), resource).unwrap();
    ready(&server, |now| now["serves"]["resources"] == 1).await;
    fs::write(elsewhere.join("plugins-first.wasm"), speaking("another")).unwrap();
    let deadline = std::time::Instant::now() + PATIENCE;
    while spoken(&server, "first").await != "another" {
        assert!(std::time::Instant::now() < deadline);
    }
}

#[tokio::test]
async fn operators_are_told_how_edits_are_noticed() {
    let (_server, operator, _) = start();
    let told = operator.get("/readyz").await.granted()["edits"].clone();
    let usual = json!({"noEvents": null, "foldersWithoutEvents": [], "pollInterval": "5s"});
    assert_eq!(told, usual);
}

#[tokio::test]
async fn an_edit_that_is_wrong_is_told_and_what_was_served_stays() {
    let (server, operator, folder) = start();
    for (wrong, says) in [
        ("plugins: [", "this is no valid YAML"),
        ("plugins: 7\n", "a list is wanted"),
        (
            "plugins:\n  - name: first\n    path: absent.wasm\n    functions: [{displayName: first, function: speak}]\n",
            "absent.wasm cannot be read",
        ),
        (
            "plugins:\n  - name: first\n    path: first.wasm\n    functions: [{displayName: first, function: sing}]\n",
            "does not export a function `sing`",
        ),
    ] {
        fs::write(folder.join("plugins/plugins.yml"), wrong).unwrap();
        let told = |now: &Value| {
            now["notLoaded"]
                .as_str()
                .is_some_and(|text| text.contains(says))
        };
        let now = ready(&server, told).await;
        assert_eq!(now["status"], "degraded");
        assert_eq!(now["serves"]["tools"], 1);
        server.logs(says).await;
        assert_eq!(spoken(&server, "first").await, "first");
        // Nothing is published on top of it.
        let refused = operator.upload("", &Sample::new("new", "1", "new")).await;
        assert_eq!(refused.status, 409, "{}", refused.text);
        assert_eq!(
            fs::read_to_string(folder.join("plugins/plugins.yml")).unwrap(),
            wrong
        );
        assert!(!folder.join("plugins/bucket/new.wasm").exists());
    }
    fs::write(folder.join("plugins/plugins.yml"), PLUGINS).unwrap();
    let now = ready(&server, |now| now["notLoaded"].is_null()).await;
    assert_eq!(now["status"], "ready");
    operator
        .upload("", &Sample::new("new", "1", "new"))
        .await
        .granted();
}

#[tokio::test]
async fn a_publication_takes_edits_with_it() {
    // A settle time that never passes: the edit is there, and nobody has looked.
    let home = Home::with_plugins("plugins:\n");
    home.file("wasimancer.toml", "settle_time = \"1h\"\n");
    home.file("plugins/first.wasm", speaking("first"));
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    fs::write(folder.join("plugins/plugins.yml"), PLUGINS).unwrap();
    let uploaded = operator.upload("", &Sample::new("new", "1", "new")).await;
    uploaded.granted();
    assert_eq!(spoken(&server, "first").await, "first");
    assert_eq!(spoken(&server, "new").await, "new");
    let text = fs::read_to_string(folder.join("plugins/plugins.yml")).unwrap();
    assert!(text.starts_with(PLUGINS), "{text}");
    // A name that the edit took is taken.
    let taken = operator.upload("", &Sample::new("first", "1", "x")).await;
    taken.declined(400, "name_taken");
}

#[tokio::test]
async fn what_the_server_writes_itself_stirs_nothing() {
    let (server, operator, _) = start();
    let sample = Sample::new("new", "1", "new");
    operator.upload("", &sample).await.granted();
    let revision = operator.revision().await;
    until("the settle time has passed several times over", || {
        server.stderr().matches("a change was made").count() == 1
    })
    .await;
    for version in 2..12 {
        let version = version.to_string();
        operator
            .update("", &Sample::new("new", &version, &version))
            .await
            .granted();
    }
    assert_ne!(operator.revision().await, revision);
    assert!(
        !server.stderr().contains("files were changed"),
        "{}",
        server.stderr()
    );
    let health = operator.stranger(reqwest::Method::GET, "/healthz");
    assert_eq!(answer(health).await.status, 200);
}
