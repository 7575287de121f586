//! The filters that one session subscribes to, in byte order: a few in most sessions, and any number in some.

use std::collections::BTreeSet;

/// From here on they are kept in a tree: putting one of many into a vector moves half of the others.
const FEW_MAX: usize = 64;

/// A set of filters.
#[derive(Debug)]
pub(super) enum Filters {
    /// In byte order; the form that takes the least memory.
    Few(Vec<Box<str>>),
    Many(BTreeSet<Box<str>>),
}

impl Default for Filters {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Filters {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(filters) => filters.len(),
            Self::Many(filters) => filters.len(),
        }
    }

    pub(super) fn contains(&self, filter: &str) -> bool {
        match self {
            Self::Few(filters) => place(filters, filter).is_ok(),
            Self::Many(filters) => filters.contains(filter),
        }
    }

    /// Adds a filter; false when it was there.
    pub(super) fn insert(&mut self, filter: &str) -> bool {
        match self {
            Self::Few(filters) => {
                let Err(place) = place(filters, filter) else {
                    return false;
                };
                if filters.is_empty() {
                    filters.reserve_exact(1);
                }
                filters.insert(place, filter.into());
                if filters.len() > FEW_MAX {
                    *self = Self::Many(std::mem::take(filters).into_iter().collect());
                }
                true
            }
            Self::Many(filters) => filters.insert(filter.into()),
        }
    }

    /// Takes a filter out, if it is there.
    pub(super) fn remove(&mut self, filter: &str) {
        match self {
            Self::Few(filters) => {
                if let Ok(place) = place(filters, filter) {
                    filters.remove(place);
                }
            }
            Self::Many(filters) => {
                filters.remove(filter);
                if filters.is_empty() {
                    *self = Self::default();
                }
            }
        }
    }

    /// All of them, in byte order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let (few, many) = match self {
            Self::Few(filters) => (Some(filters), None),
            Self::Many(filters) => (None, Some(filters)),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten()).map(|filter| &**filter)
    }
}

fn place(filters: &[Box<str>], filter: &str) -> Result<usize, usize> {
    filters.binary_search_by(|known| (**known).cmp(filter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_are_the_same_set_in_the_same_order() {
        let mut filters = Filters::default();
        let mut model = BTreeSet::new();
        // All residues of 211, in an order of their own.
        let names: Vec<String> = (0..211_u32).map(|number| format!("{}/+", number * 97 % 211)).collect();
        for name in names.iter().chain(&names) {
            assert_eq!(filters.insert(name), model.insert(name.clone()));
            assert!(filters.contains(name) && !filters.contains("other"));
            assert!(filters.iter().eq(model.iter().map(String::as_str)));
        }
        assert_eq!(filters.len(), 211);
        for name in &names {
            filters.remove("other");
            filters.remove(name);
            model.remove(name);
            assert!(filters.iter().eq(model.iter().map(String::as_str)));
        }
        assert!(filters.len() == 0 && matches!(filters, Filters::Few(_)));
    }
}
