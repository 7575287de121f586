//! ACL files: who may read and write which topics.
//!
//! As in mosquitto, rules before the first `user` are for clients without a User Name, those behind it for that user,
//! and patterns for everybody. What is denied stays denied, whatever else allows it; what nothing allows is denied. Other
//! than in mosquitto, a subscription is refused when nothing below its filter may be read.

use super::UsersError;
use super::file::read_text;
use crate::broker::{Authorizer, Client};
use crate::packet::{Qos, topic};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// What a rule is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Right {
    Read,
    Write,
    ReadWrite,
    Deny,
}

impl Right {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "read" => Self::Read,
            "write" => Self::Write,
            "readwrite" => Self::ReadWrite,
            "deny" => Self::Deny,
            _ => return None,
        })
    }

    fn includes(self, wanted: Self) -> bool {
        self == wanted || self == Self::ReadWrite
    }
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Rule {
    right: Right,
    filter: String,
}

/// One ACL file.
#[derive(Clone, Debug, Default)]
pub struct AclFile {
    anonymous: Vec<Rule>,
    users: HashMap<String, Vec<Rule>>,
    patterns: Vec<Rule>,
    /// The user that the next rule is for, while it is read.
    user: Option<String>,
}

impl AclFile {
    /// Reads an ACL file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or its first line that is wrong.
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let text = read_text("acl", path)?;
        let mut file = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            let place = path.display().to_string();
            file.add_line(text).map_err(|fault| UsersError::Line { fault, place, line })?;
        }
        Ok(file)
    }

    /// Takes one line as it stands in a file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a sentence without its full stop.
    pub fn add_line(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let rest = rest.trim();
        match word {
            "user" if rest.is_empty() => Err("A user line names nobody".to_owned()),
            "user" => {
                self.user = Some(rest.to_owned());
                self.users.entry(rest.to_owned()).or_default();
                Ok(())
            }
            "topic" => {
                let rule = rule(rest)?;
                match &self.user {
                    Some(user) => self.users.entry(user.clone()).or_default().push(rule),
                    None => self.anonymous.push(rule),
                }
                Ok(())
            }
            "pattern" => {
                self.patterns.push(rule(rest)?);
                Ok(())
            }
            _ => Err(format!("An ACL line begins with '{word}', not with user, topic or pattern")),
        }
    }

    /// The rules for `client`, of which the patterns have its names in them.
    fn rules<'a>(&'a self, client: &Client<'a>) -> impl Iterator<Item = (Right, std::borrow::Cow<'a, str>)> {
        let own = match client.user_name {
            Some(user) => self.users.get(user),
            None => Some(&self.anonymous),
        };
        let own = own.into_iter().flatten().map(|rule| (rule.right, rule.filter.as_str().into()));
        let client = *client;
        own.chain(
            self.patterns
                .iter()
                .filter_map(move |rule| Some((rule.right, substitute(rule, &client)?.into()))),
        )
    }

    fn allows(&self, client: &Client<'_>, wanted: Right, name: &str) -> bool {
        let mut is_allowed = false;
        for (right, filter) in self.rules(client) {
            let is_about = right == Right::Deny || (!is_allowed && right.includes(wanted));
            if is_about && topic::matches(&filter, name) {
                if right == Right::Deny {
                    return false;
                }
                is_allowed = true;
            }
        }
        is_allowed
    }

    /// Whether there can be a topic below `wanted` that `client` may read.
    fn allows_some(&self, client: &Client<'_>, wanted: &str) -> bool {
        let mut is_allowed = false;
        for (right, filter) in self.rules(client) {
            if right == Right::Deny {
                if topic::covers(&filter, wanted) {
                    return false;
                }
            } else {
                is_allowed |= right.includes(Right::Read) && topic::overlap(&filter, wanted);
            }
        }
        is_allowed
    }
}

/// `[read|write|readwrite|deny] FILTER`; both ways without a word. A filter may have blanks in it.
fn rule(text: &str) -> Result<Rule, String> {
    let (right, filter) = match text.split_once([' ', '\t']) {
        // As mosquitto has it: a filter with a space needs its right before it, so that a misspelt right is none of it.
        Some((word, filter)) => {
            let named = Right::named(word);
            let unknown = || format!("'{word}' is not a right: read, write, readwrite or deny");
            (Some(named.ok_or_else(unknown)?), filter.trim())
        }
        None => (None, text),
    };
    if filter.is_empty() || Right::named(filter).is_some() {
        return Err("An ACL line names no topic".to_owned());
    }
    topic::check_filter(filter).map_err(|_| format!("'{filter}' is not a valid topic filter"))?;
    Ok(Rule { right: right.unwrap_or(Right::ReadWrite), filter: filter.to_owned() })
}

