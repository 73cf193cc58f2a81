//! What differs between two snapshots, by name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::plugin::{ServedPlugin, ServedTool};
use crate::snapshot::{Defined, Snapshot};

/// What a change adds, removes and alters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Tools.
    pub tools: Difference,
    /// Resources and resource templates.
    pub resources: Difference,
    /// Prompts.
    pub prompts: Difference,
}

/// The names that differ, in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Served after, and not before.
    pub added: Vec<String>,
    /// Served before, and not after.
    pub removed: Vec<String>,
    /// Served before and after, with another definition, or by another module.
    pub altered: Vec<String>,
}

impl Changes {
    /// What differs between two snapshots.
    pub(crate) fn between(before: &Snapshot, after: &Snapshot) -> Self {
        Self {
            tools: Difference::between(&tools(before), &tools(after), same_tool),
            resources: Difference::between(
                &defined(before.defined_resources()),
                &defined(after.defined_resources()),
                |one, other| one == other,
            ),
            prompts: Difference::between(
                &defined(before.defined_prompts()),
                &defined(after.defined_prompts()),
                |one, other| one == other,
            ),
        }
    }
}

impl Difference {
    fn between<T: Copy>(
        before: &BTreeMap<&str, T>,
        after: &BTreeMap<&str, T>,
        same: impl Fn(T, T) -> bool,
    ) -> Self {
        let mut difference = Self::default();
        for (name, new) in after {
            match before.get(name) {
                None => difference.added.push((*name).to_owned()),
                Some(old) if !same(*old, *new) => difference.altered.push((*name).to_owned()),
                Some(_) => {}
            }
        }
        let removed = before.keys().filter(|name| !after.contains_key(*name));
        difference.removed = removed.map(|name| (*name).to_owned()).collect();
        difference
    }
}

fn tools(snapshot: &Snapshot) -> BTreeMap<&str, (&ServedPlugin, &ServedTool)> {
    let plugins = snapshot.plugins().iter();
    let tools = plugins.flat_map(|plugin| plugin.tools.iter().map(move |tool| (&**plugin, tool)));
    tools
        .map(|(plugin, tool)| (tool.tool.name(), (plugin, tool)))
        .collect()
}

fn same_tool(
    (plugin, tool): (&ServedPlugin, &ServedTool),
    (other_plugin, other): (&ServedPlugin, &ServedTool),
) -> bool {
    std::ptr::eq(plugin, other_plugin)
        || (tool.entry == other.entry
            && tool.tool.answers_like(&other.tool)
            && plugin.runs_like(other_plugin))
}

fn defined(entries: &[Defined]) -> BTreeMap<&str, &Value> {
    let entries = entries.iter();
    entries
        .map(|entry| (entry.name.as_str(), &entry.definition))
        .collect()
}
