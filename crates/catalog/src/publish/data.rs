//! Changes to resources and prompts.

use std::collections::HashSet;

use serde_json::Value;

use super::{Data, Plan, Publication, check_edit, name_taken};
use crate::catalog::Catalog;
use crate::changes::Changes;
use crate::definition_file::DefinitionFile;
use crate::entry::Entry;
use crate::error::{Error, Result};
use crate::home::Kind;
use crate::load::{Loader, PROMPTS_PATH, RESOURCE_PATHS, resource};
use crate::node::Node;
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::snapshot::{Defined, Origin, ResourcesBuilder, Snapshot};
use crate::source::Placed;
use crate::store::yaml_edit::{Edit, edit};

/// What messages call the definition that was sent.
const SENT: &str = "body";

impl Data {
    /// What messages call such an entry.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::Prompt => "prompt",
        }
    }

    /// The lists of the definition file that hold such entries.
    fn paths(self) -> &'static [[&'static str; 2]] {
        match self {
            Self::Resource => &RESOURCE_PATHS,
            Self::Prompt => &[PROMPTS_PATH],
        }
    }

    fn defined(self, snapshot: &Snapshot) -> &[Defined] {
        match self {
            Self::Resource => snapshot.defined_resources(),
            Self::Prompt => snapshot.defined_prompts(),
        }
    }

    pub(crate) fn origin(self, snapshot: &Snapshot) -> Option<&Origin> {
        match self {
            Self::Resource => snapshot.resources().map(|resources| &resources.origin),
            Self::Prompt => snapshot.prompts().map(|prompts| &prompts.origin),
        }
    }
}

impl Catalog {
    /// Plans to add an entry (`name` is none), to give one another definition, or to remove it
    /// (`definition` is none).
    pub(super) fn plan_data(
        &self,
        before: &Snapshot,
        data: Data,
        name: Option<&str>,
        definition: Option<&Value>,
    ) -> Result<Plan<'_>> {
        let kind = self.kind_of(data)?;
        let read = DefinitionFile::read(kind)?;
        let base = Self::load_data(before, data, &read)?;
        let origin = data
            .origin(&base)
            .ok_or(Error::SwitchedOff { kind: data.name() })?;
        if let Some(served) = data.origin(before) {
            check_edit(&read, served, origin, name)?;
        }
        if let Some(name) = name {
            origin.check_name(data.name(), name)?;
        }
        let list = definition
            .map(|definition| check(&base, origin, data, name, definition))
            .transpose()?;
        let is_same = definition.is_some_and(|definition| {
            let mut defined = data.defined(&base).iter();
            defined.any(|entry| Some(&*entry.name) == name && entry.definition == *definition)
        });
        let old = name.and_then(|name| holding(&read, data, name).map(|list| (name, list)));
        let new = definition.zip(list).filter(|_| !is_same);
        let text = match (old, new) {
            _ if is_same => read.text.clone(),
            (Some((name, old)), Some((entry, new))) if old == new => {
                edit(&read.name, &read.text, &old, &Edit::Replace { name, entry })?
            }
            (old, new) => {
                let without = match old {
                    Some((name, old)) => {
                        edit(&read.name, &read.text, &old, &Edit::Remove { name })?
                    }
                    None => read.text.clone(),
                };
                match new {
                    Some((entry, new)) => edit(&read.name, &without, &new, &Edit::Add(entry))?,
                    None => without,
                }
            }
        };
        let edited = DefinitionFile::parse(&read.name, text)?;
        let after = Self::load_data(&base, data, &edited)?;
        if let Some(loaded) = data.origin(&after) {
            check_edit(&edited, origin, loaded, None)?;
        }
        let kind_in = |snapshot: &Snapshot, name: Option<&str>| {
            let mut defined = data.defined(snapshot).iter();
            let found = defined.find(|entry| Some(entry.name.as_str()) == name);
            found.map(|entry| entry.list)
        };
        let new_name = definition.and_then(|entry| entry["name"].as_str());
        let advice = data.origin(&after).map(|origin| &origin.advice[..]);
        let advice = advice.unwrap_or_default().iter();
        let own = advice.filter(|advice| Some(advice.name.as_str()) == new_name);
        let publication = Publication {
            revision: after.revision(),
            changes: Changes::between(before, &after),
            unchanged: edited.text == read.text,
            warnings: own.map(|advice| advice.text.clone()).collect(),
            path: None,
            lists: (kind_in(&base, name), kind_in(&after, new_name)),
            version: None,
            digest: None,
        };
        Ok(Plan {
            kind,
            list: data.paths()[0][0],
            text: (edited.text != read.text).then_some(edited.text),
            read: read.text,
            after,
            plugin: None,
            publication,
        })
    }

    fn kind_of(&self, data: Data) -> Result<&Kind> {
        let home = &self.loader.home;
        let kind = match data {
            Data::Resource => &home.resources,
            Data::Prompt => &home.prompts,
        };
        kind.as_ref()
            .ok_or(Error::SwitchedOff { kind: data.name() })
    }

    /// The snapshot with what a file says, which is what it holds already where the file is the same.
    pub(crate) fn load_data(
        snapshot: &Snapshot,
        data: Data,
        file: &DefinitionFile,
    ) -> Result<Snapshot> {
        let origin = data.origin(snapshot);
        if origin.is_some_and(|origin| origin.digest == file.digest()) {
            return Ok(snapshot.clone());
        }
        Ok(match data {
            Data::Resource => snapshot.with_resources(Loader::resources(file)?),
            Data::Prompt => snapshot.with_prompts(Loader::prompts(file)?),
        })
    }
}

