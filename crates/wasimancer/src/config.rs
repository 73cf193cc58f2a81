//! Configuration as it is written: flags, environment variables, and `wasimancer.toml`.
//!
//! A flag wins over a variable, a variable over the file, the file over the default.

pub(crate) mod resolve;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Deserialize;

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// A line for people
    #[default]
    Human,
    /// A JSON object a line
    Json,
}

/// The flags of the commands that load a home.
#[derive(clap::Args, Clone, Debug, Default)]
#[expect(clippy::doc_markdown, reason = "the comments are the help text")]
pub(crate) struct Flags {
    /// Folder that holds plugins/, resources/, prompts/ and perhaps wasimancer.toml [default: .]
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Configuration file [default: wasimancer.toml in the home, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// Folder of plugins; empty switches tools off [env: PLUGINS_PATH] [default: plugins in the home]
    #[arg(long, value_name = "DIR")]
    pub(crate) plugins_path: Option<String>,
    /// Folder of resources; empty switches them off [env: RESOURCES_PATH] [default: resources in the home]
    #[arg(long, value_name = "DIR")]
    pub(crate) resources_path: Option<String>,
    /// Folder of prompts; empty switches them off [env: PROMPTS_PATH] [default: prompts in the home]
    #[arg(long, value_name = "DIR")]
    pub(crate) prompts_path: Option<String>,
    /// Folder of published modules, inside that of plugins [env: UPLOAD_PATH] [default: bucket in it]
    #[arg(long, value_name = "DIR")]
    pub(crate) upload_path: Option<String>,
    /// Address and port of the administration [env: ADMIN_ADDRESS] [default: where clients are served]
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) admin_address: Option<String>,
    /// Port to listen on; 0 takes any free one [env: HTTP_PORT, PORT] [default: 3001]
    #[arg(long, value_name = "PORT")]
    pub(crate) http_port: Option<u16>,
    /// Address to listen on [env: WASIMANCER_ADDRESS] [default: 127.0.0.1]
    #[arg(long, value_name = "IP")]
    pub(crate) address: Option<String>,
    /// Host under which clients reach the server, or origin of a web page that may; repeatable
    /// [env: WASIMANCER_PUBLIC_HOSTS, separated by commas] [default: the loopback names]
    #[arg(long, value_name = "HOST")]
    pub(crate) public_host: Vec<String>,
    /// Network or address of proxies that name the clients they ask for; repeatable
    /// [env: WASIMANCER_TRUSTED_PROXIES, separated by commas] [default: none]
    #[arg(long, value_name = "NETWORK")]
    pub(crate) trusted_proxy: Vec<String>,
    /// Host that every plugin may reach; repeatable [env: WASIMANCER_ALLOWED_HOSTS, separated by commas]
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_host: Vec<String>,
    /// Folder of compiled modules; empty compiles at every start
    /// [env: WASIMANCER_CACHE_FOLDER] [default: wasimancer in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_folder: Option<String>,
    /// How logs are written [env: WASIMANCER_LOG_FORMAT] [default: human]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
    /// What is logged, such as debug or info,wasimancer::plugin=debug [env: WASIMANCER_LOG] [default: info]
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<String>,
}

/// `wasimancer.toml`. Unknown keys are errors, since a key that is ignored protects nobody.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConfigFile {
    pub(crate) address: Option<String>,
    pub(crate) http_port: Option<u16>,
    pub(crate) public_hosts: Option<Vec<String>>,
    pub(crate) trusted_proxies: Option<Vec<String>>,
    pub(crate) proxy_protocol: Option<bool>,
    pub(crate) allowed_hosts: Option<Vec<String>>,
    pub(crate) outbound_proxy: Option<String>,
    pub(crate) outbound_proxy_resolves: Option<bool>,
    pub(crate) cache_folder: Option<String>,
    pub(crate) log_format: Option<LogFormat>,
    pub(crate) log: Option<String>,
    pub(crate) instructions: Option<String>,
    pub(crate) drain_delay: Option<String>,
    pub(crate) shutdown_grace: Option<String>,
    pub(crate) read_timeout: Option<String>,
    pub(crate) keep_alive_timeout: Option<String>,
    pub(crate) write_timeout: Option<String>,
    pub(crate) connections: Option<u32>,
    pub(crate) body_limit: Option<String>,
    pub(crate) cache_ttl: Option<String>,
    pub(crate) instances: Option<u32>,
    pub(crate) queue_timeout: Option<String>,
    pub(crate) memory_budget: Option<String>,
    pub(crate) compile_apart: Option<bool>,
    pub(crate) compile_cpu: Option<String>,
    pub(crate) compile_memory: Option<String>,
    pub(crate) strict_tokens: Option<bool>,
    // As definitions write it, too.
    #[serde(alias = "additionalArguments")]
    pub(crate) additional_arguments: Option<String>,
    pub(crate) plugins_path: Option<String>,
    pub(crate) plugins_definition_file: Option<String>,
    pub(crate) resources_path: Option<String>,
    pub(crate) resources_definition_file: Option<String>,
    pub(crate) prompts_path: Option<String>,
    pub(crate) prompts_definition_file: Option<String>,
    pub(crate) upload_path: Option<String>,
    pub(crate) upload_limit: Option<String>,
    pub(crate) versions: Option<u32>,
    pub(crate) follow_links: Option<bool>,
    pub(crate) schemas: Option<String>,
    pub(crate) settle_time: Option<String>,
    pub(crate) poll_interval: Option<String>,
    pub(crate) admin_address: Option<String>,
    pub(crate) limits: FileLimits,
    pub(crate) server_info: FileServerInfo,
}

/// The section `[server_info]`: how the server introduces itself to clients.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(crate) struct FileServerInfo {
    pub(crate) name: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) website_url: Option<String>,
    pub(crate) icons: Vec<FileIcon>,
}

/// An image in it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct FileIcon {
    pub(crate) src: String,
    pub(crate) mime_type: Option<String>,
    #[serde(default)]
    pub(crate) sizes: Vec<String>,
    pub(crate) theme: Option<String>,
}

/// The section `[limits]`: what every plugin may use at most.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub(crate) struct FileLimits {
    pub(crate) timeout: Option<String>,
    pub(crate) cpu: Option<String>,
    pub(crate) memory: Option<String>,
    pub(crate) input: Option<String>,
    pub(crate) output: Option<String>,
    pub(crate) http_response: Option<String>,
    pub(crate) http_requests: Option<u32>,
    pub(crate) concurrency: Option<u32>,
}

/// Where environment variables come from.
pub(crate) trait Environment {
    /// The value of a variable that is set, empty or not.
    fn get(&self, name: &str) -> Option<String>;
    /// All variables whose names begin like this.
    fn beginning_with(&self, prefix: &str) -> BTreeMap<String, String>;
}

/// The environment of the process.
pub(crate) struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<String> {
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn beginning_with(&self, prefix: &str) -> BTreeMap<String, String> {
        std::env::vars_os()
            .map(|(name, value)| {
                (
                    name.to_string_lossy().into_owned(),
                    value.to_string_lossy().into_owned(),
                )
            })
            .filter(|(name, _)| name.starts_with(prefix))
            .collect()
    }
}

/// A plain map, for tests.
impl Environment for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<String> {
        BTreeMap::get(self, name).cloned()
    }

    fn beginning_with(&self, prefix: &str) -> BTreeMap<String, String> {
        let matching = self.iter().filter(|(name, _)| name.starts_with(prefix));
        matching
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}
