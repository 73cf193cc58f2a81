//! One entry of a definition while it is read: its name, and everything that is wrong with it.

use std::collections::HashSet;

use crate::error::{Cause, Problem};
use crate::node::{Data, Findings, Node, Reader};
use crate::snapshot::{Advice, Quarantined};

/// One entry while it is read.
pub(crate) struct Entry<'a> {
    file: &'a str,
    kind: &'static str,
    node: &'a Node,
    /// Its name; none where that is what is wrong.
    name: Option<String>,
    findings: Findings,
}

impl<'a> Entry<'a> {
    /// Reads the name. It must not be that of an earlier entry, served or not: whoever changes an
    /// entry by its name must find one.
    pub(crate) fn begin(
        file: &'a str,
        kind: &'static str,
        node: &'a Node,
        taken: &mut HashSet<String>,
    ) -> Self {
        let mut entry = Self {
            file,
            kind,
            node,
            name: None,
            findings: Findings::default(),
        };
        let mut reader = entry.reader();
        if !reader.is_map(node) {
            return entry;
        }
        let name = reader.required_text(node, "name", "give it a name");
        let is_taken = name
            .as_ref()
            .is_some_and(|name| !taken.insert(name.clone()));
        entry.name = name;
        if let Some(name) = entry.name.clone().filter(|_| is_taken) {
            entry.wrong_because(
                Cause::NameTaken,
                "name",
                format!("{name:?} is taken by an earlier {kind}: choose another"),
            );
        }
        entry
    }

    /// The same of an entry that is to be published, which is held to more than one that stands in a file.
    pub(crate) fn for_publication(mut self) -> Self {
        self.findings.is_for_publication = true;
        self
    }

    /// Reads the rest; without a name too, so that everything that is wrong is told at once.
    pub(crate) fn read<T>(
        &mut self,
        read: impl FnOnce(&'a Node, &str, &mut Reader<'_>) -> T,
    ) -> Option<T> {
        let name = self.name.clone().unwrap_or_default();
        let node = self.node;
        matches!(node.data, Data::Map(_)).then(|| read(node, &name, &mut self.reader()))
    }

    /// What is read.
    pub(crate) fn node(&self) -> &'a Node {
        self.node
    }

    /// Its name, where it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(crate) fn wrong_because(&mut self, cause: Cause, field: &str, message: String) {
        let node = self.node;
        self.reader().wrong_because(cause, node, field, message);
    }

    pub(crate) fn reader(&mut self) -> Reader<'_> {
        let described = match &self.name {
            Some(name) => format!("{} {name:?}", self.kind),
            None => self.kind.to_owned(),
        };
        Reader::new(self.file, described, &mut self.findings)
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_right(&self) -> bool {
        self.findings.problems.is_empty()
    }

    /// Everything that is wrong.
    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.findings.problems
    }

    /// What is not wrong, and hardly meant as it is written.
    pub(crate) fn take_advice(&mut self) -> Vec<Advice> {
        let advice = std::mem::take(&mut self.findings.advice);
        let advised = advice.into_iter().map(|advice| Advice {
            kind: self.kind,
            name: self.name.clone().unwrap_or_default(),
            text: advice.to_string(),
        });
        advised.collect()
    }

    /// Sets it aside where something is wrong with it.
    pub(crate) fn end(self, quarantined: &mut Vec<Quarantined>) {
        if !self.findings.problems.is_empty() {
            let place = || format!("line {}", self.node.line.unwrap_or_default());
            quarantined.push(Quarantined {
                kind: self.kind,
                name: self.name.unwrap_or_else(place),
                definition: self.node.to_json(),
                problems: self.findings.problems,
            });
        }
    }
}