/// A pattern with the client's names in the place of `%c` and `%u`; `None` when it says nothing about this client.
///
/// Names that look like parts of a filter allow nothing: a client could call itself `#`.
fn substitute(rule: &Rule, client: &Client<'_>) -> Option<String> {
    let mut filter = rule.filter.clone();
    for (mark, name) in [("%c", Some(client.client_identifier)), ("%u", client.user_name)] {
        if filter.contains(mark) {
            let name = name?;
            if rule.right != Right::Deny && name.contains(['+', '#', '/']) {
                return None;
            }
            filter = filter.replace(mark, name);
        }
    }
    topic::check_filter(&filter).ok()?;
    Some(filter)
}

/// The ACL files of all listeners.
#[derive(Debug)]
pub struct AccessLists {
    /// One entry a listener; without a file, everything is allowed.
    pub listeners: Vec<Option<Arc<AclFile>>>,
}

impl AccessLists {
    fn file(&self, client: &Client<'_>) -> Option<&AclFile> {
        self.listeners.get(client.listener).and_then(Option::as_deref)
    }
}

impl Authorizer for AccessLists {
    fn publish(&self, client: Client<'_>, topic: &str, _: Qos, _: bool) -> bool {
        self.file(&client).is_none_or(|file| file.allows(&client, Right::Write, topic))
    }

    fn subscribe(&self, client: Client<'_>, filter: &str, _: Qos) -> bool {
        self.file(&client).is_none_or(|file| file.allows_some(&client, filter))
    }

    fn deliver(&self, client: Client<'_>, topic: &str) -> bool {
        self.file(&client).is_none_or(|file| file.allows(&client, Right::Read, topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> AclFile {
        let mut file = AclFile::default();
        text.lines().for_each(|line| file.add_line(line).unwrap());
        file
    }

    const fn client<'a>(id: &'a str, user: Option<&'a str>) -> Client<'a> {
        Client { client_identifier: id, user_name: user, listener: 0 }
    }

    #[test]
    fn rules_belong_to_the_user_before_them() {
        let file = file(
            "# comment\n\ntopic read public/#\nuser bob\ntopic write in/+\n topic  readwrite both\ntopic readwrite plain name\n\
             user eve\n",
        );
        let allows = |user, right, topic| file.allows(&client("c", user), right, topic);
        assert!(allows(None, Right::Read, "public/x") && !allows(None, Right::Write, "public/x"));
        assert!(
            !allows(Some("bob"), Right::Read, "public/x"),
            "what is for anonymous clients is not for users"
        );
        assert!(allows(Some("bob"), Right::Write, "in/a") && !allows(Some("bob"), Right::Read, "in/a"));
        for right in [Right::Read, Right::Write] {
            assert!(allows(Some("bob"), right, "both") && allows(Some("bob"), right, "plain name"));
            assert!(!allows(Some("eve"), right, "both") && !allows(Some("mallory"), right, "both"));
        }
    }

    #[test]
    fn what_is_denied_stays_denied_in_any_order() {
        for text in ["topic a/#\ntopic deny a/secret/#", "topic deny a/secret/#\ntopic a/#"] {
            let file = file(text);
            let nobody = client("c", None);
            assert!(file.allows(&nobody, Right::Read, "a/b"));
            assert!(
                !file.allows(&nobody, Right::Read, "a/secret/b")
                    && !file.allows(&nobody, Right::Write, "a/secret")
            );
            assert!(file.allows_some(&nobody, "a/#") && !file.allows_some(&nobody, "a/secret/+"));
            assert!(!file.allows_some(&nobody, "a/secret/#") && !file.allows_some(&nobody, "b"));
        }
    }

    #[test]
    fn patterns_hold_the_names_of_the_client_and_no_wildcards_of_its() {
        let file = file("pattern write up/%c/%u\npattern read down/%u/#\npattern deny down/%u/secret");
        let bob = client("c1", Some("bob"));
        assert!(
            file.allows(&bob, Right::Write, "up/c1/bob") && !file.allows(&bob, Right::Write, "up/c2/bob")
        );
        assert!(
            file.allows(&bob, Right::Read, "down/bob/x") && !file.allows(&bob, Right::Read, "down/eve/x")
        );
        assert!(!file.allows(&bob, Right::Read, "down/bob/secret"));
        assert!(!file.allows(&client("c1", None), Right::Read, "down//x"));
        for name in ["+", "#", "bob/x"] {
            let odd = client(name, Some(name));
            assert!(!file.allows(&odd, Right::Read, "down/eve/x"), "{name}");
            assert!(!file.allows(&odd, Right::Write, "up/c1/bob"), "{name}");
        }
    }

    #[test]
    fn wrong_lines_are_named() {
        for (line, fault) in [
            ("user", "names nobody"),
            ("topic", "names no topic"),
            ("topic read", "names no topic"),
            ("topic read a/#/b", "'a/#/b' is not a valid topic filter"),
            ("pattern a+", "not a valid topic filter"),
            ("allow bob", "begins with 'allow'"),
        ] {
            let error = AclFile::default().add_line(line).unwrap_err();
            assert!(error.contains(fault), "{line}: {error}");
        }
    }
}
