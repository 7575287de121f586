//! What `record` and `replay` add to the flags of `sub` and `pub`.

use super::value;
use crate::packet::{Text, topic};
use clap::{ArgAction, Args};
use std::path::{Path, PathBuf};

/// What goes through `--speed` beside `max`: a thousand times slower, a million times faster.
const FACTORS: std::ops::RangeInclusive<f64> = 0.001..=1_000_000.0;

/// The flags of recording.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Recording")]
pub struct Recording {
    /// Write the lines to this file, which must not exist yet; - is the standard output
    #[arg(short = 'o', long = "output", value_name = "file", default_value = "-")]
    pub recording_file: Option<PathBuf>,
    /// Go on at the end of the file, if it exists
    #[arg(long)]
    pub append: bool,
    /// Write over the file, if it exists
    #[arg(long)]
    pub force: bool,
}

impl Recording {
    /// Whether the lines go to a file and not to the standard output.
    #[must_use]
    pub fn is_to_file(&self) -> bool {
        self.recording_file.as_deref().is_some_and(|path| path != Path::new("-"))
    }
}

/// The flags of playing a recording.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Recording")]
pub struct Replaying {
    /// Recording to publish, as `culex record` or `sub --json` writes it; - is the standard input
    #[arg(value_name = "file", required = true)]
    pub replay_file: Option<PathBuf>,
    /// Divide the recorded pauses by this number; max leaves them out
    #[arg(long, value_name = "factor", value_parser = value::elsewhere, default_value = "1")]
    pub speed: Option<value::Elsewhere>,
    /// What `--speed` says.
    #[arg(skip)]
    pub pace: Speed,
    /// Publish what was recorded under topics that begin with old under new instead: old/=new/. May be repeated; the first
    /// one that fits a topic counts
    #[arg(long = "map", value_name = "old=new", value_parser = value::elsewhere, action = ArgAction::Append)]
    pub map: Vec<value::Elsewhere>,
    /// What each `--map` says.
    #[arg(skip)]
    pub maps: Vec<TopicMap>,
}

/// How recorded pauses are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// Divided by this factor.
    Factor(f64),
    /// Left out.
    Max,
}

impl Default for Speed {
    fn default() -> Self {
        Self::Factor(1.0)
    }
}

impl Speed {
    /// Reads `10`, `0.5` or `max`.
    ///
    /// # Errors
    ///
    /// What is wrong, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse() {
            Ok(factor) if FACTORS.contains(&factor) => Ok(Self::Factor(factor)),
            _ => Err("a number from 0.001 to 1000000 or max is meant".to_owned()),
        }
    }
}

/// The beginning of topics, and what stands in its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicMap {
    old: String,
    new: String,
}

impl TopicMap {
    /// Reads `old/=new/`; the first `=` divides. An empty `old` fits every topic.
    ///
    /// # Errors
    ///
    /// What is wrong, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (old, new) = text.split_once('=').ok_or("old=new is meant")?;
        for part in [old, new].into_iter().filter(|part| !part.is_empty()) {
            topic::check_name(part).map_err(|error| error.to_string())?;
        }
        Ok(Self { old: old.to_owned(), new: new.to_owned() })
    }

    /// `name` with its beginning exchanged; `None` where it begins otherwise.
    ///
    /// # Errors
    ///
    /// What is wrong with the name that comes out: empty, or too long.
    #[must_use]
    pub fn apply(&self, name: &str) -> Option<Result<Text, String>> {
        let rest = name.strip_prefix(self.old.as_str())?;
        let name = [self.new.as_str(), rest].concat();
        let checked = topic::check_name(&name).and_then(|()| Text::try_from(name.as_str()));
        Some(checked.map_err(|error| format!("--map makes it topic '{name}': {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_factor_or_max() {
        assert_eq!(Speed::parse("10"), Ok(Speed::Factor(10.0)));
        assert_eq!(Speed::parse("0.5"), Ok(Speed::Factor(0.5)));
        assert_eq!(Speed::parse("max"), Ok(Speed::Max));
        for wrong in ["", "0", "-1", "10x", "inf", "NaN", "Max"] {
            assert!(Speed::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_map_exchanges_the_beginning_alone() {
        let map = TopicMap::parse("old/=new/sub/").unwrap();
        assert_eq!(map.apply("old/a/old/").unwrap().unwrap(), "new/sub/a/old/");
        assert_eq!(map.apply("older/a"), None);
        assert_eq!(TopicMap::parse("=x/").unwrap().apply("a").unwrap().unwrap(), "x/a");
        assert!(TopicMap::parse("a=").unwrap().apply("a").unwrap().is_err(), "an empty topic");
        assert_eq!(TopicMap::parse("a=b=c").unwrap().apply("a").unwrap().unwrap(), "b=c");
        for wrong in ["a", "", "a/#=b", "a=+"] {
            assert!(TopicMap::parse(wrong).is_err(), "{wrong}");
        }
    }
}
