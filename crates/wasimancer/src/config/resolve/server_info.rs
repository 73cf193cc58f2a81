//! How the server introduces itself to clients.

use axum::http::Uri;
use wasimancer_mcp::{Icon, ServerInfo};

use super::Resolver;
use crate::config::{FileIcon, FileServerInfo};

/// Longest name of a server, in characters: programs show it in lists.
const NAME_MAX_CHARS: usize = 128;

impl Resolver<'_> {
    pub(super) fn server_info(&mut self, file: &FileServerInfo) -> ServerInfo {
        let default = ServerInfo::default();
        let name = file.name.clone().unwrap_or(default.name);
        let is_name = !name.trim().is_empty()
            && name.chars().count() <= NAME_MAX_CHARS
            && !name.chars().any(char::is_control);
        if !is_name {
            self.wrong_info(
                "name",
                &name,
                "a name of 1 to 128 characters without controls",
            );
        }
        if let Some(url) = file.website_url.as_ref().filter(|url| !is_web_address(url)) {
            self.wrong_info("websiteUrl", url, "an address of http or https");
        }
        ServerInfo {
            name,
            title: file.title.clone(),
            description: file.description.clone(),
            website_url: file.website_url.clone(),
            icons: file.icons.iter().map(|icon| self.icon(icon)).collect(),
            ..default
        }
    }

    fn icon(&mut self, icon: &FileIcon) -> Icon {
        if !is_web_address(&icon.src) && !icon.src.starts_with("data:") {
            self.wrong_info("icons.src", &icon.src, "an address of http, https or data");
        }
        let theme = icon.theme.as_deref();
        if let Some(theme) = theme.filter(|theme| !matches!(*theme, "light" | "dark")) {
            self.wrong_info("icons.theme", theme, "light or dark");
        }
        Icon {
            src: icon.src.clone(),
            mime_type: icon.mime_type.clone(),
            sizes: icon.sizes.clone(),
            theme: icon.theme.clone(),
        }
    }

    fn wrong_info(&mut self, field: &str, value: &str, wanted: &str) {
        let shown: String = value.chars().take(60).collect();
        let error = format!("server_info.{field}: {shown:?} is not {wanted}");
        self.errors.push(error);
    }
}

fn is_web_address(text: &str) -> bool {
    let uri: Result<Uri, _> = text.parse();
    uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}
