//! What a publication leaves on the disk.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::json;
use wasimancer_catalog::{Catalog, Change, Digest, Request, Settings, Upload};

use crate::support::TestHome;

/// Publishes a module as a plugin with one tool of the same name; answers where it lies.
#[track_caller]
fn publish(catalog: &Catalog, name: &str, wasm: &[u8]) -> String {
    let mut module = catalog.incoming().unwrap();
    module.write(wasm).unwrap();
    let functions = json!([{"displayName": name, "function": "echo"}]);
    let upload = Upload {
        definition: json!({"name": name, "functions": functions}),
        module,
        file_name: "echo.wasm".to_owned(),
        folder: None,
    };
    let request = Request {
        change: Change::AddPlugin(upload),
        expected: None,
        dry_run: false,
    };
    let publication = catalog.publish(request).expect("it is published");
    publication.path.expect("it lies somewhere")
}

/// The names of the files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| entry.unwrap());
    let files = files.filter(|entry| entry.path().is_file());
    files
        .map(|file| file.file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_module_that_is_kept_already_is_not_written_again() {
    let home = TestHome::with_plugins("plugins: []\n");
    let wasm = fs::read(home.path("plugins/echo.wasm")).unwrap();
    let catalog = home.catalog();
    let uploads = home.path("plugins").join(Settings::default().upload_folder);
    let kept = format!(".versions/modules/{}.wasm", Digest::of(&wasm));
    let kept = uploads.join(kept);

    let first = publish(&catalog, "first", &wasm);
    let inode = fs::metadata(&kept).unwrap().ino();
    let second = publish(&catalog, "second", &wasm);
    assert_eq!(fs::metadata(&kept).unwrap().ino(), inode);

    // One that is damaged is.
    fs::write(&kept, "damaged").unwrap();
    let third = publish(&catalog, "third", &wasm);
    assert_eq!(fs::read(&kept).unwrap(), wasm);

    for path in [&first, &second, &third] {
        let copy = home.path("plugins").join(path);
        assert_eq!(fs::read(copy).unwrap(), wasm, "{path}");
    }
    assert_eq!(names(&uploads).len(), 3);
    assert_eq!(names(kept.parent().unwrap()).len(), 1);
    assert_eq!(names(&uploads.join(".versions/plugins")).len(), 3);
    let tools = ["first", "second", "third"];
    assert_eq!(catalog.snapshot().tool_names(), tools);
    assert_eq!(home.open_whole().tool_names(), tools);
    for name in tools {
        let (versions, served) = catalog.versions(name).unwrap();
        assert_eq!((versions.len(), served), (1, Some(1)), "{name}");
    }
}
