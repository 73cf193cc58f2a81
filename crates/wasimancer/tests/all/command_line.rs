//! The command line as a whole: help, version, what it does not know.

use crate::support::{command, finish};

#[test]
fn help_names_everything() {
    let ended = finish(&mut command(["--help"]));
    assert_eq!(ended.code, Some(0));
    for name in ["serve", "call", "inspect", "check"] {
        assert!(ended.stdout.contains(name), "{}", ended.stdout);
    }
    for (name, wanted) in [
        (
            "serve",
            vec![
                "--home",
                "--config-file",
                "--http-port",
                "HTTP_PORT",
                "3001",
                "--address",
                "WASIMANCER_ADDRESS",
                "--public-host",
                "WASIMANCER_PUBLIC_HOSTS",
                "--allow-host",
                "WASIMANCER_ALLOWED_HOSTS",
                "--cache-folder",
                "WASIMANCER_CACHE_FOLDER",
                "--log-format",
                "WASIMANCER_LOG_FORMAT",
                "--log",
                "WASIMANCER_LOG",
            ],
        ),
        (
            "call",
            vec![
                "<FILE|TOOL>",
                "[EXPORT|ARGUMENTS]",
                "--home",
                "--input",
                "--json",
                "--config",
                "--allow-host",
                "--timeout",
                "--memory",
                "--log",
            ],
        ),
        ("inspect", vec!["<FILE>"]),
        ("check", vec!["--home", "--config-file", "--strict"]),
    ] {
        let ended = finish(&mut command([name, "--help"]));
        assert_eq!(ended.code, Some(0));
        for option in wanted {
            assert!(
                ended.stdout.contains(option),
                "{name} {option}: {}",
                ended.stdout
            );
        }
    }
}

#[test]
fn the_version_is_told() {
    let ended = finish(&mut command(["--version"]));
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (
            Some(0),
            concat!("wasimancer ", env!("CARGO_PKG_VERSION"), "\n")
        )
    );
}

#[test]
fn what_is_not_known_is_refused() {
    for arguments in [
        vec![],
        vec!["serv"],
        vec!["serve", "--port", "1"],
        vec!["call"],
        vec!["inspect"],
    ] {
        let ended = finish(&mut command(&arguments));
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(
            ended.stderr.contains("Usage: wasimancer"),
            "{}",
            ended.stderr
        );
    }
    let ended = finish(&mut command(["serve", "--http-port", "70000"]));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("70000"), "{}", ended.stderr);
}
