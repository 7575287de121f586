//! From a text to a tree.

use super::{Fault, Kind, Node, Place, Style};
use serde_saphyr::granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};
use std::collections::BTreeMap;

/// Nodes of a file at most, those that aliases stand for counted each time.
const NODES_MAX: usize = 1_000_000;

/// Lists and maps inside each other at most.
const DEPTH_MAX: usize = 100;

/// Stands for the braces of `${name}` while YAML is read, where they have a meaning of their own. As many characters, so
/// that all places stay.
pub(super) const BRACES: [char; 2] = ['\u{e000}', '\u{e001}'];

/// Reads YAML 1.2, of which JSON is a part: `on` and `off` are texts, which devices say all day, and so is `007`.
///
/// # Errors
///
/// Where it is none.
pub(in super::super) fn parse(source: &str) -> Result<Node, Fault> {
    let masked = masked(source);
    let mut builder = Builder::default();
    for event in Parser::new_from_str(&masked) {
        let (event, span) = event.map_err(|error| scan_fault(&error))?;
        builder.take(event, place(&span.start))?;
    }
    let nothing = Fault { place: Place { line: 1, column: 1 }, text: "there is nothing in it".to_owned() };
    match builder.root {
        Some(root) if !root.is_nothing() => Ok(root),
        _ => Err(nothing),
    }
}

/// With the braces of all names put aside.
pub(super) fn masked(source: &str) -> String {
    let braces = format!("${{1}}$${}${{2}}{}", BRACES[0], BRACES[1]);
    super::super::variables::USE.replace_all(source, braces).into_owned()
}

/// With them back in their places.
pub(super) fn unmasked(text: &str) -> String {
    text.replace(BRACES[0], "{").replace(BRACES[1], "}")
}

fn place(mark: &Marker) -> Place {
    Place { line: mark.line(), column: mark.col() + 1 }
}

fn scan_fault(error: &ScanError) -> Fault {
    let info = unmasked(&error.info());
    let text = match info.as_str() {
        "while parsing a block mapping, did not find expected key" => {
            "this is indented as nothing above it is".to_owned()
        }
        "recursion limit exceeded" => too_deep(),
        text if text.contains("unknown anchor") => "nothing is marked with '&' by this name".to_owned(),
        text if text.starts_with("tabs disallowed") => "a tab cannot indent; use spaces".to_owned(),
        text => match text.split_once("did not find expected ") {
            Some((_, expected)) => format!("{expected} is missing here"),
            None => text.to_owned(),
        },
    };
    Fault { place: place(error.marker()), text }
}

fn too_deep() -> String {
    format!("lists and maps stand in each other {DEPTH_MAX} deep at most")
}

/// A list or map that has not ended.
struct Open {
    place: Place,
    anchor: usize,
    parts: Parts,
}

enum Parts {
    List(Vec<Node>),
    /// The members, and the name of one whose value is still to come.
    Map(Vec<(Node, Node)>, Option<Node>),
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Fault> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(Fault { place, text: "a second document begins here; there may be one".to_owned() })
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = is_text(tag.as_deref(), place)?;
                let style =
                    if style == ScalarStyle::Plain && !is_text { Style::Plain } else { Style::Quoted };
                self.add(Node { place, kind: Kind::Scalar(unmasked(&text), style) }, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                is_text(tag.as_deref(), place)?;
                self.begin(Open { place, anchor, parts: Parts::List(Vec::new()) })
            }
            Event::MappingStart(_, anchor, tag) => {
                is_text(tag.as_deref(), place)?;
                self.begin(Open { place, anchor, parts: Parts::Map(Vec::new(), None) })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { place, anchor, parts: Parts::List(elements) }) => {
                    self.add(Node { place, kind: Kind::List(elements) }, anchor)
                }
                Some(Open { place, anchor, parts: Parts::Map(members, _) }) => {
                    self.add(Node { place, kind: Kind::Map(merged(members)) }, anchor)
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(mut node) => {
                    node.place = place;
                    self.nodes += size(&node);
                    self.add(node, 0)
                }
                None => Err(Fault { place, text: "it cannot stand for what it is a part of".to_owned() }),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, open: Open) -> Result<(), Fault> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Fault { place: open.place, text: too_deep() });
        }
        self.open.push(open);
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Fault { place: node.place, text: format!("a file has {NODES_MAX} values at most") });
        }
        if anchor > 0 {
            self.nodes += size(&node);
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.parts) {
            None => self.root = Some(node),
            Some(Parts::List(elements)) => elements.push(node),
            Some(Parts::Map(members, name)) => match name.take() {
                Some(name) => members.push((name, node)),
                None => *name = Some(named(node, members)?),
            },
        }
        Ok(())
    }
}

/// The name of a member, which no other may have.
fn named(name: Node, members: &[(Node, Node)]) -> Result<Node, Fault> {
    let Some(text) = name.text() else {
        return Err(Fault { place: name.place, text: "a name is a text".to_owned() });
    };
    match members.iter().find(|(key, _)| key.text() == Some(text) && text != "<<") {
        Some((first, _)) => {
            let text = format!("'{text}' stands here a second time, first in line {}", first.place.line);
            Err(Fault { place: name.place, text })
        }
        None => Ok(name),
    }
}

/// The members with those of `<<`, which give way to others.
fn merged(members: Vec<(Node, Node)>) -> Vec<(Node, Node)> {
    let is_merge = |key: &Node| matches!(&key.kind, Kind::Scalar(text, Style::Plain) if text == "<<");
    if !members.iter().any(|(key, _)| is_merge(key)) {
        return members;
    }
    let (merges, mut members): (Vec<_>, Vec<_>) = members.into_iter().partition(|(key, _)| is_merge(key));
    for (_, value) in &merges {
        let parts =
            if let Kind::List(parts) = &value.kind { &parts[..] } else { std::slice::from_ref(value) };
        for (key, value) in parts.iter().flat_map(Node::members) {
            if !members.iter().any(|(name, _)| name.text() == key.text()) {
                members.push((key.clone(), value.clone()));
            }
        }
    }
    members
}

/// Whether a tag says that a scalar is a text; the other tags of YAML say what is seen anyway.
fn is_text(tag: Option<&Tag>, place: Place) -> Result<bool, Fault> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() => Ok(tag.core_suffix() == Some("str")),
        // The tag `!` alone.
        Some(tag) if tag.original() == "!" => Ok(true),
        Some(tag) => {
            Err(Fault { place, text: format!("there are no tags such as '{}' here", tag.original()) })
        }
    }
}

fn size(node: &Node) -> usize {
    let inside: usize = match &node.kind {
        Kind::Scalar(..) => 0,
        Kind::List(elements) => elements.iter().map(size).sum(),
        Kind::Map(members) => members.iter().map(|(_, value)| 1 + size(value)).sum(),
    };
    inside + 1
}
