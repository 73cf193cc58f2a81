//! Where definitions lie, and what the server says of all of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use wasimancer_runtime::Limits;

use crate::additional_arguments::AdditionalArguments;
use crate::shown_schema::Schemas;

/// Where definitions lie. A kind that is absent is switched off.
#[derive(Clone, Debug)]
pub struct Home {
    /// Plugins and `plugins.yml`.
    pub plugins: Option<Kind>,
    /// `resources.yml`.
    pub resources: Option<Kind>,
    /// `prompts.yml`.
    pub prompts: Option<Kind>,
}

/// The folder and the definition file of one kind.
#[derive(Clone, Debug)]
pub struct Kind {
    /// The folder.
    pub folder: PathBuf,
    /// The file's name in the folder.
    pub definition_file: String,
}

impl Kind {
    /// The path of the definition file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.join(&self.definition_file)
    }
}

/// What the server says of all plugins.
#[derive(Clone)]
pub struct Settings {
    /// The limits that a plugin can tighten.
    pub limits: Limits,
    /// Configuration of every plugin; a plugin's own wins. Holds secrets, hence no `Debug`.
    pub config: BTreeMap<String, String>,
    /// Where published modules are kept, relative to the plugins folder and inside it.
    pub upload_folder: PathBuf,
    /// Most versions of a plugin that are kept to roll back to, the one served included.
    pub versions_kept: usize,
    /// Whether definition files are replaced wherever a link leads.
    pub follow_links: bool,
    /// What becomes of unknown arguments where a tool's definition does not say.
    pub additional_arguments: AdditionalArguments,
    /// How clients are shown the schemas of tools.
    pub schemas: Schemas,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            config: BTreeMap::new(),
            upload_folder: PathBuf::from("bucket"),
            versions_kept: 10,
            follow_links: false,
            additional_arguments: AdditionalArguments::default(),
            schemas: Schemas::Written,
        }
    }
}
