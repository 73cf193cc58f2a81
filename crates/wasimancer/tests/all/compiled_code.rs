//! What is kept of compiled code: what a home names in its own folder, and what was only tried apart.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{
    Home, Launch, MODERN, Operator, Sample, Server, command, files, finish, guest_module,
};

/// The files of a cache, beside its key: those of homes, and those that lie apart.
fn kept(cache: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let all = files(cache).into_iter().filter(|file| file != "key");
    all.partition(|file| file.starts_with("home-"))
}

fn counts(cache: &Path) -> (usize, usize) {
    let (homes, apart) = kept(cache);
    (homes.len(), apart.len())
}

fn start(home: &Path, cache: &Path) -> Server {
    Launch::again(home)
        .env("WASIMANCER_CACHE_FOLDER", cache)
        .start()
}

/// A home without plugins, and a folder for compiled code beside it.
fn home() -> (Home, tempfile::TempDir) {
    let home = Home::with_plugins("plugins: []\n");
    (home, tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn a_home_keeps_the_code_of_what_it_names_and_no_other() {
    let (home, cache) = home();
    let cache = cache.path();
    let server = start(home.path(), cache);
    let operator = Operator::of(&server);
    let [one, two] = ["1", "2"].map(|version| Sample::new("p", version, version));
    operator.upload("", &one).await.granted();
    assert_eq!(counts(cache), (1, 0));
    operator.update("?dryRun=true", &two).await.granted();
    assert_eq!(counts(cache), (1, 1));
    let tried = kept(cache).1.pop_first().unwrap();
    let tried = fs::metadata(cache.join(tried)).unwrap();
    operator.update("", &two).await.granted();
    // What was tried is what is served, and was not compiled twice.
    assert_eq!(counts(cache), (2, 0));
    let homes = kept(cache).0.into_iter().map(|file| cache.join(file));
    let mut homes = homes.map(|file| fs::metadata(file).unwrap().ino());
    assert!(homes.any(|inode| inode == tried.ino()));
    // What is refused is not the home's.
    let wrong = Sample::new("q", "1", "q").with("/functions/0/function", json!("none"));
    operator
        .upload("", &wrong)
        .await
        .declined(500, "invalid_module");
    assert_eq!(counts(cache), (2, 1));
    operator.delete("/remove-plugin/p").await.granted();
    assert_eq!(counts(cache), (0, 1));
}

#[tokio::test]
async fn a_start_removes_what_the_home_does_not_name() {
    let (home, cache) = home();
    let cache = cache.path();
    let plugins =
        "plugins:\n  - name: g\n    path: ./guest.wasm\n    functions: [{function: echo}]\n";
    home.file("plugins/plugins.yml", plugins);
    let server = start(home.path(), cache);
    let (homes, apart) = kept(cache);
    assert!(!homes.is_empty() && apart.is_empty(), "{homes:?} {apart:?}");
    drop(server);
    home.file("plugins/plugins.yml", "plugins: []\n");
    drop(start(home.path(), cache));
    assert_eq!(counts(cache), (0, 0));
    // Another home has nothing to do with it.
    home.file("plugins/plugins.yml", plugins);
    drop(start(home.path(), cache));
    drop(start(self::home().0.path(), cache));
    assert_eq!(kept(cache).0, homes);
}

#[tokio::test]
async fn code_that_was_changed_is_not_run() {
    let (home, cache) = home();
    let cache = cache.path();
    {
        let server = start(home.path(), cache);
        let operator = Operator::of(&server);
        let sample = Sample::new("p", "1", "one");
        operator.upload("", &sample).await.granted();
    }
    for file in kept(cache).0 {
        let path = cache.join(file);
        let mut bytes = fs::read(&path).unwrap();
        bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
        fs::write(path, bytes).unwrap();
    }
    let server = start(home.path(), cache);
    server.logs("its seal is wrong").await;
    let spoken = server.client(MODERN).call("p", "{}").await;
    assert_eq!(spoken.output(), "one");
    assert_eq!(counts(cache), (1, 0));
}

/// Commands keep what they compile for a while, and take what they compiled before.
#[test]
fn call_and_inspect_keep_their_code_apart() {
    let (home, cache) = home();
    let file: PathBuf = home.path().join("plugins/guest.wasm");
    assert_eq!(fs::read(&file).unwrap(), guest_module());
    let run = |arguments: &[&str]| {
        let mut command = command(arguments);
        let ended = finish(command.env("WASIMANCER_CACHE_FOLDER", cache.path()));
        assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    };
    let file = file.to_str().unwrap();
    run(&["call", file, "echo"]);
    assert_eq!(counts(cache.path()), (0, 1));
    let first = kept(cache.path()).1.pop_first().unwrap();
    let path = cache.path().join(&first);
    let stamp = || {
        let metadata = fs::metadata(&path).unwrap();
        (metadata.ino(), metadata.mtime_nsec())
    };
    let written = stamp();
    run(&["inspect", file]);
    run(&["call", file, "echo"]);
    let (homes, apart) = kept(cache.path());
    assert!(homes.is_empty() && apart.contains(&first), "{apart:?}");
    assert_eq!(stamp(), written);
}
