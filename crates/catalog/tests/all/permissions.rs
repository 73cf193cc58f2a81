//! `permissions`: what a plugin may reach; without them, nothing.

use std::net::TcpListener;

use wasimancer_runtime::Error;

use crate::support::{TestHome, raw};

fn permitted(permissions: &str) -> TestHome {
    TestHome::with_plugins(&format!(
        "plugins:\n- name: p\n  path: fetch.wasm\n  functions: [{{function: fetch, arguments: [{{name: url, type: string}}]}}]\n  permissions:\n    {permissions}\n"
    ))
    .example("fetch", "fetch.wasm")
}

#[tokio::test]
async fn a_host_is_reached_where_it_is_named_and_nowhere_else() {
    // Nobody accepts here: being refused and finding nobody are different errors.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for (permissions, named) in [
        ("network: []".to_owned(), false),
        ("network:".to_owned(), false),
        ("{}".to_owned(), false),
        (
            "network: [example.com, '*.example.org', '*', '10.0.0.0/8']".to_owned(),
            false,
        ),
        (format!("network: ['127.0.0.1:{}']", port ^ 1), false),
        (format!("network: [example.com, '127.0.0.1:{port}']"), true),
        ("network: [127.0.0.0/8]".to_owned(), true),
    ] {
        let snapshot = permitted(&permissions).open_whole();
        let tool = snapshot.tool("fetch").unwrap();
        let input = tool
            .input(
                0,
                Some(&raw(&format!("{{\"url\":\"http://127.0.0.1:{port}/\"}}"))),
            )
            .await
            .unwrap();
        let error = tool.call(&input).await.unwrap_err();
        assert_eq!(
            matches!(error, Error::DeniedHost { .. }),
            !named,
            "{permissions}: {error}"
        );
    }
}

#[test]
fn what_is_no_host_is_a_problem() {
    for wrong in [
        "https://example.com",
        "example.com/path",
        "ex ample.com",
        "a.*.com",
        "''",
        "'*.'",
        "example.com:70000",
    ] {
        let problems = permitted(&format!("network: [example.com, {wrong}]")).problems();
        let expected = format!(
            "plugins.yml:6: plugin \"p\": permissions.network: `{}` names no host: write ",
            wrong.trim_matches('\'')
        );
        assert!(
            matches!(problems.as_slice(), [one] if one.starts_with(&expected)),
            "{problems:?}"
        );
    }
}

#[test]
fn what_is_no_permission_is_a_problem() {
    let at = "plugins.yml:6: plugin \"p\": permissions.";
    for (written, message) in [
        ("files: [a]", "files: is no permission: write network"),
        (
            "network: example.com",
            "network: must be a list and is \"example.com\"",
        ),
        (
            "network: [5]",
            "network: must be a text and is the number 5: put it in quotes",
        ),
        (
            "network: [[example.com]]",
            "network: must be a text and is a list",
        ),
    ] {
        assert_eq!(permitted(written).problems(), [format!("{at}{message}")]);
    }
    assert_eq!(
        permitted("[network]").problems(),
        ["plugins.yml:5: plugin \"p\": permissions: must be a map and is a list"]
    );
}
