//! Published modules are kept, and can be rolled back to.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Home, Launch, MODERN, Operator, Sample, Server, files, guest_module};

async fn spoken(server: &Server) -> String {
    let answer = server.client(MODERN).call("p", "{}").await;
    answer.output().to_owned()
}

/// The versions that are kept, the one that is served in brackets.
async fn versions(operator: &Operator) -> Vec<String> {
    let answer = operator.get("/plugins/p/versions").await;
    let versions = answer.granted()["versions"].as_array().unwrap().clone();
    let shown = |version: &Value| {
        let name = version["version"].as_str().unwrap();
        if version["served"] == true {
            format!("[{name}]")
        } else {
            name.to_owned()
        }
    };
    versions.iter().map(shown).collect()
}

async fn roll_back(operator: &Operator, query: &str) -> crate::support::Answer {
    operator
        .post(&format!("/rollback-plugin/p{query}"), json!({}))
        .await
}

#[tokio::test]
async fn a_rollback_serves_the_version_before() {
    let home = Home::new();
    let folder = home.path().to_owned();
    let server = Launch::again(&folder).start();
    let operator = Operator::of(&server);
    operator
        .upload("", &Sample::new("p", "1.0.0", "one"))
        .await
        .granted();
    operator
        .update("", &Sample::new("p", "2.0.0", "two"))
        .await
        .granted();
    operator
        .update("", &Sample::new("p", "3.0.0", "three"))
        .await
        .granted();
    assert_eq!(versions(&operator).await, ["1.0.0", "2.0.0", "[3.0.0]"]);
    let rolled_back = roll_back(&operator, "").await;
    let body = rolled_back.granted();
    assert_eq!(body["message"], "🎉 Plugin p rolled back successfully");
    assert_eq!(body["version"], "2.0.0");
    assert_eq!(body["filePath"], "./bucket/p.wasm");
    assert_eq!(spoken(&server).await, "two");
    assert_eq!(versions(&operator).await, ["1.0.0", "[2.0.0]", "3.0.0"]);

    // Whoever finds the fourth version bad too does not want the third one.
    operator
        .update("", &Sample::new("p", "4.0.0", "four"))
        .await
        .granted();
    roll_back(&operator, "").await.granted();
    assert_eq!(spoken(&server).await, "two");
    roll_back(&operator, "").await.granted();
    assert_eq!(spoken(&server).await, "one");
    let refused = roll_back(&operator, "").await;
    let message = refused.declined(404, "unknown_version");
    assert!(
        message.contains("no earlier version") && message.contains("4.0.0"),
        "{message}"
    );

    // To any of them, by version or digest; forwards too.
    roll_back(&operator, "?to=3.0.0").await.granted();
    assert_eq!(spoken(&server).await, "three");
    let list = operator.get("/plugins/p/versions").await;
    let digest = list.granted()["versions"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let rolled_back = roll_back(&operator, &format!("?to={digest}")).await;
    assert_eq!(rolled_back.granted()["digest"], digest);
    assert_eq!(spoken(&server).await, "one");
    roll_back(&operator, "?to=9")
        .await
        .declined(404, "unknown_version");
    // To the one that is served is no change, so that it can be tried again.
    let again = roll_back(&operator, "?to=1.0.0").await;
    assert_eq!(again.granted()["unchanged"], true);

    // All of it is there after a restart.
    drop(server);
    let again = Launch::again(&folder).start();
    assert_eq!(spoken(&again).await, "one");
    let operator = Operator::of(&again);
    assert_eq!(
        versions(&operator).await,
        ["[1.0.0]", "2.0.0", "3.0.0", "4.0.0"]
    );
    roll_back(&operator, "?to=4.0.0").await.granted();
    assert_eq!(spoken(&again).await, "four");
}

#[tokio::test]
async fn what_was_put_there_by_hand_can_be_rolled_back_to() {
    let home = Home::with_plugins(
        "plugins:\n  - name: p\n    path: guest.wasm\n    version: by hand\n    functions: [{displayName: p, function: echo}]\n",
    );
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    assert_eq!(versions(&operator).await, ["[by hand]"]);
    operator
        .update("", &Sample::new("p", "1", "one"))
        .await
        .granted();
    // The version is kept whatever becomes of the file.
    std::fs::remove_file(folder.join("plugins/guest.wasm")).unwrap();
    roll_back(&operator, "").await.granted();
    assert_eq!(spoken(&server).await, "{}");
    let kept = std::fs::read(folder.join("plugins/bucket/guest.wasm")).unwrap();
    assert_eq!(kept, guest_module());
}

#[tokio::test]
async fn as_many_versions_are_kept_as_the_operator_says() {
    let home = Home::new();
    home.file("wasimancer.toml", "versions = 3\n");
    let modules = home.path().join("plugins/bucket/.versions/modules");
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    operator
        .upload("", &Sample::new("p", "1", "1"))
        .await
        .granted();
    for version in 2..=6 {
        let version = version.to_string();
        operator
            .update("", &Sample::new("p", &version, &version))
            .await
            .granted();
    }
    assert_eq!(versions(&operator).await, ["4", "5", "[6]"]);
    assert_eq!(files(&modules).len(), 3);
    // The oldest goes, and never the one that is served.
    roll_back(&operator, "?to=4").await.granted();
    assert_eq!(versions(&operator).await, ["[4]", "5", "6"]);
    operator
        .update("", &Sample::new("p", "7", "7"))
        .await
        .granted();
    assert_eq!(
        versions(&operator).await,
        ["4", "6", "[7]"],
        "a rollback leads to 4"
    );
    assert_eq!(files(&modules).len(), 3);
}

#[tokio::test]
async fn ten_versions_are_kept_by_default_and_go_with_their_plugin() {
    let home = Home::new();
    let bucket = home.path().join("plugins/bucket");
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    operator
        .upload("", &Sample::new("p", "0", "0"))
        .await
        .granted();
    for version in 1..=11 {
        let version = version.to_string();
        operator
            .update("", &Sample::new("p", &version, &version))
            .await
            .granted();
    }
    assert_eq!(versions(&operator).await.len(), 10);
    operator.delete("/remove-plugin/p").await.granted();
    assert_eq!(files(&bucket), BTreeSet::new());
}

#[tokio::test]
async fn plugins_share_a_module_until_the_last_of_them_goes() {
    let server = Launch::of(Home::new()).start();
    let operator = Operator::of(&server);
    operator
        .upload("", &Sample::new("p", "1", "the same"))
        .await
        .granted();
    operator
        .upload("", &Sample::new("q", "1", "the same"))
        .await
        .granted();
    operator.delete("/remove-plugin/q").await.granted();
    operator
        .update("", &Sample::new("p", "2", "another"))
        .await
        .granted();
    roll_back(&operator, "").await.granted();
    assert_eq!(spoken(&server).await, "the same");
}
