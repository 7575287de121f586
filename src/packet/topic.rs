//! Topic Names and Topic Filters (MQTT 5, section 4.7): what is well-formed, and what matches.

use super::error::PacketError;
use super::text::any_byte;

/// The most `/` that a name or filter may hold, as mosquitto has it: 201 levels.
pub const TOPIC_SEPARATORS_MAX: usize = 200;

/// Checks a Topic Name: not empty [MQTT-4.7.3-1], no wildcard [MQTT-3.3.2-2], at most 200 separators.
///
/// Characters are checked where the string was read.
///
/// # Errors
///
/// [`PacketError::EmptyTopicName`], [`PacketError::TopicName`].
#[inline]
pub fn check_name(name: &str) -> Result<(), PacketError> {
    if name.is_empty() {
        return Err(PacketError::EmptyTopicName);
    }
    if has_wildcard(name) || has_too_many_levels(name) {
        return Err(PacketError::TopicName);
    }
    Ok(())
}

#[inline]
fn has_wildcard(name: &str) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The two differ only in this bit.
    const BOTH: u8 = b'+' ^ b'#';
    any_byte(name.as_bytes(), |word| {
        // Zero where a wildcard is; a zero byte borrows into its high bit.
        let difference = (word | (ONES * BOTH as u64)) ^ (ONES * b'+' as u64);
        difference.wrapping_sub(ONES) & !difference
    })
}

#[inline]
fn has_too_many_levels(topic: &str) -> bool {
    topic.len() > TOPIC_SEPARATORS_MAX
        && topic.bytes().filter(|&byte| byte == b'/').count() > TOPIC_SEPARATORS_MAX
}

/// Checks a Topic Filter: `+` and `#` fill a level, `#` is last [MQTT-4.7.1-1], [MQTT-4.7.1-2].
///
/// A `$share` filter is checked as a whole: share name and filter [MQTT-4.8.2-1], [MQTT-4.8.2-2].
///
/// # Errors
///
/// [`PacketError::TopicFilter`], [`PacketError::SharedFilter`].
pub fn check_filter(filter: &str) -> Result<(), PacketError> {
    let plain = match SharedFilter::split(filter)? {
        Some(shared) => shared.filter,
        None => filter,
    };
    if plain.is_empty() || has_too_many_levels(plain) {
        return Err(PacketError::TopicFilter);
    }
    let mut levels = plain.split('/').peekable();
    while let Some(level) = levels.next() {
        let well_placed = match level {
            "#" => levels.peek().is_none(),
            "+" => true,
            _ => !level.contains(['+', '#']),
        };
        if !well_placed {
            return Err(PacketError::TopicFilter);
        }
    }
    Ok(())
}

/// A shared subscription's filter in its two parts: `$share/{share_name}/{filter}`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SharedFilter<'a> {
    /// The group, not empty, without `/`, `+`, `#`.
    pub share_name: &'a str,
    /// The filter proper, not empty.
    pub filter: &'a str,
}

impl<'a> SharedFilter<'a> {
    /// Splits a filter that begins with `$share/`; `None` for every other.
    ///
    /// # Errors
    ///
    /// [`PacketError::SharedFilter`] when the share name or the filter is missing, or the name has a wildcard.
    pub fn split(filter: &'a str) -> Result<Option<Self>, PacketError> {
        if filter == "$share" {
            return Err(PacketError::SharedFilter);
        }
        let Some(rest) = filter.strip_prefix("$share/") else {
            return Ok(None);
        };
        let (share_name, filter) = rest.split_once('/').ok_or(PacketError::SharedFilter)?;
        if share_name.is_empty() || share_name.contains(['+', '#']) || filter.is_empty() {
            return Err(PacketError::SharedFilter);
        }
        Ok(Some(Self { share_name, filter }))
    }
}

