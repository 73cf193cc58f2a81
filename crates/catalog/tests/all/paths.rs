//! Where a plugin's module may lie: inside the plugins folder, and nowhere else.

use std::fs;

use crate::support::TestHome;

fn plugin_at(path: &str) -> TestHome {
    TestHome::with_plugins(&format!(
        "plugins:\n  - name: p\n    path: {path:?}\n    functions:\n      - function: echo\n"
    ))
}

#[test]
fn a_path_is_relative_to_the_plugins_folder_however_it_begins() {
    for path in [
        "echo.wasm",
        "./echo.wasm",
        "/echo.wasm",
        "//echo.wasm",
        ".//./echo.wasm",
    ] {
        assert_eq!(
            plugin_at(path).open_whole().tool_names(),
            ["echo"],
            "{path}"
        );
    }
    let wasm = fs::read(TestHome::new().path("plugins/echo.wasm")).unwrap();
    for path in [
        "bucket/deep/é ö.wasm",
        "./bucket//deep/é ö.wasm",
        "/bucket/./deep/é ö.wasm",
    ] {
        let home = plugin_at(path).write("plugins/bucket/deep/é ö.wasm", &wasm);
        assert_eq!(home.open_whole().tool_names(), ["echo"], "{path}");
    }
}

#[test]
fn a_path_that_leaves_the_folder_is_refused() {
    for path in [
        "../echo.wasm",
        "./../echo.wasm",
        "/../echo.wasm",
        "bucket/../echo.wasm",
        "a/../../echo.wasm",
        "..",
        ".",
        "/",
        "./",
    ] {
        // The file exists in either place, so only the path itself can be what is wrong.
        let home = plugin_at(path);
        fs::create_dir(home.path("plugins/bucket")).unwrap();
        fs::copy(home.path("plugins/echo.wasm"), home.path("echo.wasm")).unwrap();
        let expected = format!(
            "plugins.yml:3: plugin \"p\": path: {path:?} leaves the plugins folder: name a file inside it"
        );
        assert_eq!(home.problems(), [expected]);
    }
}

#[test]
fn a_path_that_cannot_be_read_is_a_problem_of_its_line() {
    let home = plugin_at("bucket/absent.wasm");
    let problems = home.problems();
    let expected = format!(
        "plugins.yml:3: plugin \"p\": path: {} cannot be read: ",
        home.path("plugins/bucket/absent.wasm").display()
    );
    assert!(
        matches!(problems.as_slice(), [one] if one.starts_with(&expected)),
        "{problems:?}"
    );

    let home = plugin_at("folder");
    fs::create_dir(home.path("plugins/folder")).unwrap();
    assert!(home.problems()[0].contains("cannot be read"));
}

#[test]
fn a_file_that_is_no_plugin_is_a_problem_that_says_why() {
    let component = b"\0asm\x0d\0\x01\0";
    let unknown =
        wat::parse_str("(module (import \"env\" \"sing\" (func)) (func (export \"echo\")))")
            .unwrap();
    for (bytes, why) in [
        (
            b"<html>".as_slice(),
            "path: ./x.wasm: not a valid WebAssembly module: ",
        ),
        (b"", "path: ./x.wasm: not a valid WebAssembly module: "),
        (
            component,
            "path: ./x.wasm: not a valid WebAssembly module: it is a WebAssembly component",
        ),
        (
            &unknown,
            "path: ./x.wasm: the module imports env::sing, which this server does not offer",
        ),
    ] {
        let home = plugin_at("./x.wasm").write("plugins/x.wasm", bytes);
        let problems = home.problems();
        let expected = format!("plugins.yml:3: plugin \"p\": {}", why.replace("./", ""));
        assert!(
            matches!(problems.as_slice(), [one] if one.starts_with(&expected)),
            "{problems:?}"
        );
    }
}
