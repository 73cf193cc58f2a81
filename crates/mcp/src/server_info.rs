//! How the server introduces itself (an `Implementation` of the protocol).

use serde::Serialize;
use serde_json::json;

/// The server as clients see it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerInfo {
    /// Its name, for programs.
    pub name: String,
    /// Its name, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Its version.
    pub version: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where more is told of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website_url: Option<String>,
    /// Images that clients may show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
}

/// An image that clients may show.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Icon {
    /// Where it is, or what: an address of http, https or data.
    pub src: String,
    /// Its media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Its sizes, such as `48x48`, or `any`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<String>,
    /// `light` or `dark`: what it is to be shown on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theme: Option<String>,
}

impl Default for ServerInfo {
    fn default() -> Self {
        Self {
            name: "wasimancer".to_owned(),
            title: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: None,
            website_url: None,
            icons: Vec::new(),
        }
    }
}

impl ServerInfo {
    /// Its JSON where somebody asks who it is.
    pub(crate) fn whole(&self) -> String {
        serde_json::to_string(self).expect("texts are JSON")
    }

    /// Its JSON in every other answer: what an `Implementation` must have.
    pub(crate) fn short(&self) -> String {
        json!({ "name": self.name, "version": self.version }).to_string()
    }
}
