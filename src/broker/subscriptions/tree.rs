//! Filters with wildcards by their levels.
//!
//! All nodes lie in one slab and all edges to literal levels in one hash table, so that a node is small and a walk
//! hashes one level a step, whether its parent has one child or 100,000. `+` hangs at its parent directly, `#` marks it.

use super::{FilterIndex, index};
use hashbrown::HashTable;
use rustc_hash::FxHasher;
use slab::Slab;
use std::hash::Hasher;
use std::num::NonZeroU32;

/// A place in the slab, counted from 1, so that an `Option` costs nothing.
pub(super) type NodeIndex = NonZeroU32;

#[derive(Debug)]
struct Node {
    parent: Option<NodeIndex>,
    /// The level by which the parent reaches this node; empty for the root and below `+`.
    level: Box<str>,
    /// How many literal levels lie below.
    literals: u32,
    /// The child for `+`.
    single: Option<NodeIndex>,
    /// The filter that ends here.
    filter: Option<FilterIndex>,
    /// The filter that ends here with `/#`.
    multi: Option<FilterIndex>,
}

impl Node {
    const fn is_unused(&self) -> bool {
        self.literals == 0 && self.single.is_none() && self.filter.is_none() && self.multi.is_none()
    }
}

/// The tree; it has a root exactly when it has a filter.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Slab<Node>,
    edges: HashTable<NodeIndex>,
    root: Option<NodeIndex>,
}

/// What a walk still has to do: a stack instead of recursion. Each node is visited at most once.
#[derive(Debug, Default)]
pub(super) struct Walk(Vec<Step>);

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Look at a node; behind it, where in the topic the level below begins, unless the topic ends there.
    Visit(NodeIndex, Option<u32>),
    /// Back from the literal levels and `+`, this `#` is due.
    Found(FilterIndex),
}

impl Tree {
    pub(super) const fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Adds the nodes of a filter that is not in the tree, and returns the one at which it ends.
    pub(super) fn insert(&mut self, filter: &str, filter_index: FilterIndex) -> NodeIndex {
        let mut at = match self.root {
            Some(root) => root,
            None => *self.root.insert(add(&mut self.nodes, None, "")),
        };
        for level in filter.split('/') {
            match level {
                "#" => {
                    self.node_mut(at).multi = Some(filter_index);
                    return at;
                }
                "+" => {
                    at = match self.node(at).single {
                        Some(child) => child,
                        None => {
                            let child = add(&mut self.nodes, Some(at), "");
                            self.node_mut(at).single = Some(child);
                            child
                        }
                    };
                }
                literal => at = self.literal_or_insert(at, literal),
            }
        }
        self.node_mut(at).filter = Some(filter_index);
        at
    }

    /// Takes out the filter that ends at `at`, and every node that is of no use without it.
    pub(super) fn remove(&mut self, at: NodeIndex, filter_index: FilterIndex) {
        let node = self.node_mut(at);
        if node.filter == Some(filter_index) {
            node.filter = None;
        } else {
            node.multi = None;
        }
        let mut at = at;
        while self.node(at).is_unused() {
            let node = self.nodes.remove(slot(at));
            let Some(parent) = node.parent else {
                self.root = None;
                return;
            };
            if self.node(parent).single == Some(at) {
                self.node_mut(parent).single = None;
            } else {
                let hash = hash(parent, &node.level);
                if let Ok(edge) = self.edges.find_entry(hash, |&child| child == at) {
                    edge.remove();
                }
                self.node_mut(parent).literals -= 1;
            }
            at = parent;
        }
    }

    /// Appends the filters that match `topic`, literal levels before `+` before `#`.
    pub(super) fn matching(&self, topic: &str, walk: &mut Walk, found: &mut Vec<FilterIndex>) {
        let Some(root) = self.root else {
            return;
        };
        let stack = &mut walk.0;
        stack.clear();
        if topic.starts_with('$') {
            // Wildcards at the root do not see this topic, so the walk starts behind its first level.
            let (level, rest) = first_level(topic, 0);
            if let Some(child) = self.literal(root, level) {
                self.descend(child, topic, rest, stack, found);
            }
        } else {
            self.descend(root, topic, Some(0), stack, found);
        }
        while let Some(step) = stack.pop() {
            match step {
                Step::Visit(node, rest) => self.descend(node, topic, rest, stack, found),
                Step::Found(filter) => found.push(filter),
            }
        }
    }

    /// Looks at one node: what ends here, and what lies below, pushed in the reverse of the order promised.
    #[inline]
    fn descend(
        &self,
        at: NodeIndex,
        topic: &str,
        rest: Option<u32>,
        stack: &mut Vec<Step>,
        found: &mut Vec<FilterIndex>,
    ) {
        let node = self.node(at);
        let Some(start) = rest else {
            found.extend(node.filter);
            // `sport/#` matches `sport` too.
            found.extend(node.multi);
            return;
        };
        let (level, rest) = first_level(topic, start);
        stack.extend(node.multi.map(Step::Found));
        stack.extend(node.single.map(|child| Step::Visit(child, rest)));
        if node.literals > 0
            && let Some(child) = self.literal(at, level)
        {
            stack.push(Step::Visit(child, rest));
        }
    }

    #[inline]
    fn literal(&self, parent: NodeIndex, level: &str) -> Option<NodeIndex> {
        let same = |&child: &NodeIndex| is_edge(self.node(child), parent, level);
        self.edges.find(hash(parent, level), same).copied()
    }

    fn literal_or_insert(&mut self, parent: NodeIndex, level: &str) -> NodeIndex {
        if let Some(child) = self.literal(parent, level) {
            return child;
        }
        let child = add(&mut self.nodes, Some(parent), level);
        self.node_mut(parent).literals += 1;
        let nodes = &self.nodes;
        self.edges.insert_unique(hash(parent, level), child, |&child| {
            let node = &nodes[slot(child)];
            node.parent.map_or(0, |parent| hash(parent, &node.level))
        });
        child
    }

    #[inline]
    fn node(&self, at: NodeIndex) -> &Node {
        &self.nodes[slot(at)]
    }

    fn node_mut(&mut self, at: NodeIndex) -> &mut Node {
        &mut self.nodes[slot(at)]
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.nodes.len(), self.edges.len())
    }
}

fn add(nodes: &mut Slab<Node>, parent: Option<NodeIndex>, level: &str) -> NodeIndex {
    let node = Node { parent, level: level.into(), literals: 0, single: None, filter: None, multi: None };
    NodeIndex::MIN.saturating_add(index(nodes.insert(node)))
}

#[inline]
const fn slot(at: NodeIndex) -> usize {
    at.get() as usize - 1
}

#[inline]
fn is_edge(child: &Node, parent: NodeIndex, level: &str) -> bool {
    child.parent == Some(parent) && *child.level == *level
}

#[inline]
fn hash(parent: NodeIndex, level: &str) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write_u32(parent.get());
    hasher.write(level.as_bytes());
    hasher.finish()
}

/// The level of `topic` that begins at `start`, and where the next one begins.
#[inline]
fn first_level(topic: &str, start: u32) -> (&str, Option<u32>) {
    let rest = &topic[start as usize..];
    match rest.bytes().position(|byte| byte == b'/') {
        // A topic has at most 65,535 bytes.
        #[allow(clippy::cast_possible_truncation)]
        Some(end) => (&rest[..end], Some(start + end as u32 + 1)),
        None => (rest, None),
    }
}
