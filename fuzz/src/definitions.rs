//! Any text as a definition file: a home is refused as a whole with words, or loads, each entry served or
//! quarantined with words, and always in the same way.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, OnceLock};

use serde_json::Value;
use tempfile::TempDir;
use wasimancer_catalog::{Catalog, Definitions, Home, Kind, List, Settings, Snapshot};
use wasimancer_runtime::{EngineOptions, Runtime, is_misleading};

use crate::bounded_time;
use crate::server::ECHO;

/// Longest input.
const MAX_BYTES: usize = 16 * 1024;
const KINDS: [&str; 3] = ["plugins", "resources", "prompts"];

/// A home whose files are written anew for each input.
struct Files {
    folder: TempDir,
    runtime: Runtime,
}

/// The first byte is the kind, by its first letter (`m` for prompts) or by its number; the file is what
/// follows.
///
/// # Panics
/// At a finding.
pub fn run(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else {
        return;
    };
    if text.len() > MAX_BYTES {
        return;
    }
    let kind = match kind {
        b'p' => "plugins",
        b'r' => "resources",
        b'm' => "prompts",
        other => KINDS[usize::from(*other) % KINDS.len()],
    };
    bounded_time(|| check(kind, text));
}

fn check(kind: &str, text: &[u8]) {
    let files = files();
    for other in KINDS {
        let text = if other == kind { text } else { b"" };
        fs::write(files.file(other), text).expect("a file of the home");
    }
    let loaded = match files.open() {
        Ok(loaded) => loaded,
        Err(reason) => {
            assert_words(&reason);
            assert_eq!(files.open().err(), Some(reason), "the same again");
            return;
        }
    };
    for entry in loaded.quarantined() {
        assert!(!entry.problems.is_empty(), "{} has no problem", entry.name);
        entry
            .reasons()
            .iter()
            .for_each(|reason| assert_words(reason));
    }
    check_lists(&loaded);
    let again = files.open().expect("it loads again");
    assert_eq!(again.revision(), loaded.revision(), "the same again");
    assert_eq!(again.quarantined(), loaded.quarantined(), "the same again");
}

/// What is listed is there.
fn check_lists(loaded: &Snapshot) {
    let counts = loaded.counts();
    let tools = listed(loaded.tool_list());
    assert_eq!(tools.len(), counts.tools, "as many tools");
    for tool in &tools {
        let name = tool["name"].as_str().expect("a tool has a name");
        assert!(loaded.tool(name).is_some(), "{name:?} is served");
        assert_eq!(tool["inputSchema"]["type"], "object", "{tool}");
    }
    let resources = listed(loaded.resource_list());
    assert_eq!(resources.len(), counts.resources, "as many resources");
    for resource in &resources {
        let uri = resource["uri"].as_str().expect("a resource has a URI");
        assert!(loaded.resource(uri).is_some(), "{uri:?} is served");
    }
    let templates = listed(loaded.resource_template_list());
    assert_eq!(
        templates.len(),
        counts.resource_templates,
        "as many templates"
    );
    let prompts = listed(loaded.prompt_list());
    assert_eq!(prompts.len(), counts.prompts, "as many prompts");
    for prompt in &prompts {
        let name = prompt["name"].as_str().expect("a prompt has a name");
        let served = loaded.prompt(name).expect("it is served");
        if let Err(wrong) = served.render(&BTreeMap::new()) {
            assert!(!wrong.to_string().is_empty(), "words for what is wrong");
        }
    }
}

fn listed(list: Option<&List>) -> Vec<Value> {
    let list = list.expect("the kind is served");
    let pages = (0..list.pages()).map(|page| list.page(page).expect("there is such a page"));
    let pages = pages.map(|page| serde_json::from_str(page).expect("a page is JSON"));
    let pages: Vec<Vec<Value>> = pages.collect();
    pages.concat()
}

/// A sentence that is shown to people.
fn assert_words(text: &str) {
    assert!(!text.is_empty(), "words for what is wrong");
    assert!(!text.contains(is_misleading), "{text:?}");
}

fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for kind in KINDS {
            fs::create_dir(folder.path().join(kind)).expect("a new folder");
        }
        let wasm = wat::parse_str(ECHO).expect("the module is well-formed");
        fs::write(folder.path().join("plugins/echo.wasm"), wasm).expect("a new file");
        let runtime = Runtime::new(EngineOptions {
            instances_max: 4,
            cache_folder: Some(folder.path().join("compiled")),
            ..EngineOptions::default()
        });
        Files {
            folder,
            runtime: runtime.expect("the engine starts"),
        }
    })
}

impl Files {
    fn file(&self, kind: &str) -> std::path::PathBuf {
        self.folder.path().join(kind).join(format!("{kind}.yml"))
    }

    fn open(&self) -> Result<Arc<Snapshot>, String> {
        let kind = |name: &str| {
            Some(Kind {
                folder: self.folder.path().join(name),
                definition_file: format!("{name}.yml"),
            })
        };
        let [plugins, resources, prompts] = KINDS.map(kind);
        let home = Home {
            plugins,
            resources,
            prompts,
        };
        let open = |read| Catalog::open(&read, &Settings::default(), &self.runtime);
        let opened = Definitions::read(&home).and_then(open);
        let catalog = opened.map_err(|error| error.to_string())?;
        catalog.compile_rest();
        Ok(catalog.snapshot())
    }
}
