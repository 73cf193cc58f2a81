//! The definition files of a home, read for the first time.

use super::{PLUGINS_PATH, PROMPTS_PATH, RESOURCE_PATHS};
use crate::definition_file::DefinitionFile;
use crate::error::Result;
use crate::home::{Home, Kind};

/// The definition files of a home. What stands in their entries is not looked at yet.
pub struct Definitions {
    pub(crate) home: Home,
    pub(super) tools: Option<DefinitionFile>,
    pub(super) resources: Option<DefinitionFile>,
    pub(super) prompts: Option<DefinitionFile>,
}

impl Definitions {
    /// Reads the definition files, and says where there is none yet. One that is malformed as a whole is
    /// quarantined like a single entry. Blocks.
    ///
    /// # Errors
    /// When the system refuses to read a file that is there.
    pub fn read(home: &Home) -> Result<Self> {
        let resources = RESOURCE_PATHS.each_ref().map(|path| &path[..]);
        Ok(Self {
            tools: read(home.plugins.as_ref(), "plugins", &[&PLUGINS_PATH])?,
            resources: read(home.resources.as_ref(), "resources", &resources)?,
            prompts: read(home.prompts.as_ref(), "prompts", &[&PROMPTS_PATH])?,
            home: home.clone(),
        })
    }
}

/// Reads the definition file of a kind that is on, and looks for its lists.
fn read(kind: Option<&Kind>, name: &str, lists: &[&[&str]]) -> Result<Option<DefinitionFile>> {
    let Some(kind) = kind else {
        return Ok(None);
    };
    let read = DefinitionFile::read_at_start(kind, name, lists)?;
    let file = kind.file();
    if !file.exists() {
        let file = file.display();
        tracing::warn!(
            "there is no definition file yet: {file} is looked for, and no {name} are served until it is there"
        );
    }
    Ok(Some(read))
}
