//! Publications beside what people do to the files: by hand, by mistake, by another server.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    Answer, Home, Launch, MODERN, Operator, PATIENCE, Sample, Server, answer, files, guest_module,
    speaking,
};

/// A server on a home that outlives it, and that looks at edits when it is asked to.
fn start(home: &Home) -> (Server, Operator) {
    let server = Launch::again(home.path()).start();
    let operator = Operator::of(&server);
    (server, operator)
}

fn unhurried() -> Home {
    let home = Home::new();
    home.file("wasimancer.toml", "settle_time = \"1h\"\n");
    home
}

fn quick() -> Home {
    let home = Home::new();
    home.file("wasimancer.toml", "settle_time = \"50ms\"\n");
    home
}

async fn spoken(server: &Server, tool: &str) -> String {
    let answer = server.client(MODERN).call(tool, "{}").await;
    answer.output().to_owned()
}

async fn roll_back(operator: &Operator, name: &str) -> Answer {
    operator
        .post(&format!("/rollback-plugin/{name}"), json!({}))
        .await
}

/// Polls until `/readyz` is as it should be.
async fn ready(server: &Server, holds: impl Fn(&Value) -> bool) {
    let client = server.client(MODERN);
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let now = client.ready().await.json;
        if holds(&now) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{now}");
    }
}

fn entry(name: &str, path: &str) -> String {
    format!(
        "  - name: {name}\n    path: {path}\n    functions: [{{displayName: {name}, function: speak}}]\n"
    )
}

#[tokio::test]
async fn a_start_without_its_definition_file_forgets_nothing() {
    let home = Home::new();
    {
        let (_server, operator) = start(&home);
        operator
            .upload("", &Sample::new("p", "1", "one"))
            .await
            .granted();
        operator
            .upload("", &Sample::new("q", "1", "q"))
            .await
            .granted();
        operator
            .update("", &Sample::new("p", "2", "two"))
            .await
            .granted();
    }
    let before = files(home.path());
    let file = home.path().join("plugins/plugins.yml");
    let text = fs::read_to_string(&file).unwrap();
    let without_p = format!("plugins:\n{}", &text[text.find("  - name: q").unwrap()..]);
    for wrong in [
        None,
        Some(String::new()),
        Some("plugins: []\n".to_owned()),
        Some(without_p),
    ] {
        match &wrong {
            None => fs::remove_file(&file).unwrap(),
            Some(wrong) => fs::write(&file, wrong).unwrap(),
        }
        drop(start(&home));
        fs::write(&file, &text).unwrap();
        assert_eq!(files(home.path()), before, "after {wrong:?}");
    }
    let (server, operator) = start(&home);
    assert_eq!(spoken(&server, "p").await, "two");
    roll_back(&operator, "p").await.granted();
    assert_eq!(spoken(&server, "p").await, "one");
}

