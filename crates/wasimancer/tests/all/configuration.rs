//! A flag over a variable over the file over the default, and errors that name what is wrong.

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;

use crate::support::{
    Client, Home, Launch, MODERN, Server, command, examples_folder, files, finish,
};

/// `serve` for a home without a flag for its port.
fn serve(home: &Home) -> Launch {
    Launch::in_folder(home.path())
}

/// A port that is in use as long as the listener lives.
fn taken() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn the_port_is_the_flags_then_the_variables_then_the_files() {
    let (_listener, port) = taken();
    let free = "0".to_owned();
    let taken = port.to_string();
    let home = Home::new();
    let with_file = |text: &str| home.file("wasimancer.toml", format!("http_port = {text}\n"));
    let variables =
        |http_port: &str, port: &str| serve(&home).env("HTTP_PORT", http_port).env("PORT", port);

    with_file(&taken);
    variables(&taken, &taken).args(["--http-port", "0"]).start();
    variables(&free, &taken).start();
    variables("", &free).start();
    with_file(&free);
    serve(&home).start();

    for launch in [
        variables(&free, &free).args(["--http-port", &taken]),
        variables(&taken, &free),
        variables("", &taken),
    ] {
        let ended = launch.refused();
        assert!(
            ended
                .stderr
                .contains(&format!("port {taken} of 127.0.0.1 is taken")),
            "{}",
            ended.stderr
        );
    }
    with_file(&taken);
    let ended = serve(&home).refused();
    assert!(
        ended
            .stderr
            .contains(&format!("port {taken} of 127.0.0.1 is taken")),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("--http-port") && ended.stderr.contains("HTTP_PORT"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn a_proxy_that_is_none_is_refused_without_its_password() {
    let home = Home::new();
    for (name, value, wanted) in [
        (
            "WASIMANCER_OUTBOUND_PROXY",
            "http://u:s3cret-word@p/x",
            "outbound_proxy: ",
        ),
        (
            "WASIMANCER_OUTBOUND_PROXY",
            "proxy:3128",
            "write a URL such as http://proxy.example:3128",
        ),
        (
            "WASIMANCER_OUTBOUND_PROXY_RESOLVES",
            "true",
            "name it in outbound_proxy",
        ),
    ] {
        let ended = serve(&home).env(name, value).refused();
        assert!(ended.stderr.contains(wanted), "{wanted}: {}", ended.stderr);
        assert!(!ended.stderr.contains("s3cret-word"), "{}", ended.stderr);
    }
    let server = Launch::of(home)
        .env("WASIMANCER_OUTBOUND_PROXY", "http://u:s3cret-word@p")
        .env("WASIMANCER_OUTBOUND_PROXY_RESOLVES", "true")
        .start();
    server.logs("outbound_proxy_resolves").await;
    assert!(
        !server.stderr().contains("s3cret-word"),
        "{}",
        server.stderr()
    );
}

/// Values that cannot be used name their source.
#[tokio::test]
async fn other_settings_have_the_same_order() {
    let home = Home::new();
    home.file("wasimancer.toml", "address = \"of the file\"\npublic_hosts = [\"of the file\"]\nallowed_hosts = [\"of the file\"]\n");
    let variables = || {
        let launch = serve(&home).env("WASIMANCER_ADDRESS", "of the variable");
        launch
            .env("WASIMANCER_PUBLIC_HOSTS", "of the variable")
            .env("WASIMANCER_ALLOWED_HOSTS", "of the variable")
    };
    let flags = [
        "--address",
        "of the flag",
        "--public-host",
        "of the flag",
        "--allow-host",
        "of the flag",
    ];
    for (launch, source) in [
        (serve(&home), "of the file"),
        (variables(), "of the variable"),
        (variables().args(flags), "of the flag"),
        (
            serve(&home)
                .env("WASIMANCER_ADDRESS", "")
                .env("WASIMANCER_PUBLIC_HOSTS", "")
                .env("WASIMANCER_ALLOWED_HOSTS", ""),
            "of the file",
        ),
    ] {
        let ended = launch.refused();
        assert_eq!(
            ended.stderr.matches(source).count(),
            3,
            "{source}: {}",
            ended.stderr
        );
    }
}

/// Whether the server writes JSON to its log.
async fn writes_json(server: &Server) -> bool {
    server.logs("no definition file").await;
    let log = server.stderr();
    let line = log
        .lines()
        .find(|line| line.contains("no definition file"))
        .unwrap()
        .to_owned();
    serde_json::from_str::<serde_json::Value>(&line).is_ok_and(|line| line["level"] == "WARN")
}

#[tokio::test]
async fn logs_are_for_people_or_programs() {
    let home = Home::new();
    let launch = || serve(&home).args(["--http-port", "0"]);
    assert!(!writes_json(&launch().start()).await);
    home.file("wasimancer.toml", "log_format = \"json\"\n");
    assert!(writes_json(&launch().start()).await);
    assert!(!writes_json(&launch().env("WASIMANCER_LOG_FORMAT", "human").start()).await);
    let server = launch()
        .env("WASIMANCER_LOG_FORMAT", "human")
        .args(["--log-format", "json"])
        .start();
    assert!(writes_json(&server).await);
    assert!(
        !server.stderr().contains('\u{1b}'),
        "no colours where there is no terminal"
    );
    // What is logged is chosen alike.
    home.file("wasimancer.toml", "log = \"error\"\n");
    assert_eq!(launch().start().stderr(), "");
    assert!(!writes_json(&launch().env("WASIMANCER_LOG", "warn").start()).await);
    let ended = launch().args(["--log", "loud=very=much"]).refused();
    assert!(ended.stderr.contains("loud=very=much"), "{}", ended.stderr);
}

#[tokio::test]
async fn every_error_is_told_at_once() {
    let home = Home::new();
    home.file(
        "wasimancer.toml",
        "shutdown_grace = \"soon\"\nread_timeout = \"30\"\nkeep_alive_timeout = \"long\"\nwrite_timeout = \"never\"\nconnections = 0\nbody_limit = \"much\"\ncache_ttl = \"5 parsecs\"\ninstances = 0\nqueue_timeout = \"long\"\n\
         [limits]\ntimeout = \"0s\"\nmemory = \"-1\"\ninput = \"1.5GiB\"\noutput = \"x\"\nhttpResponse = \"y\"\nhttpRequests = 0\ncpu = \"1\"\nconcurrency = 0\n",
    );
    let ended = serve(&home)
        .env("HTTP_PORT", "many")
        .env("WASIMANCER_LOG_FORMAT", "xml")
        .env("WASIMANCER_ADDRESS", "home")
        .args(["--public-host", "a b", "--allow-host", "https://x"])
        .refused();
    for wanted in [
        "shutdown_grace: `soon`",
        "read_timeout: `30`",
        "keep_alive_timeout: `long`",
        "write_timeout: `never`",
        "queue_timeout: `long`",
        "limits.cpu: `1`",
        "limits.httpRequests: 0 is no count",
        "connections: 0",
        "body_limit: `much`",
        "cache_ttl: `5 parsecs`",
        "instances: 0",
        "limits.timeout: `0s`",
        "limits.memory: `-1`",
        "limits.input: `1.5GiB`",
        "limits.output: `x`",
        "limits.httpResponse: `y`",
        "limits.concurrency: 0",
        "HTTP_PORT: \"many\"",
        "WASIMANCER_LOG_FORMAT: \"xml\"",
        "address: \"home\"",
        "public hosts: `a b`",
        "allowed hosts: `https://x`",
    ] {
        assert!(
            ended.stderr.contains(wanted),
            "{wanted} in: {}",
            ended.stderr
        );
    }
    assert!(
        ended.stderr.contains("wrong in 22 places"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn what_is_not_known_or_not_there_is_an_error() {
    let home = Home::new();
    for (text, wanted) in [
        (
            "http_prot = 1",
            "wasimancer.toml:2: unknown field `http_prot`",
        ),
        ("[limits]\nhttp_response = \"1MiB\"", "http_response"),
        ("[server]\nport = 1", "server"),
        (
            "http_port = \"x\"",
            "wasimancer.toml:2: invalid type: string \"x\"",
        ),
        ("http_port = 70000", "70000"),
        ("http_port = ", "wasimancer.toml:2: "),
        ("log_format = \"xml\"", "xml"),
    ] {
        home.file("wasimancer.toml", format!("# a comment\n{text}\n"));
        let ended = serve(&home).refused();
        assert!(
            ended.stderr.contains(wanted) && ended.stderr.contains("wasimancer.toml"),
            "{wanted}: {}",
            ended.stderr
        );
    }
    let nowhere = home.path().join("nowhere");
    let ended = Launch::in_folder(&nowhere).refused();
    assert!(
        ended.stderr.contains("nowhere is no folder"),
        "{}",
        ended.stderr
    );
    home.file("wasimancer.toml", "");
    let ended = serve(&home)
        .args(["--config-file", nowhere.to_str().unwrap()])
        .refused();
    assert!(
        ended.stderr.contains("nowhere: cannot be read"),
        "{}",
        ended.stderr
    );
    let ended = serve(&home)
        .env("WASIMANCER_CONFIG_FILE", &nowhere)
        .refused();
    assert!(
        ended.stderr.contains("nowhere: cannot be read"),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn the_file_can_lie_elsewhere() {
    let home = Home::new();
    home.file("wasimancer.toml", "address = \"of the home\"\n");
    home.file("flag.toml", "address = \"of the flag\"\n");
    home.file("variable.toml", "address = \"of the variable\"\n");
    let variable = || serve(&home).env("WASIMANCER_CONFIG_FILE", home.path().join("variable.toml"));
    let flag = home.path().join("flag.toml");
    for (launch, wanted) in [
        (serve(&home), "of the home"),
        (variable(), "of the variable"),
        (
            variable().args(["--config-file", flag.to_str().unwrap()]),
            "of the flag",
        ),
    ] {
        let ended = launch.refused();
        assert!(ended.stderr.contains(wanted), "{wanted}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn an_empty_path_switches_a_kind_off() {
    let kinds = [
        (
            "PLUGINS_PATH",
            "plugins_path",
            "tools",
            vec![
                ("tools/list", json!({})),
                ("tools/call", json!({"name": "echo"})),
            ],
        ),
        (
            "RESOURCES_PATH",
            "resources_path",
            "resources",
            vec![
                ("resources/list", json!({})),
                ("resources/templates/list", json!({})),
                ("resources/read", json!({"uri": "test://plain"})),
            ],
        ),
        (
            "PROMPTS_PATH",
            "prompts_path",
            "prompts",
            vec![
                ("prompts/list", json!({})),
                ("prompts/get", json!({"name": "fixed"})),
            ],
        ),
    ];
    for (variable, key, capability, methods) in kinds {
        let by_file = Home::guest();
        by_file.file("wasimancer.toml", format!("{key} = \"\"\n"));
        for server in [
            Launch::of(Home::guest()).env(variable, "").start(),
            Launch::of(by_file).start(),
        ] {
            let client = server.client(MODERN);
            let capabilities =
                client.ask("server/discover", json!({})).await.result()["capabilities"].clone();
            assert!(capabilities.get(capability).is_none(), "{capabilities}");
            // What plugins alone can do goes with the tools.
            let left = if capability == "tools" { 3 } else { 5 };
            assert_eq!(
                capabilities.as_object().unwrap().len(),
                left,
                "{capabilities}"
            );
            for (method, params) in &methods {
                client
                    .ask(method, params.clone())
                    .await
                    .refused(404, -32601);
                server
                    .client("2025-11-25")
                    .ask(method, params.clone())
                    .await
                    .refused(200, -32601);
            }
            assert!(
                server.stdout().contains(&format!("{capability:9}  off")),
                "{}",
                server.stdout()
            );
        }
    }
    // Completion is of prompts and of resources.
    let server = Launch::of(Home::guest())
        .env("PROMPTS_PATH", "")
        .env("RESOURCES_PATH", "")
        .start();
    let client = server.client(MODERN);
    let discovered = client.ask("server/discover", json!({})).await;
    assert_eq!(
        discovered.result()["capabilities"],
        json!({
            "tools": {"listChanged": true},
            "logging": {},
            "extensions": {"io.modelcontextprotocol/tasks": {}},
        })
    );
    client
        .ask("completion/complete", json!({}))
        .await
        .refused(404, -32601);
}

#[tokio::test]
async fn definitions_can_lie_elsewhere() {
    let elsewhere = Home::new();
    elsewhere.file("defs/tools.yml", "plugins: [{name: guest, path: guest.wasm, functions: [{displayName: moved, function: echo}]}]");
    elsewhere.file("defs/guest.wasm", crate::support::guest_module());
    elsewhere.file(
        "defs/texts.yml",
        "resources: {static: [{name: moved, uri: \"m://x\", contents: [{text: moved}]}]}",
    );
    elsewhere.file(
        "defs/questions.yml",
        "prompts: {predefined: [{name: moved, messages: [{role: user, text: moved}]}]}",
    );
    let check = async |server: Server| {
        let client = server.client(MODERN);
        assert_eq!(client.call("moved", "{}").await.output(), "{}");
        client
            .ask("resources/read", json!({"uri": "m://x"}))
            .await
            .result();
        client
            .ask("prompts/get", json!({"name": "moved"}))
            .await
            .result();
        assert!(server.stdout().contains("tools.yml"), "{}", server.stdout());
    };
    let folder = elsewhere.path().join("defs");
    let mut launch = Launch::of(Home::guest());
    for (kind, file) in [
        ("PLUGINS", "tools.yml"),
        ("RESOURCES", "texts.yml"),
        ("PROMPTS", "questions.yml"),
    ] {
        launch = launch
            .env(&format!("{kind}_PATH"), &folder)
            .env(&format!("{kind}_DEFINITION_FILE"), file);
    }
    check(launch.start()).await;
    // In the file, a path is relative to the home.
    elsewhere.file(
        "wasimancer.toml",
        "plugins_path = \"defs\"\nplugins_definition_file = \"tools.yml\"\nresources_path = \"defs\"\n\
         resources_definition_file = \"texts.yml\"\nprompts_path = \"./defs\"\nprompts_definition_file = \"questions.yml\"\n",
    );
    check(Launch::of(elsewhere).start()).await;
}

/// Standard output says what is served, from where, and where to.
#[tokio::test]
async fn the_start_is_announced() {
    let server = Launch::of(Home::guest()).start();
    let output = server.stdout();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0], concat!("WASImancer ", env!("CARGO_PKG_VERSION")));
    assert_eq!(lines[1], format!("listening on {}", server.url("/mcp")));
    for (line, begin, file) in [
        (lines[2], "  tools      ", "plugins.yml"),
        (
            lines[3],
            "  resources  4 static, 2 templates, from ",
            "resources.yml",
        ),
        (lines[4], "  prompts    4, from ", "prompts.yml"),
    ] {
        assert!(line.starts_with(begin) && line.ends_with(file), "{line}");
    }
    let memory = lines[5].strip_prefix("  memory     ");
    assert!(memory.is_some_and(|memory| memory.ends_with(" MiB for calls and clients")));
    assert_eq!(lines.len(), 6);
}

#[tokio::test]
async fn other_addresses_can_be_listened_on() {
    let server = Launch::of(Home::new())
        .args(["--address", "0.0.0.0"])
        .start();
    assert_eq!(server.address.ip().to_string(), "0.0.0.0");
    let url = format!("http://127.0.0.1:{}/mcp", server.address.port());
    Client::new(url, MODERN)
        .ask("tools/list", json!({}))
        .await
        .result();
}

/// How many modules of homes are compiled in a folder.
fn compiled(folder: &Path) -> usize {
    let all = files(folder).into_iter();
    let of_homes = all.filter(|file| file.starts_with("home-"));
    let is_code = |file: &String| Path::new(file).extension() == Some("cwasm".as_ref());
    of_homes.filter(is_code).count()
}

#[tokio::test]
async fn compiled_modules_are_kept_where_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("new");
    let home = Home::guest();
    let launch = || Launch::in_folder(home.path()).args(["--http-port", "0"]);
    launch()
        .args(["--cache-folder", cache.to_str().unwrap()])
        .start();
    assert_eq!(compiled(&cache), 1);
    let other = folder.path().join("other");
    launch().env("WASIMANCER_CACHE_FOLDER", &other).start();
    assert_eq!(compiled(&other), 1);
    // One that cannot be used is an error where it was asked for.
    home.file("a file", "");
    let ended = launch()
        .env("WASIMANCER_CACHE_FOLDER", home.path().join("a file"))
        .refused();
    assert!(
        ended.stderr.contains("the folder of compiled modules"),
        "{}",
        ended.stderr
    );
    // An empty one keeps nothing, and the user's own one is the default.
    launch()
        .env("WASIMANCER_CACHE_FOLDER", "")
        .env("XDG_CACHE_HOME", folder.path())
        .start();
    assert!(!folder.path().join("wasimancer").exists());
    launch()
        .without_env("WASIMANCER_CACHE_FOLDER")
        .env("XDG_CACHE_HOME", folder.path())
        .start();
    assert_eq!(compiled(&folder.path().join("wasimancer")), 1);
    // There it is no error that it cannot be used.
    let server = launch()
        .without_env("WASIMANCER_CACHE_FOLDER")
        .env("XDG_CACHE_HOME", home.path().join("a file"))
        .start();
    server.logs("modules are compiled at every start").await;
}

/// Keys of the commented file of the examples: every one that there is.
const KEYS: [&str; 38] = [
    "address",
    "http_port",
    "public_hosts",
    "allowed_hosts",
    "cache_folder",
    "log_format",
    "log",
    "instructions",
    "drain_delay",
    "shutdown_grace",
    "read_timeout",
    "keep_alive_timeout",
    "write_timeout",
    "connections",
    "body_limit",
    "cache_ttl",
    "instances",
    "queue_timeout",
    "memory_budget",
    "compile_apart",
    "compile_cpu",
    "compile_memory",
    "plugins_path",
    "plugins_definition_file",
    "resources_path",
    "resources_definition_file",
    "prompts_path",
    "prompts_definition_file",
    "follow_links",
    "schemas",
    "timeout",
    "cpu",
    "memory",
    "input",
    "output",
    "httpResponse",
    "httpRequests",
    "concurrency",
];

#[test]
fn the_commented_file_is_valid_without_its_comments() {
    let file = std::fs::read_to_string(examples_folder().join("wasimancer.toml")).unwrap();
    let is_setting = |line: &str| {
        let key = line.split('=').next().unwrap_or_default().trim();
        line.starts_with('[') && line.ends_with(']') || line.contains('=') && KEYS.contains(&key)
    };
    let settings: Vec<&str> = file
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| is_setting(line))
        .collect();
    let text = settings.join("\n");
    for key in KEYS {
        assert!(
            settings
                .iter()
                .any(|line| line.split('=').next().unwrap().trim() == key),
            "{key} is not explained"
        );
    }
    let home = Home::guest();
    home.file(
        "wasimancer.toml",
        text.replace(
            "/var/cache/wasimancer",
            &home.path().join("cache").display().to_string(),
        ),
    );
    let check = |path: &Path| {
        finish(
            command(["check", "--home"])
                .arg(path)
                .env_remove("WASIMANCER_CACHE_FOLDER"),
        )
    };
    let ended = check(home.path());
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    // It is all comments as it is.
    assert!(
        file.lines()
            .all(|line| line.is_empty() || line.starts_with('#')),
        "{file}"
    );
}
