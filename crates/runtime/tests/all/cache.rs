//! Compiled modules on disk.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wasimancer_runtime::{EngineOptions, Error, Limits, PluginSpec, Preinit, Runtime};

use crate::support::{
    call, capture_log, extism, limited, messages, options, plugin, runtime_with, spec,
};

fn cached(folder: &Path) -> EngineOptions {
    EngineOptions {
        cache_folder: Some(folder.to_owned()),
        ..options()
    }
}

/// A folder with a folder for compiled modules in it, which the runtime has to make.
fn folder() -> (TempDir, PathBuf) {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("compiled").join("modules");
    (parent, folder)
}

/// A module whose export `run` answers this word.
fn answering(word: &str) -> Vec<u8> {
    extism(&format!(
        r#"(data (i32.const 0) "{word}")
        (func (export "run") (call $output (call $block (i32.const 0) (i32.const {}))))"#,
        word.len()
    ))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// What a new runtime on this folder makes of the module.
async fn run(folder: &Path, wasm: &[u8]) -> String {
    let plugin = plugin(&runtime_with(cached(folder)), "cached", wasm);
    String::from_utf8(call(&plugin, "run", "").await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_compiled_module_is_kept_and_taken() {
    let (_parent, folder) = folder();
    let (one, two) = (answering("one"), answering("two"));
    assert_eq!(run(&folder, &one).await, "one");
    let first = files(&folder);
    assert_eq!(first.len(), 1);
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    assert_eq!(run(&folder, &two).await, "two");
    let both = files(&folder);
    assert_eq!(both.len(), 2);
    assert_eq!(run(&folder, &one).await, "one");
    assert_eq!(files(&folder), both, "nothing is written twice");
    // What lies in the second one's file is what runs, so it was not compiled again.
    let second = both.iter().find(|file| !first.contains(file)).unwrap();
    fs::remove_file(second).unwrap();
    fs::copy(&first[0], second).unwrap();
    assert_eq!(run(&folder, &two).await, "one");
}

#[tokio::test]
async fn a_file_that_is_damaged_is_made_anew() {
    capture_log();
    let (_parent, folder) = folder();
    let wasm = answering("one");
    assert_eq!(run(&folder, &wasm).await, "one");
    let file = files(&folder).remove(0);
    let whole = fs::read(&file).unwrap();
    // As after a loss of power: the end is missing, or nothing but zeros.
    let mut zeros_at_the_end = whole.clone();
    zeros_at_the_end[whole.len() - 4096..].fill(0);
    let cut_short = &whole[..whole.len() - 1];
    let half = &whole[..whole.len() / 2];
    for damaged in [
        b"",
        &b"damaged"[..],
        half,
        cut_short,
        &zeros_at_the_end,
        &[0; 10_000],
    ] {
        // A new file: the old one's pages may still be mapped.
        fs::remove_file(&file).unwrap();
        fs::write(&file, damaged).unwrap();
        assert_eq!(run(&folder, &wasm).await, "one");
        assert!(fs::read(&file).unwrap() == whole, "the file is whole again");
    }
}

/// A module whose start does this, and then keeps the word that its export `run` answers.
fn starting(body: &str, word: &str) -> Vec<u8> {
    extism(&format!(
        r#"(data $word "{word}")
        (func (export "_initialize") {body}
          (memory.init $word (i32.const 0) (i32.const 0) (i32.const {0})))
        (func (export "run") (call $output (call $block (i32.const 0) (i32.const {0}))))"#,
        word.len()
    ))
}

fn named<'f>(files: &'f [PathBuf], part: &str) -> Vec<&'f PathBuf> {
    let name = |file: &Path| file.file_name().unwrap().to_string_lossy().contains(part);
    files.iter().filter(|file| name(file)).collect()
}

#[tokio::test]
async fn a_start_that_has_run_is_not_tried_again() {
    let (_parent, folder) = folder();
    let (one, two) = (starting("", "one"), starting("", "two"));
    assert_eq!(run(&folder, &one).await, "one");
    let first = files(&folder);
    let kept = named(&first, "-preinit.cwasm");
    assert_eq!((first.len(), kept.len()), (2, 1));
    assert_eq!(run(&folder, &two).await, "two");
    let all = files(&folder);
    // What lies in the second one's file is what runs, so its start has not been run again.
    let both = named(&all, "-preinit.cwasm");
    let second = both.iter().find(|file| ***file != *kept[0]).unwrap();
    fs::remove_file(second).unwrap();
    fs::copy(kept[0], second).unwrap();
    assert_eq!(run(&folder, &two).await, "one");
    assert_eq!(files(&folder), all, "nothing is written twice");
    // It is for those alone that let it: the others run the module as it is.
    let runtime = runtime_with(cached(&folder));
    for preinit in [Preinit::Always, Preinit::Never] {
        let plugin = runtime.compile(PluginSpec {
            preinit,
            ..spec("cached", &two)
        });
        let answer = call(&plugin.unwrap(), "run", "").await.unwrap();
        assert_eq!(answer, b"two", "{preinit:?}");
    }
    // `always` keeps the module on which it tries the start, and nothing of what that leaves.
    let more = files(&folder);
    assert_eq!(named(&more, "-preinit.cwasm").len(), 2);
    assert_eq!(more.len(), all.len() + 1);
}

/// The start is tried again only where its limits are others.
#[tokio::test]
async fn a_start_that_cannot_run_in_advance_is_not_tried_again() {
    capture_log();
    let (_parent, folder) = folder();
    let wasm = starting("(drop (memory.grow (i32.const 32)))", "one");
    let compile = |name: &str, memory: u64| {
        let limits = Limits {
            memory: memory * 1024 * 1024,
            ..Limits::default()
        };
        let plugin = limited(&runtime_with(cached(&folder)), name, &wasm, limits);
        plugin.is_preinitialized()
    };
    assert!(!compile("cached-first", 1));
    let all = files(&folder);
    let notes = named(&all, ".txt");
    assert_eq!((all.len(), notes.len()), (2, 1));
    let note = fs::read_to_string(notes[0]).unwrap();
    assert_eq!(
        note,
        "its start needs more memory than the limit of 1048576 bytes"
    );
    // What lies in the file is what is told, so the start has not been tried again.
    fs::write(notes[0], "somebody says so").unwrap();
    assert!(!compile("cached-again", 1));
    let said = messages("cached-again").join(" ");
    assert!(said.contains("each call: somebody says so"), "{said}");
    assert!(compile("cached-more", 3));
    // What begins with more memory than there is for it is left alone.
    assert!(!compile("cached-less", 2));
    assert_eq!(files(&folder).len(), 3);
    assert!(compile("cached-more", 4));
}

#[tokio::test]
async fn engines_of_other_settings_do_not_share_files() {
    let (_parent, folder) = folder();
    let wasm = answering("one");
    assert_eq!(run(&folder, &wasm).await, "one");
    let other = EngineOptions {
        memory_max_bytes: 32 * 1024 * 1024,
        ..cached(&folder)
    };
    let plugin = plugin(&runtime_with(other), "other", &wasm);
    assert_eq!(call(&plugin, "run", "").await.unwrap(), b"one");
    assert_eq!(files(&folder).len(), 2);
}

#[test]
fn a_folder_that_others_can_write_to_is_refused() {
    for mode in [0o777, 0o770, 0o702, 0o1777] {
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        let error = refusal(folder.path());
        assert!(error.contains("others can write"), "{mode:o}: {error}");
        assert!(
            error.contains(&folder.path().display().to_string()),
            "{error}"
        );
    }
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    assert!(
        Runtime::new(cached(folder.path())).is_ok(),
        "others may read"
    );
}

#[test]
fn a_file_is_no_folder() {
    let file = tempfile::NamedTempFile::new().unwrap();
    refusal(file.path());
    refusal(&file.path().join("below"));
}

fn refusal(folder: &Path) -> String {
    match Runtime::new(cached(folder)) {
        Err(error @ Error::Cache { .. }) => error.to_string(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the folder was taken"),
    }
}
