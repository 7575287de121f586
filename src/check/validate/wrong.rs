//! What is found wrong, and where.

use super::super::yaml::Key;

/// What is wrong, and the way to the member that is.
#[derive(Debug)]
pub(in super::super) struct Wrong {
    pub(in super::super) path: Vec<Key>,
    pub(in super::super) text: String,
}

impl Wrong {
    /// It is in this member of what was looked at.
    pub(super) fn within(mut self, member: &str) -> Self {
        self.path.insert(0, Key::Member(member.to_owned()));
        self
    }

    /// It is in this element of a list.
    pub(super) fn element(mut self, at: usize) -> Self {
        self.path.insert(0, Key::Element(at));
        self
    }

    pub(super) fn about(mut self, what: &str) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }
}

impl From<String> for Wrong {
    fn from(text: String) -> Self {
        Self { path: Vec::new(), text }
    }
}

impl From<&str> for Wrong {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// What is found wrong in a member.
pub(super) trait Within<T> {
    fn within(self, member: &str) -> Result<T, Wrong>;
}

impl<T, E: Into<Wrong>> Within<T> for Result<T, E> {
    fn within(self, member: &str) -> Result<T, Wrong> {
        self.map_err(|wrong| wrong.into().within(member))
    }
}