/// Whether `filter` matches `name`; both are well-formed, and `filter` is not a `$share` one.
///
/// A filter that starts with a wildcard never matches a name that starts with `$` [MQTT-4.7.2-1].
#[must_use]
pub fn matches(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut names = name.split('/');
    let mut filters = filter.split('/');
    loop {
        match (filters.next(), names.next()) {
            // `sport/#` matches `sport` too, so `#` ends the comparison even when no level is left.
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

/// Whether everything that the filter `narrow` matches is matched by `wide`, too; both are well-formed and no `$share` ones.
#[must_use]
pub fn covers(wide: &str, narrow: &str) -> bool {
    if narrow.starts_with('$') && wide.starts_with(['+', '#']) {
        return false;
    }
    let (mut wide, mut narrow) = (wide.split('/'), narrow.split('/'));
    loop {
        match (wide.next(), narrow.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}

/// Whether a topic name can match both filters, which are well-formed and no `$share` ones.
#[must_use]
pub fn overlap(one: &str, other: &str) -> bool {
    let is_hidden = |filter: &str| filter.starts_with('$');
    let is_wild = |filter: &str| filter.starts_with(['+', '#']);
    if (is_hidden(one) && is_wild(other)) || (is_hidden(other) && is_wild(one)) {
        return false;
    }
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (Some("#"), _) | (_, Some("#")) | (None, None) => return true,
            (Some("+"), Some(_)) | (Some(_), Some("+")) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_wildcards_are_accepted_up_to_200_separators() {
        assert_eq!(check_name("/"), Ok(()));
        assert_eq!(check_name(&"/".repeat(200)), Ok(()));
        assert_eq!(check_name(&"/".repeat(201)), Err(PacketError::TopicName));
        assert_eq!(check_name("a/+"), Err(PacketError::TopicName));
        assert_eq!(check_name(""), Err(PacketError::EmptyTopicName));
    }

    #[test]
    fn a_wildcard_is_found_at_every_place_and_nothing_else_is_taken_for_one() {
        for length in [1, 3, 4, 7, 8, 9, 16, 17] {
            for (place, byte) in (0..length).flat_map(|place| (0..=127_u8).map(move |byte| (place, byte))) {
                let mut name = b"sensors/kitchen/t"[..length].to_vec();
                name[place] = byte;
                let name = String::from_utf8(name).unwrap();
                assert_eq!(has_wildcard(&name), byte == b'+' || byte == b'#', "{name:?}");
            }
        }
        assert!(!has_wildcard("Größe/温度"));
    }

    #[test]
    fn wildcards_fill_their_level_and_hash_is_last() {
        for good in ["#", "+", "+/+", "a/#", "/", "+/a/#", "$share/g/#", "$share/g//"] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for bad in ["", "#/a", "a#", "a/b#", "+a", "a/+b/c", "a/#/b"] {
            assert_eq!(check_filter(bad), Err(PacketError::TopicFilter), "{bad}");
        }
        for bad in ["$share", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/g#/a"] {
            assert_eq!(check_filter(bad), Err(PacketError::SharedFilter), "{bad}");
        }
    }

    #[test]
    fn matching_follows_the_examples_of_the_standard() {
        let yes = [
            ("sport/tennis/player1/#", "sport/tennis/player1"),
            ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon"),
            ("sport/#", "sport"),
            ("#", "a/b"),
            ("sport/tennis/+", "sport/tennis/player1"),
            ("sport/+", "sport/"),
            ("+/+", "/finance"),
            ("/+", "/finance"),
            ("$SYS/#", "$SYS/monitor/Clients"),
            ("$SYS/monitor/+", "$SYS/monitor/Clients"),
        ];
        for (filter, name) in yes {
            assert!(matches(filter, name), "{filter} {name}");
        }
        let no = [
            ("sport/tennis/+", "sport/tennis/player1/ranking"),
            ("sport/+", "sport"),
            ("+", "/finance"),
            ("#", "$SYS/monitor/Clients"),
            ("+/monitor/Clients", "$SYS/monitor/Clients"),
            ("a/b", "a"),
            ("a", "a/b"),
        ];
        for (filter, name) in no {
            assert!(!matches(filter, name), "{filter} {name}");
        }
    }

    #[test]
    fn filters_overlap_where_a_topic_matches_both() {
        let filters = [
            "#", "+", "a", "a/#", "a/+", "+/b", "a/b", "a/b/#", "+/+", "$SYS/#", "$SYS/x", "/", "b/#",
            "+/b/c",
        ];
        let topics = [
            "a", "a/b", "a/c", "b", "c/b", "a/b/c", "$SYS/x", "$SYS/b", "$SYS", "/", "", "b/b", "b/b/c",
            "/b", "c/b/c",
        ];
        for one in filters {
            for other in filters {
                let both = |name: &&&str| matches(one, name) && matches(other, name);
                assert_eq!(overlap(one, other), topics.iter().any(|name| both(&name)), "{one} {other}");
                let is_covered = topics.iter().all(|name| !matches(other, name) || matches(one, name));
                assert!(!covers(one, other) || is_covered, "{one} {other}");
            }
        }
        assert!(covers("a/#", "a/b/+") && covers("#", "a") && covers("+/b", "a/b") && !covers("+", "#"));
    }
}
