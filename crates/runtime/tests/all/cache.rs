//! Compiled modules on disk.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use wasimancer_runtime::{Digest, EngineOptions, Error, Limits, PluginSpec, Preinit, Runtime};

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

/// The files of what no home names.
fn files(folder: &Path) -> Vec<PathBuf> {
    entries(&folder.join("apart"))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// What tells whether files were written anew: a number alone may be given to the next one.
fn stamps(files: &[PathBuf]) -> Vec<(u64, i64, i64)> {
    let stamp = |file: &PathBuf| {
        let metadata = fs::metadata(file).unwrap();
        (metadata.ino(), metadata.mtime(), metadata.mtime_nsec())
    };
    files.iter().map(stamp).collect()
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
    // Whatever is compiled is written, so nothing was compiled again.
    let written = stamps(&both);
    assert_eq!(run(&folder, &one).await, "one");
    assert_eq!(run(&folder, &two).await, "two");
    assert_eq!(files(&folder), both);
    assert_eq!(stamps(&both), written, "nothing is written twice");
}

/// A file is taken under the name alone under which it was written.
#[tokio::test]
async fn a_file_in_the_place_of_another_is_made_anew() {
    capture_log();
    let (_parent, folder) = folder();
    let (one, two) = (answering("one"), answering("two"));
    assert_eq!(run(&folder, &one).await, "one");
    let first = files(&folder).remove(0);
    assert_eq!(run(&folder, &two).await, "two");
    let both = files(&folder);
    let second = both.iter().find(|file| **file != first).unwrap();
    fs::remove_file(second).unwrap();
    fs::copy(&first, second).unwrap();
    assert_eq!(run(&folder, &two).await, "two");
    assert_eq!(run(&folder, &one).await, "one");
}

#[tokio::test]
async fn the_key_is_private_and_made_once() {
    capture_log();
    let (_parent, folder) = folder();
    let wasm = answering("one");
    assert_eq!(run(&folder, &wasm).await, "one");
    let key = folder.join("key");
    assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
    let first = fs::read(&key).unwrap();
    assert_eq!(first.len(), 32);
    let written = stamps(&files(&folder));
    assert_eq!(run(&folder, &wasm).await, "one");
    assert_eq!(fs::read(&key).unwrap(), first);
    assert_eq!(stamps(&files(&folder)), written);
    // One that others may have read, or that is no key, is worth nothing, and so is what it sealed.
    let open = Permissions::from_mode(0o640);
    fs::set_permissions(&key, open).unwrap();
    assert_eq!(run(&folder, &wasm).await, "one");
    let second = fs::read(&key).unwrap();
    assert_ne!(second, first);
    assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
    let again = stamps(&files(&folder));
    assert_ne!(again, written);
    fs::write(&key, "short").unwrap();
    assert_eq!(run(&folder, &wasm).await, "one");
    assert_ne!(stamps(&files(&folder)), again);
    fs::remove_file(&key).unwrap();
    assert_eq!(run(&folder, &wasm).await, "one");
    assert_eq!(fs::read(&key).unwrap().len(), 32);
}

/// Each home keeps what it names, and nothing else.
#[tokio::test]
async fn homes_have_folders_of_their_own() {
    let (_parent, folder) = folder();
    let of = |home: &str| {
        runtime_with(EngineOptions {
            home: Some(PathBuf::from(home)),
            ..cached(&folder)
        })
    };
    let modules = ["one", "two", "three"].map(answering);
    let digests = modules.each_ref().map(|wasm| Digest::of(wasm));
    let count = |name: &str| {
        let homes = entries(&folder);
        let homes = homes
            .iter()
            .filter(|path| path.display().to_string().contains(name));
        homes.map(|home| entries(home).len()).collect::<Vec<_>>()
    };
    let runtime = of("/first");
    for wasm in &modules {
        plugin(&runtime, "cached", wasm);
    }
    assert_eq!((count("home-"), count("apart")), (vec![0], vec![3]));
    runtime.keep_compiled_only(&HashSet::from([digests[0], digests[1]]));
    assert_eq!((count("home-"), count("apart")), (vec![2], vec![1]));
    runtime.keep_compiled(&digests[2]);
    assert_eq!((count("home-"), count("apart")), (vec![3], vec![0]));
    // Another home has its own.
    let other = of("/second");
    other.keep_compiled_only(&HashSet::from([digests[0]]));
    plugin(&other, "cached", &modules[0]);
    let mut homes = count("home-");
    homes.sort_unstable();
    assert_eq!((homes, count("apart")), (vec![1, 3], vec![0]));
    // What is not named any more goes, and what is left is taken from there.
    let runtime = of("/first");
    runtime.keep_compiled_only(&HashSet::from([digests[2]]));
    assert_eq!((count("home-"), count("apart")), (vec![1, 1], vec![0]));
    let homes: Vec<PathBuf> = entries(&folder)
        .into_iter()
        .filter(|path| path.is_dir())
        .collect();
    let all = || {
        homes
            .iter()
            .flat_map(|home| entries(home))
            .collect::<Vec<_>>()
    };
    let (before, written) = (all(), stamps(&all()));
    plugin(&runtime, "cached", &modules[2]);
    assert_eq!((all(), stamps(&all())), (before, written));
}

#[tokio::test]
async fn what_lies_apart_is_bounded_in_size_and_age() {
    let (_parent, folder) = folder();
    assert_eq!(run(&folder, &answering("one")).await, "one");
    let days = |days: u64| SystemTime::now() - Duration::from_hours(24 * days);
    let make = |name: &str, mib: u64, age: u64| {
        let file = fs::File::create(folder.join("apart").join(name)).unwrap();
        file.set_len(mib * 1024 * 1024).unwrap();
        file.set_modified(days(age)).unwrap();
    };
    make("old", 1, 31);
    make("large", 700, 3);
    make("larger", 200, 2);
    make("largest", 200, 1);
    // Each process looks when it writes for the first time.
    assert_eq!(run(&folder, &answering("two")).await, "two");
    let found = files(&folder);
    let names: Vec<_> = found.iter().map(|file| file.file_name().unwrap()).collect();
    assert!(
        names.contains(&"larger".as_ref()) && names.contains(&"largest".as_ref()),
        "{names:?}"
    );
    assert_eq!(names.len(), 4, "{names:?}");
    // What is used does not grow old.
    let compiled = found
        .iter()
        .find(|file| file.extension().is_some())
        .unwrap();
    let file = fs::File::open(compiled).unwrap();
    file.set_modified(days(20)).unwrap();
    for word in ["one", "two"] {
        assert_eq!(run(&folder, &answering(word)).await, word);
    }
    assert!(file.metadata().unwrap().modified().unwrap() > days(1));
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
    // As by a disk, or by whoever hopes that it is run.
    let mut flipped = whole.clone();
    flipped
        .iter_mut()
        .step_by(997)
        .for_each(|byte| *byte ^= 0x55);
    let mut without_seal = whole.clone();
    without_seal.truncate(whole.len() - 32);
    let longer = [&whole[..], b"more"].concat();
    let cut_short = &whole[..whole.len() - 1];
    let half = &whole[..whole.len() / 2];
    for damaged in [
        b"",
        &b"damaged"[..],
        half,
        cut_short,
        &zeros_at_the_end,
        &flipped,
        &without_seal,
        &longer,
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
    // Whatever is tried is written, so no start has been run again.
    assert_eq!(named(&all, "-preinit.cwasm").len(), 2);
    let written = stamps(&all);
    assert_eq!(run(&folder, &one).await, "one");
    assert_eq!(run(&folder, &two).await, "two");
    assert_eq!((files(&folder), stamps(&all)), (all.clone(), written));
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
