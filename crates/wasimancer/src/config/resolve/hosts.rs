//! Hosts and networks: under which clients reach the server, whom plugins may reach, and which proxies
//! are trusted.

use wasimancer_mcp::AllowedNames;
use wasimancer_runtime::{HostRule, OutboundProxy};

use super::{ConfigFile, Flags, Resolver};
use crate::proxies::TrustedProxies;

impl Resolver<'_> {
    pub(super) fn public_hosts(&mut self, flags: &Flags, file: &ConfigFile) -> AllowedNames {
        let names = self.names(
            &flags.public_host,
            "WASIMANCER_PUBLIC_HOSTS",
            file.public_hosts.as_ref(),
        );
        AllowedNames::with(names.iter().map(String::as_str)).unwrap_or_else(|error| {
            self.errors.push(format!("public hosts: {error}"));
            AllowedNames::loopback()
        })
    }

    pub(super) fn proxy_protocol(&mut self, file: &ConfigFile, proxies: &TrustedProxies) -> bool {
        let is_on = self.switch("WASIMANCER_PROXY_PROTOCOL", file.proxy_protocol, false);
        if is_on && proxies.is_empty() {
            self.errors.push(
                "proxy_protocol: no proxy is trusted to speak it: name those that do in trusted_proxies"
                    .to_owned(),
            );
        }
        is_on
    }

    pub(super) fn allowed_hosts(&mut self, flags: &Flags, file: &ConfigFile) -> Vec<HostRule> {
        let names = self.names(
            &flags.allow_host,
            "WASIMANCER_ALLOWED_HOSTS",
            file.allowed_hosts.as_ref(),
        );
        let mut rules = Vec::with_capacity(names.len());
        for name in names {
            match name.parse() {
                Ok(rule) => rules.push(rule),
                Err(error) => self.errors.push(format!("allowed hosts: {error}")),
            }
        }
        rules
    }

    /// Never that of `HTTP_PROXY` and its like, which are set for other programs.
    pub(super) fn outbound_proxy(&mut self, file: &ConfigFile) -> Option<OutboundProxy> {
        let resolves = self.switch(
            "WASIMANCER_OUTBOUND_PROXY_RESOLVES",
            file.outbound_proxy_resolves,
            false,
        );
        let given = self.variable("WASIMANCER_OUTBOUND_PROXY");
        let Some(given) = given.or_else(|| file.outbound_proxy.clone()) else {
            if resolves {
                self.errors.push(
                    "outbound_proxy_resolves: there is no proxy to do it: name it in outbound_proxy"
                        .to_owned(),
                );
            }
            return None;
        };
        match given.parse::<OutboundProxy>() {
            Ok(mut proxy) => {
                proxy.resolves = resolves;
                Some(proxy)
            }
            Err(error) => {
                self.errors.push(format!("outbound_proxy: {error}"));
                None
            }
        }
    }

    pub(super) fn trusted_proxies(&mut self, flags: &Flags, file: &ConfigFile) -> TrustedProxies {
        let names = self.names(
            &flags.trusted_proxy,
            "WASIMANCER_TRUSTED_PROXIES",
            file.trusted_proxies.as_ref(),
        );
        TrustedProxies::parse(&names).unwrap_or_else(|wrong| {
            let wrong = wrong.into_iter();
            self.errors
                .extend(wrong.map(|wrong| format!("trusted proxies: {wrong}")));
            TrustedProxies::default()
        })
    }

    fn names(&self, flags: &[String], variable: &str, file: Option<&Vec<String>>) -> Vec<String> {
        if !flags.is_empty() {
            return flags.to_vec();
        }
        match self.variable(variable) {
            Some(text) => text
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect(),
            None => file.cloned().unwrap_or_default(),
        }
    }
}
