//! What every call of one plugin shares.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::outbound_http::Outbound;
use crate::outbound_proxy::OutboundProxy;
use crate::permissions::Permissions;
use crate::plugin_log::PluginLog;
use crate::stderr_tail::Secrets;

/// How much callers are told of why a call failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorDetail {
    /// Also the end of the plugin's standard error, where it trapped or ended with another code than 0.
    #[default]
    Full,
    /// One sentence.
    Terse,
}

/// What every call of one plugin shares.
pub(crate) struct Context {
    /// The plugin's name, for the log.
    pub(crate) name: String,
    pub(crate) limits: Limits,
    pub(crate) permissions: Permissions,
    /// What its requests go through.
    pub(crate) outbound_proxy: Option<OutboundProxy>,
    /// What `config_get` answers.
    pub(crate) config: BTreeMap<String, String>,
    /// What is hidden where the plugin's words are told. None: its words are not told.
    pub(crate) secrets: Option<Secrets>,
    /// Its lines in the log.
    pub(crate) log: PluginLog,
    /// Made at the first request, so that a plugin that never asks costs nothing.
    outbound: OnceLock<Result<Outbound, String>>,
}

impl Context {
    pub(crate) fn new(
        name: String,
        limits: Limits,
        permissions: Permissions,
        config: BTreeMap<String, String>,
        errors: ErrorDetail,
    ) -> Self {
        let secrets = match errors {
            ErrorDetail::Full => Some(Secrets::of(&config)),
            ErrorDetail::Terse => None,
        };
        Self {
            secrets,
            name,
            limits,
            permissions,
            outbound_proxy: None,
            config,
            log: PluginLog::new(),
            outbound: OnceLock::new(),
        }
    }

    /// The same with requests that go through a proxy.
    pub(crate) fn through(self, outbound_proxy: Option<OutboundProxy>) -> Self {
        Self {
            outbound_proxy,
            ..self
        }
    }

    /// That of a module which nobody has published, without permissions and configuration.
    pub(crate) fn of_nobody(limits: Limits) -> Self {
        let permissions = Permissions::default();
        let config = BTreeMap::new();
        Self::new(
            String::new(),
            limits,
            permissions,
            config,
            ErrorDetail::Terse,
        )
    }

    /// The same with an HTTP client of its own, which does not outlive the scheduler it is made on.
    pub(crate) fn anew(&self) -> Self {
        let (name, limits) = (self.name.clone(), self.limits.clone());
        let (permissions, config) = (self.permissions.clone(), self.config.clone());
        let anew = Self::new(name, limits, permissions, config, ErrorDetail::Terse);
        anew.through(self.outbound_proxy.clone())
    }

    /// The HTTP client that knows this plugin's permissions.
    pub(crate) fn outbound(&self) -> Result<&Outbound> {
        self.outbound
            .get_or_init(|| {
                let proxy = self.outbound_proxy.clone();
                Outbound::new(self.permissions.clone(), self.limits.http_response, proxy)
            })
            .as_ref()
            .map_err(|reason| Error::Http {
                reason: reason.clone(),
            })
    }
}
