//! The disk refuses, or somebody else writes: a clear error, and nothing is half done.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{Home, Launch, MODERN, Operator, Sample, files, until};

#[tokio::test]
async fn a_definition_file_that_cannot_be_replaced_leaves_everything_as_it_was() {
    // A folder in the file's place cannot be read as a file, by root neither.
    let home = Home::with_plugins("plugins: []\n");
    let folder = home.path().to_owned();
    home.file("wasimancer.toml", "settle_time = \"1h\"\n");
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    operator
        .upload("", &Sample::new("p", "1", "one"))
        .await
        .granted();
    let file = folder.join("plugins/plugins.yml");
    let text = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let before = files(&folder);
    let refused = operator.update("", &Sample::new("p", "2", "two")).await;
    let message = refused.declined(500, "definition_file_unreadable");
    assert!(message.contains("plugins.yml"), "{message}");
    let refused = operator.upload("", &Sample::new("q", "1", "q")).await;
    refused.declined(500, "definition_file_unreadable");
    assert_eq!(files(&folder), before);
    let spoken = server.client(MODERN).call("p", "{}").await;
    assert_eq!(spoken.output(), "one");
    fs::remove_dir(&file).unwrap();
    fs::write(&file, text).unwrap();
    operator
        .update("", &Sample::new("p", "2", "two"))
        .await
        .granted();
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_half_done() {
    // No file of the process may grow beyond 64 KiB: writing fails as on a full disk.
    let home = Home::with_plugins("plugins: []\n");
    let folder = home.path().to_owned();
    let server = Launch::of(home).with_file_limit_kib(64).start();
    let operator = Operator::of(&server);
    operator
        .upload("", &Sample::new("p", "1", "one"))
        .await
        .granted();
    let before = (
        files(&folder),
        fs::read(folder.join("plugins/plugins.yml")).unwrap(),
    );
    let mut large = Sample::new("p", "2", "two");
    // A custom section makes the module as large as one likes.
    large
        .module
        .extend_from_slice(&[0, 0x80 + 0x06, 0x80, 0x08, 1, b'x']);
    large.module.resize(large.module.len() + 0x20004, 0);
    let refused = operator.update("", &large).await;
    let message = refused.declined(500, "storage_failed");
    assert!(message.contains("make room on the disk"), "{message}");
    let text = "x".repeat(80 * 1024);
    let refused = operator
        .update(
            "",
            &Sample::new("p", "2", "two").with("/description", json!(text)),
        )
        .await;
    refused.declined(500, "storage_failed");
    let resource = json!({"name": "r", "uri": "info://r", "contents": [{"text": text}]});
    operator
        .post("/add-resource", resource)
        .await
        .declined(500, "storage_failed");
    until("temporary files are gone", || files(&folder) == before.0).await;
    assert_eq!(
        fs::read(folder.join("plugins/plugins.yml")).unwrap(),
        before.1
    );
    let spoken = server.client(MODERN).call("p", "{}").await;
    assert_eq!(spoken.output(), "one");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_told() {
    // A file in the folder's place can be no folder, for root neither.
    let home = Home::with_plugins("plugins: []\n");
    home.file("plugins/bucket", "in the way");
    let folder = home.path().to_owned();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    let before = files(&folder);
    let refused = operator.upload("", &Sample::new("p", "1", "one")).await;
    let message = refused.declined(500, "storage_failed");
    assert!(message.contains("plugins/bucket"), "{message}");
    assert_eq!(files(&folder), before);
}

#[tokio::test]
async fn the_definition_file_keeps_its_permissions_and_its_link() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    home.file("elsewhere/tools.yml", "plugins: []\n");
    home.file("wasimancer.toml", "follow_links = true\n");
    let folder = home.path().to_owned();
    let target = folder.join("elsewhere/tools.yml");
    fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.join("plugins/plugins.yml");
    std::os::unix::fs::symlink("../elsewhere/tools.yml", &link).unwrap();
    let server = Launch::of(home).start();
    let operator = Operator::of(&server);
    operator
        .upload("", &Sample::new("p", "1", "one"))
        .await
        .granted();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&target).unwrap().contains("name: p"));
    let mode = fs::metadata(&target).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
}

/// The folders below one.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let inner = entries.map(|entry| entry.unwrap().path());
    let inner = inner.filter(|path| path.is_dir());
    inner
        .flat_map(|path| {
            let below = folders(&path);
            below.into_iter().chain([path])
        })
        .collect()
}