#[tokio::test]
async fn a_file_that_two_plugins_name_is_changed_for_neither() {
    let home = unhurried();
    home.file("plugins/bucket/x.wasm", speaking("shared"));
    let both = [entry("a", "./bucket/x.wasm"), entry("b", "bucket/x.wasm")];
    home.file(
        "plugins/plugins.yml",
        format!("plugins:\n{}", both.concat()),
    );
    {
        let (server, operator) = start(&home);
        let update = Sample::new("b", "2", "b alone").in_file("x.wasm");
        let updated = operator.update("", &update).await;
        assert_ne!(updated.granted()["filePath"], "./bucket/x.wasm");
        assert_eq!(spoken(&server, "a").await, "shared");
        operator.delete("/remove-plugin/b").await.granted();
        assert!(home.path().join("plugins/bucket/x.wasm").exists());
    }
    let (server, operator) = start(&home);
    assert_eq!(spoken(&server, "a").await, "shared");

    // Plugins with one module and one file name each have a file of their own.
    for name in ["c", "d", "e", "f", "g"] {
        let same = Sample::new(name, "1", "the same").in_file("same.wasm");
        operator.upload("", &same).await.granted();
    }
    for name in ["g", "f", "c", "d"] {
        operator
            .delete(&format!("/remove-plugin/{name}"))
            .await
            .granted();
    }
    let shown = operator.get("/plugins/e").await;
    let path = shown.granted()["definition"]["path"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(home.path().join("plugins").join(path).exists());
}

#[tokio::test]
async fn a_file_that_somebody_is_about_to_write_is_waited_for() {
    let home = quick();
    let (server, operator) = start(&home);
    operator
        .upload("", &Sample::new("p", "1", "one"))
        .await
        .granted();
    let file = home.path().join("plugins/plugins.yml");
    let text = fs::read_to_string(&file).unwrap();
    for gone in [false, true] {
        if gone {
            fs::remove_file(&file).unwrap();
        } else {
            fs::write(&file, "\n").unwrap();
        }
        let refused = operator.upload("", &Sample::new("q", "1", "q")).await;
        let message = refused.declined(409, "definition_file_invalid");
        assert!(
            message.contains("plugins.yml is empty or gone"),
            "{message}"
        );
        ready(&server, |now| now["notLoaded"].is_string()).await;
        assert_eq!(spoken(&server, "p").await, "one");
        fs::write(&file, &text).unwrap();
        ready(&server, |now| now["notLoaded"].is_null()).await;
    }
    fs::write(&file, "plugins: []\n").unwrap();
    ready(&server, |now| now["serves"]["plugins"] == 0).await;
}

#[tokio::test]
async fn a_rollback_leads_to_what_was_served_before_an_edit_by_hand() {
    let home = unhurried();
    let (server, operator) = start(&home);
    operator
        .upload("", &Sample::new("p", "1", "one"))
        .await
        .granted();
    for (version, text) in [("2", "two"), ("3", "three")] {
        operator
            .update("", &Sample::new("p", version, text))
            .await
            .granted();
    }
    roll_back(&operator, "p").await.granted();
    let file = home.path().join("plugins/plugins.yml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("a sample", "edited by hand")).unwrap();
    roll_back(&operator, "p").await.granted();
    assert_eq!(
        spoken(&server, "p").await,
        "two",
        "and not three, which was rolled back"
    );
    let shown = operator.get("/plugins/p").await;
    assert_eq!(shown.granted()["definition"]["description"], "a sample");
}

#[tokio::test]
async fn a_quarantined_plugin_is_rolled_back_and_its_versions_go_with_it() {
    let home = Home::new();
    {
        let (_server, operator) = start(&home);
        operator
            .upload("", &Sample::new("p", "1", "one"))
            .await
            .granted();
        operator
            .update("", &Sample::new("p", "2", "two"))
            .await
            .granted();
    }
    // The module of the second version is lost.
    let modules = home.path().join("plugins/bucket/.versions/modules");
    let lost = Sample::new("p", "2", "two").module;
    for file in files(&modules) {
        if fs::read(modules.join(&file)).unwrap() == lost {
            fs::remove_file(modules.join(file)).unwrap();
        }
    }
    fs::remove_file(home.path().join("plugins/bucket/p.wasm")).unwrap();
    let (server, operator) = start(&home);
    let shown = operator.get("/plugins/p").await;
    assert_eq!(shown.granted()["state"], "quarantined");
    roll_back(&operator, "p").await.granted();
    assert_eq!(spoken(&server, "p").await, "one");

    // One that is quarantined takes its files with it, too.
    operator
        .update("", &Sample::new("p", "3", "three"))
        .await
        .granted();
    drop(server);
    let file = home.path().join("plugins/plugins.yml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("function: speak", "function: sing")).unwrap();
    let (_server, operator) = start(&home);
    assert_eq!(
        operator.get("/plugins/p").await.granted()["state"],
        "quarantined"
    );
    operator.delete("/remove-plugin/p").await.granted();
    let left = files(&home.path().join("plugins"));
    assert_eq!(
        left.into_iter().collect::<Vec<_>>(),
        ["guest.wasm", "plugins.yml"]
    );
}

#[tokio::test]
async fn entries_that_are_wrong_already_stand_against_no_change() {
    let home = unhurried();
    home.file("plugins/a.wasm", speaking("a"));
    let nameless = "  - nane: typo\n    path: absent.wasm\n";
    let broken = entry("broken", "absent.wasm");
    home.file(
        "plugins/plugins.yml",
        format!("plugins:\n{}{nameless}{broken}", entry("a", "a.wasm")),
    );
    let (server, operator) = start(&home);
    let longer = Sample::new("a", "2", "longer").with("/title", json!("more\nlines\nthan before"));
    operator.update("", &longer).await.granted();
    assert_eq!(spoken(&server, "a").await, "longer");
    operator.delete("/remove-plugin/a").await.granted();

    // What was broken by hand can be mended through the API, or removed.
    operator
        .update("", &Sample::new("broken", "1", "mended"))
        .await
        .granted();
    let file = home.path().join("plugins/plugins.yml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("function: speak", "function: sing")).unwrap();
    let other = operator
        .upload("", &Sample::new("other", "1", "other"))
        .await;
    other.declined(409, "definition_file_invalid");
    operator
        .update("", &Sample::new("broken", "2", "mended again"))
        .await
        .granted();
    assert_eq!(spoken(&server, "broken").await, "mended again");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("function: speak", "function: sing")).unwrap();
    operator.delete("/remove-plugin/broken").await.granted();
}

#[tokio::test]
async fn damaged_versions_stop_nothing() {
    let home = Home::new();
    {
        let (_server, operator) = start(&home);
        operator
            .upload("", &Sample::new("p", "1", "one"))
            .await
            .granted();
        operator
            .upload("", &Sample::new("q", "1", "q"))
            .await
            .granted();
    }
    let folder = home.path().join("plugins/bucket/.versions/plugins");
    for file in files(&folder) {
        let mode = fs::metadata(folder.join(&file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "a definition may hold secrets");
        fs::write(folder.join(file), "{").unwrap();
    }
    let (server, operator) = start(&home);
    operator
        .update("", &Sample::new("p", "2", "two"))
        .await
        .granted();
    assert_eq!(spoken(&server, "p").await, "two");
    roll_back(&operator, "p").await.granted();
    assert_eq!(spoken(&server, "p").await, "one");
    operator.delete("/remove-plugin/p").await.granted();
    operator.get("/plugins/q").await.granted();
}

#[tokio::test]
async fn places_that_cannot_be_are_refused() {
    let home = Home::new();
    home.file("plugins/bucket/file", "no folder");
    fs::create_dir(home.path().join("outside")).unwrap();
    symlink("../../outside", home.path().join("plugins/bucket/link")).unwrap();
    let (_server, operator) = start(&home);
    let before = files(home.path());
    let long = "x".repeat(300);
    let sample = || Sample::new("p", "1", "one");
    let named = sample().in_file(&format!("{long}.wasm"));
    operator
        .upload("", &named)
        .await
        .declined(400, "invalid_file_name");
    for (dir, status, code) in [
        (&*long, 400, "outside_folder"),
        ("link", 400, "outside_folder"),
        ("link/deeper", 400, "outside_folder"),
        ("file", 500, "storage_failed"),
    ] {
        let refused = operator.upload(&format!("?dir={dir}"), &sample()).await;
        refused.declined(status, code);
        let left = files(home.path());
        let expected: Vec<_> = before.iter().collect();
        let definitions = "plugins/plugins.yml".to_owned();
        assert_eq!(
            left.iter()
                .filter(|file| **file != definitions)
                .collect::<Vec<_>>(),
            expected,
            "{dir}"
        );
        assert!(!home.path().join("outside/deeper").exists());
    }
    operator.upload("", &sample()).await.granted();
}

#[tokio::test]
async fn a_module_that_was_changed_by_hand_is_not_overwritten() {
    let home = unhurried();
    home.file("plugins/bucket/p.wasm", speaking("first"));
    home.file(
        "plugins/plugins.yml",
        format!("plugins:\n{}", entry("p", "./bucket/p.wasm")),
    );
    let (server, operator) = start(&home);
    // Seen by nobody yet, and no module at all.
    fs::write(home.path().join("plugins/bucket/p.wasm"), "by hand").unwrap();
    let updated = operator.update("", &Sample::new("p", "2", "second")).await;
    let updated = updated.granted();
    assert_ne!(updated["filePath"], "./bucket/p.wasm");
    let warning = updated["warnings"][0].as_str().unwrap();
    assert!(warning.contains("not kept"), "{warning}");
    assert_eq!(
        fs::read(home.path().join("plugins/bucket/p.wasm")).unwrap(),
        b"by hand"
    );
    assert_eq!(spoken(&server, "p").await, "second");
}

#[tokio::test]
async fn what_is_published_again_is_repaired() {
    let home = Home::new();
    let sample = Sample::new("p", "1", "one");
    {
        let (_server, operator) = start(&home);
        operator.upload("", &sample).await.granted();
        fs::remove_dir_all(home.path().join("plugins/bucket")).unwrap();
        operator.update("", &sample).await.granted();
    }
    let (server, _operator) = start(&home);
    assert_eq!(spoken(&server, "p").await, "one");
}

#[tokio::test]
async fn a_revision_that_an_edit_has_passed_is_refused() {
    let home = unhurried();
    let (_server, operator) = start(&home);
    operator
        .upload("", &Sample::new("p", "1", "one"))
        .await
        .granted();
    let revision = operator.revision().await;
    let file = home.path().join("plugins/plugins.yml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("a sample", "edited by hand")).unwrap();
    let request = operator.request(Method::PUT, "/update-plugin");
    let request = request.header("if-match", revision);
    let refused = answer(request.multipart(Sample::new("p", "2", "two").form())).await;
    refused.declined(412, "revision_changed");
    assert!(
        fs::read_to_string(&file)
            .unwrap()
            .contains("edited by hand")
    );
}

#[tokio::test]
async fn one_server_at_a_time_publishes_to_a_home() {
    let home = Home::new();
    let (first, operator) = start(&home);
    operator
        .upload("", &Sample::new("p", "1", "one"))
        .await
        .granted();
    let (second, other) = start(&home);
    second.logs("another server publishes plugins").await;
    assert_eq!(spoken(&second, "p").await, "one");
    let refused = other.update("", &Sample::new("p", "2", "two")).await;
    assert!(refused.declined(409, "another_server").contains("plugins"));
    drop(first);
    other
        .update("", &Sample::new("p", "2", "two"))
        .await
        .granted();
    assert_eq!(spoken(&second, "p").await, "two");
}

#[tokio::test]
async fn the_same_definition_again_is_left_as_it_is_written() {
    let home = Home::new();
    let text = "resources:\n  static:\n    - name: r # mine\n      uri: 'info://r'\n      contents:\n        - {text: x}\n";
    home.file("resources/resources.yml", text);
    let (_server, operator) = start(&home);
    let same = json!({"name": "r", "uri": "info://r", "contents": [{"text": "x"}]});
    let updated = operator.put("/update-resource/r", same).await;
    assert_eq!(updated.granted()["unchanged"], true);
    assert_eq!(updated.granted()["newType"], "static");
    assert_eq!(
        fs::read_to_string(home.path().join("resources/resources.yml")).unwrap(),
        text
    );
}

#[tokio::test]
async fn folders_that_come_again_and_links_that_move_are_followed() {
    let home = quick();
    let folder = |name: &str| -> PathBuf { home.path().join(name) };
    for (version, text) in [("v1", "one"), ("v2", "two")] {
        home.file(&format!("{version}/resources.yml"), format!("resources:\n  static:\n    - {{name: r, uri: 'info://r', contents: [{{text: {text}}}]}}\n"));
    }
    fs::remove_dir(folder("resources")).unwrap();
    symlink("v1", folder("resources")).unwrap();
    home.file(
        "plugins/plugins.yml",
        format!("plugins:\n{}", entry("deep", "d/e/deep.wasm")),
    );
    let (server, _operator) = start(&home);
    let client = server.client(MODERN);
    let reads = async |text: &str| {
        let deadline = std::time::Instant::now() + PATIENCE;
        loop {
            let answer = client
                .ask("resources/read", json!({"uri": "info://r"}))
                .await;
            if answer.json["result"]["contents"][0]["text"] == text {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{}", answer.text);
        }
    };
    reads("one").await;
    symlink("v2", folder("next")).unwrap();
    fs::rename(folder("next"), folder("resources")).unwrap();
    reads("two").await;

    // The folders of a module come one after the other.
    ready(&server, |now| now["quarantined"][0]["name"] == "deep").await;
    fs::create_dir(folder("plugins/d")).unwrap();
    ready(&server, |_| true).await;
    fs::create_dir(folder("plugins/d/e")).unwrap();
    fs::write(folder("plugins/d/e/deep.wasm"), speaking("deep")).unwrap();
    ready(&server, |now| now["serves"]["tools"] == 1).await;

    // A folder goes, and another one comes in its place.
    fs::rename(folder("plugins"), folder("away")).unwrap();
    ready(&server, |now| now["notLoaded"].is_string()).await;
    fs::create_dir(folder("plugins")).unwrap();
    fs::write(folder("plugins/guest.wasm"), guest_module()).unwrap();
    let other = "plugins:\n  - {name: g, path: guest.wasm, functions: [{displayName: echo, function: echo}, {displayName: two, function: echo}]}\n";
    fs::write(folder("plugins/plugins.yml"), other).unwrap();
    ready(&server, |now| now["serves"]["tools"] == 2).await;
}
