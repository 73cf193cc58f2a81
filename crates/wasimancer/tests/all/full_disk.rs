//! A disk without room: what can be removed still is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::{Home, Launch, Operator, Sample, Server};

/// A server whose home is a disk of its own, of so many MiB, and where the test finds that; none where this
/// machine lets nobody mount one.
fn start_on_disk(mib: u32) -> Option<(Server, PathBuf)> {
    let may_mount = Command::new("unshare").args(["-rm", "true"]).output();
    if !may_mount.is_ok_and(|ended| ended.status.success()) {
        return None;
    }
    let home = Home::with_plugins("");
    let folder = home.path().to_owned();
    let inner = format!(
        "mount -t tmpfs -o size={mib}m none {0} && mkdir {0}/plugins {0}/resources {0}/prompts && echo 'plugins: []' >{0}/plugins/plugins.yml && exec \"$@\"",
        folder.display()
    );
    let outer = format!(
        "set -- unshare -rm -- bash -c '{}' bash \"$@\"",
        inner.replace('\'', "'\\''")
    );
    let server = Launch::of(home)
        .env("WASIMANCER_CACHE_FOLDER", "")
        .after(&outer)
        .start();
    let inside = Path::new("/proc")
        .join(server.pid().to_string())
        .join("root");
    let seen = inside.join(folder.strip_prefix("/").unwrap());
    Some((server, seen))
}

/// Takes all room that a disk has left.
fn fill(folder: &Path) {
    let mut file = fs::File::create(folder.join("filler")).unwrap();
    for bytes in [64 * 1024, 1024] {
        while std::io::Write::write_all(&mut file, &vec![b'x'; bytes]).is_ok() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_things_can_still_be_removed() {
    let Some((server, folder)) = start_on_disk(6) else {
        return;
    };
    let operator = Operator::of(&server);
    for name in ["one", "two"] {
        operator
            .upload("", &Sample::new(name, "1", name))
            .await
            .granted();
    }
    let resource = |name: &str| json!({"name": name, "uri": format!("info://{name}"), "contents": [{"text": "x"}]});
    operator
        .post("/add-resource", resource("r"))
        .await
        .granted();
    let reserve = folder.join("plugins/bucket/.versions/reserve");
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 1024 * 1024);
    fill(&folder);
    let told = operator
        .upload("", &Sample::new("three", "1", "three"))
        .await;
    let told = told.declined(500, "storage_failed").to_owned();
    assert!(told.contains("make room on the disk"), "{told}");
    let told = operator.post("/add-resource", resource("s")).await;
    told.declined(500, "storage_failed");
    assert!(reserve.exists(), "it is for removals alone");
    operator.delete("/remove-plugin/one").await.granted();
    operator.delete("/remove-resource/r").await.granted();
    let left = fs::read_to_string(folder.join("plugins/plugins.yml")).unwrap();
    assert!(
        !left.contains("name: one") && left.contains("name: two"),
        "{left}"
    );
    // With room again, it is set aside again.
    fs::remove_file(folder.join("filler")).unwrap();
    operator
        .upload("", &Sample::new("three", "1", "three"))
        .await
        .granted();
    assert_eq!(fs::metadata(&reserve).unwrap().len(), 1024 * 1024);
}