#[tokio::test]
async fn a_refused_request_leaves_no_folder() {
    let home = Home::with_plugins("plugins: []\n");
    let folder = home.path().to_owned();
    let server = Launch::of(home).with_file_limit_kib(64).start();
    let operator = Operator::of(&server);
    let before = folders(&folder);
    let wrong = Sample::new("p", "1", "one").with("/functions/0/function", json!("none"));
    let large = Sample::new("p", "1", "one").with("/description", json!("x".repeat(80 * 1024)));
    let refusals = [
        (&wrong, "", 500, "invalid_module"),
        (&wrong, "?dir=x/y/z", 500, "invalid_module"),
        // Everything is prepared by then, but for the definition file.
        (&large, "", 500, "storage_failed"),
        (&large, "?dir=x/y/z", 500, "storage_failed"),
    ];
    for (sample, query, status, code) in refusals {
        operator.upload(query, sample).await.declined(status, code);
        until("the folders are gone", || folders(&folder) == before).await;
    }
    let deep = format!("?dir={}", vec!["d"; 2500].join("/"));
    let told = operator.upload(&deep, &Sample::new("p", "1", "one")).await;
    let told = told.declined(400, "invalid_file_name");
    assert!(
        told.contains("`dir`") && told.contains("32 folders"),
        "{told}"
    );
    assert_eq!(folders(&folder), before);
    // Those that were there stay.
    fs::create_dir_all(folder.join("plugins/bucket/x")).unwrap();
    let before = folders(&folder);
    let told = operator.upload("?dir=x/y", &large).await;
    told.declined(500, "storage_failed");
    until("the folders are gone", || folders(&folder) == before).await;
}

#[tokio::test]
async fn leftovers_of_a_killed_process_are_swept() {
    let home = Home::new();
    let folder = home.path().to_owned();
    {
        let server = Launch::again(&folder).start();
        let operator = Operator::of(&server);
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
    let whole = files(&folder);
    let bucket = folder.join("plugins/bucket");
    // A module whose publication was never committed, and temporary files.
    let orphan = "0".repeat(64);
    for leftover in [
        format!("plugins/bucket/.versions/modules/{orphan}.wasm"),
        "plugins/bucket/.wasimancer-1a2b3c".to_owned(),
        "plugins/bucket/.versions/modules/.wasimancer-1a2b3c".to_owned(),
        "plugins/.wasimancer-1a2b3c".to_owned(),
        "resources/.wasimancer-1a2b3c".to_owned(),
    ] {
        fs::write(folder.join(leftover), "left over").unwrap();
    }
    // A removal that was committed, and not finished: it is marked before its commit.
    let text = fs::read_to_string(folder.join("plugins/plugins.yml")).unwrap();
    let (p_entry, _) = text.split_once("  - name: q").unwrap();
    fs::write(folder.join("plugins/plugins.yml"), p_entry).unwrap();
    let histories = bucket.join(".versions/plugins");
    for file in files(&histories) {
        let history = fs::read_to_string(histories.join(&file)).unwrap();
        if history.contains(r#""plugin":"q""#) {
            let marked = history.replace(r#""removing":false"#, r#""removing":true"#);
            assert_ne!(marked, history);
            fs::write(histories.join(file), marked).unwrap();
        }
    }
    // What somebody put into the bucket by hand.
    fs::write(bucket.join("by-hand.wasm"), "somebody's").unwrap();
    // An update that was committed, and whose file is still that of the version before.
    fs::write(bucket.join("p.wasm"), Sample::new("p", "1", "one").module).unwrap();

    let server = Launch::again(&folder).start();
    let expected = whole
        .iter()
        .filter(|file| !file.ends_with("/q.wasm"))
        .filter(|file| !file.contains(".versions"))
        .cloned()
        .chain(["plugins/bucket/by-hand.wasm".to_owned()])
        .collect();
    let found: std::collections::BTreeSet<String> = files(&folder)
        .into_iter()
        .filter(|file| !file.contains(".versions"))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(
        files(&bucket.join(".versions/modules")).len(),
        2,
        "the two versions of p"
    );
    assert_eq!(files(&bucket.join(".versions/plugins")).len(), 1);
    assert_eq!(
        fs::read(bucket.join("p.wasm")).unwrap(),
        Sample::new("p", "2", "two").module
    );
    let spoken = server.client(MODERN).call("p", "{}").await;
    assert_eq!(spoken.output(), "two");
}

#[tokio::test]
async fn a_pinned_module_that_was_replaced_by_hand_is_served_as_it_was_published() {
    let home = Home::new();
    let folder = home.path().to_owned();
    {
        let server = Launch::again(&folder).start();
        let operator = Operator::of(&server);
        operator
            .upload("", &Sample::new("p", "1", "published"))
            .await
            .granted();
    }
    let file = folder.join("plugins/bucket/p.wasm");
    fs::write(&file, Sample::new("p", "1", "by hand").module).unwrap();
    let server = Launch::again(&folder).start();
    let spoken = server.client(MODERN).call("p", "{}").await;
    assert_eq!(spoken.output(), "published");
    server
        .logs("the file differs from the module that was published")
        .await;
    assert_eq!(
        fs::read(&file).unwrap(),
        Sample::new("p", "1", "by hand").module
    );
    drop(server);

    // Without what was kept, nothing has the digest any more.
    fs::remove_dir_all(folder.join("plugins/bucket/.versions")).unwrap();
    let server = Launch::again(&folder).start();
    let ready = server.client(MODERN).ready().await.json;
    let problem = ready["quarantined"][0]["problems"][0].as_str().unwrap();
    assert!(problem.contains("remove `digest`"), "{problem}");
}