/// Checks a definition that was sent against everything else in the file; answers the list that it
/// belongs into.
fn check(
    base: &Snapshot,
    origin: &Origin,
    data: Data,
    replaced: Option<&str>,
    definition: &Value,
) -> Result<[&'static str; 2]> {
    let in_body = definition["name"].as_str();
    if let (Some(url), Some(body)) = (replaced, in_body)
        && url != body
    {
        return Err(Error::NameMismatch {
            url: url.to_owned(),
            body: body.to_owned(),
        });
    }
    if let (None, Some(name)) = (replaced, in_body)
        && origin.names.contains(name)
    {
        let kind = data.name();
        return Err(name_taken(SENT, kind, name, &format!("PUT /update-{kind}")));
    }
    let mut names: HashSet<String> = origin.names.clone();
    if let Some(replaced) = replaced {
        names.remove(replaced);
    }
    let node = Node::from_json(definition);
    let mut entry = Entry::begin(SENT, data.name(), &node, &mut names).for_publication();
    let path = match data {
        Data::Resource => {
            let others = resources_but(base, replaced);
            let made = resource(&others, &mut entry);
            made.map(|resource| {
                check_sources(base, resource.sources(), &mut entry);
                match resource {
                    Resource::Static(_) => RESOURCE_PATHS[0],
                    Resource::Template(_) => RESOURCE_PATHS[1],
                }
            })
        }
        Data::Prompt => {
            if definition.get("arguments").is_none_or(Value::is_null) {
                let message = "is missing: list the arguments, or write []";
                entry.reader().wrong(&node, "arguments", message);
            }
            entry.read(Prompt::read).flatten().map(|prompt| {
                check_sources(base, prompt.sources(), &mut entry);
                PROMPTS_PATH
            })
        }
    };
    let problems = entry.into_problems();
    match path {
        Some(path) if problems.is_empty() => Ok(path),
        _ => Err(Error::Invalid { problems }),
    }
}

/// Refuses a function that nothing has: whoever publishes what calls it would learn of it by the
/// first call.
fn check_sources<'s>(
    base: &Snapshot,
    sources: impl IntoIterator<Item = Placed<'s>>,
    entry: &mut Entry<'_>,
) {
    let node = entry.node();
    for (place, source) in sources {
        if let Err(error) = base.resolve(source) {
            let mut reader = entry.reader();
            let mut inside = reader.inside(&place);
            inside.wrong(node, error.field(), error.to_string());
        }
    }
}

/// The URIs of all resources but one.
fn resources_but(base: &Snapshot, name: Option<&str>) -> ResourcesBuilder {
    let defined = base.defined_resources().iter();
    let others = defined.filter(|entry| Some(entry.name.as_str()) != name);
    ResourcesBuilder::with_uris(
        others.filter_map(|entry| Some(entry.definition.get("uri")?.as_str()?.to_owned())),
    )
}

/// The list that holds the entry of a name.
fn holding(file: &DefinitionFile, data: Data, name: &str) -> Option<[&'static str; 2]> {
    let mut paths = data.paths().iter().copied();
    paths.find(|path| file.find(data.name(), path, name).is_some())
}
