//! `-F` formats, read once: literals, `%` specifiers, `@` time specifiers, `\` escapes.

use thiserror::Error;

/// The widest field and the highest precision; larger numbers in a format count as this one.
const NUMBER_MAX: usize = 268_435_455;

/// Why a format cannot be used.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
pub enum FormatError {
    /// The format ends inside a `%` or `@` specifier.
    #[error("format ends inside a specifier")]
    IncompleteSpecifier,
    /// No specifier has this letter.
    #[error("no format specifier is called {:?}", char::from(*.0))]
    InvalidSpecifier(u8),
    /// The format ends behind a backslash.
    #[error("format ends inside an escape")]
    IncompleteEscape,
    /// No escape has this letter.
    #[error("no escape is called {:?}", char::from(*.0))]
    InvalidEscape(u8),
}

/// What a `%` specifier prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Specifier {
    TopicAlias,
    ContentType,
    CorrelationData,
    Double,
    MessageExpiryInterval,
    PayloadFormatIndicator,
    Float,
    LocalTime,
    Json,
    JsonWithJsonPayload,
    Length,
    PacketIdentifier,
    UserProperties,
    Payload,
    Qos,
    ResponseTopic,
    Retain,
    SubscriptionIdentifier,
    Topic,
    UnixTime,
    Hexadecimal { upper: bool },
}

impl Specifier {
    const fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'A' => Self::TopicAlias,
            b'C' => Self::ContentType,
            b'D' => Self::CorrelationData,
            b'd' => Self::Double,
            b'E' => Self::MessageExpiryInterval,
            b'F' => Self::PayloadFormatIndicator,
            b'f' => Self::Float,
            b'I' => Self::LocalTime,
            b'j' => Self::Json,
            b'J' => Self::JsonWithJsonPayload,
            b'l' => Self::Length,
            b'm' => Self::PacketIdentifier,
            b'P' => Self::UserProperties,
            b'p' => Self::Payload,
            b'q' => Self::Qos,
            b'R' => Self::ResponseTopic,
            b'r' => Self::Retain,
            b'S' => Self::SubscriptionIdentifier,
            b't' => Self::Topic,
            b'U' => Self::UnixTime,
            b'X' => Self::Hexadecimal { upper: true },
            b'x' => Self::Hexadecimal { upper: false },
            _ => return None,
        })
    }

    const fn needs_time(self) -> bool {
        matches!(self, Self::LocalTime | Self::Json | Self::JsonWithJsonPayload | Self::UnixTime)
    }
}

/// Flags, width, precision and separator of a specifier.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Layout {
    /// `-`: the value stands at the left of its field.
    pub(super) left: bool,
    /// `0`: the field is filled with zeros; what that means depends on the specifier.
    pub(super) zeros: bool,
    /// The field's least width in bytes; 0 for none.
    pub(super) width: usize,
    /// What it limits depends on the specifier.
    pub(super) precision: Option<usize>,
    /// Stands between groups of hexadecimal digits.
    pub(super) separator: Option<u8>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Part {
    Literal(Box<[u8]>),
    Field(Specifier, Layout),
    /// strftime's conversion with that letter.
    Time(u8),
    /// The nanoseconds of the second, nine digits.
    Nanoseconds,
}

/// A format that has been checked and taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    parts: Box<[Part]>,
    needs_time: bool,
}

impl Template {
    /// Reads a format; it need not be UTF-8.
    ///
    /// # Errors
    ///
    /// The first fault from the left.
    pub fn parse(format: impl AsRef<[u8]>) -> Result<Self, FormatError> {
        let mut parser = Parser { rest: format.as_ref(), literal: Vec::new(), parts: Vec::new() };
        parser.parse()?;
        let needs_time = parser.parts.iter().any(|part| match part {
            Part::Literal(_) => false,
            Part::Field(specifier, _) => specifier.needs_time(),
            Part::Time(_) | Part::Nanoseconds => true,
        });
        Ok(Self { parts: parser.parts.into_boxed_slice(), needs_time })
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(super) const fn needs_time(&self) -> bool {
        self.needs_time
    }
}

struct Parser<'a> {
    rest: &'a [u8],
    literal: Vec<u8>,
    parts: Vec<Part>,
}

impl Parser<'_> {
    fn parse(&mut self) -> Result<(), FormatError> {
        while let Some(byte) = self.next() {
            match byte {
                b'%' => self.specifier()?,
                b'@' => self.time()?,
                b'\\' => self.escape()?,
                literal => self.literal.push(literal),
            }
        }
        self.end_literal();
        Ok(())
    }

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn next_if(&mut self, wanted: impl FnOnce(u8) -> bool) -> Option<u8> {
        let &first = self.rest.first()?;
        if wanted(first) { self.next() } else { None }
    }

    fn push(&mut self, part: Part) {
        self.end_literal();
        self.parts.push(part);
    }

    fn end_literal(&mut self) {
        if !self.literal.is_empty() {
            let literal = std::mem::take(&mut self.literal);
            self.parts.push(Part::Literal(literal.into_boxed_slice()));
        }
    }

    /// `%`, one flag, width, `.` and precision, one separator, letter.
    fn specifier(&mut self) -> Result<(), FormatError> {
        let mut layout = Layout::default();
        match self.next_if(|byte| byte == b'-' || byte == b'0') {
            Some(b'-') => {
                layout.left = true;
                layout.zeros = self.rest.first() == Some(&b'0');
            }
            Some(_) => layout.zeros = true,
            None => {}
        }
        layout.width = self.number();
        if self.next_if(|byte| byte == b'.').is_some() {
            layout.precision = Some(self.number());
        }
        layout.separator = self.next_if(is_separator);
        match self.next().ok_or(FormatError::IncompleteSpecifier)? {
            b'%' => self.literal.push(b'%'),
            letter => {
                let specifier =
                    Specifier::from_letter(letter).ok_or(FormatError::InvalidSpecifier(letter))?;
                self.push(Part::Field(specifier, layout));
            }
        }
        Ok(())
    }

    fn number(&mut self) -> usize {
        let mut number = 0_usize;
        while let Some(digit) = self.next_if(|byte| byte.is_ascii_digit()) {
            number = NUMBER_MAX.min(number * 10 + usize::from(digit - b'0'));
        }
        number
    }

    fn time(&mut self) -> Result<(), FormatError> {
        match self.next().ok_or(FormatError::IncompleteSpecifier)? {
            b'@' => self.literal.push(b'@'),
            b'N' => self.push(Part::Nanoseconds),
            conversion => self.push(Part::Time(conversion)),
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), FormatError> {
        let byte = match self.next().ok_or(FormatError::IncompleteEscape)? {
            b'\\' => b'\\',
            b'0' => 0,
            b'a' => 0x07,
            b'e' => 0x1B,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0B,
            other => return Err(FormatError::InvalidEscape(other)),
        };
        self.literal.push(byte);
        Ok(())
    }
}

/// Space and ASCII punctuation but `%`, which is the letter of its own specifier.
const fn is_separator(byte: u8) -> bool {
    byte == b' ' || (byte.is_ascii_punctuation() && byte != b'%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_escapes_and_doubled_signs_become_one_part() {
        let template = Template::parse(r"a%%@@\t\\\0b").unwrap();
        assert_eq!(template.parts(), [Part::Literal((*b"a%@\t\\\0b").into())]);
        assert!(!template.needs_time());
        assert!(Template::parse("").unwrap().parts().is_empty());
    }

    #[test]
    fn a_layout_is_read_in_its_order() {
        let template = Template::parse("%-012.34:x").unwrap();
        let layout =
            Layout { left: true, zeros: true, width: 12, precision: Some(34), separator: Some(b':') };
        assert_eq!(template.parts(), [Part::Field(Specifier::Hexadecimal { upper: false }, layout)]);
        assert_eq!(Template::parse("%--5l"), Err(FormatError::InvalidSpecifier(b'5')));
        assert_eq!(Template::parse("%0-5l"), Err(FormatError::InvalidSpecifier(b'5')));
    }

    #[test]
    fn numbers_too_large_to_mean_anything_stop_at_the_bound() {
        let template = Template::parse("%99999999999999999999999.5t").unwrap();
        let layout = Layout { width: NUMBER_MAX, precision: Some(5), ..Layout::default() };
        assert_eq!(template.parts(), [Part::Field(Specifier::Topic, layout)]);
    }

    #[test]
    fn faults_are_told_apart() {
        for incomplete in ["%", "%0", "%-", "%1", "%.", "%.1", "%5:", "@", "%t@"] {
            assert_eq!(Template::parse(incomplete), Err(FormatError::IncompleteSpecifier), "{incomplete}");
        }
        assert_eq!(Template::parse("%Z%"), Err(FormatError::InvalidSpecifier(b'Z')));
        assert_eq!(Template::parse("a\\"), Err(FormatError::IncompleteEscape));
        assert_eq!(Template::parse("\\Z\\"), Err(FormatError::InvalidEscape(b'Z')));
        assert_eq!(Template::parse("%é"), Err(FormatError::InvalidSpecifier(0xC3)));
    }

    #[test]
    fn only_what_shows_time_asks_for_it() {
        for with in ["%I", "%U", "%j", "%J", "@Y", "@N"] {
            assert!(Template::parse(with).unwrap().needs_time(), "{with}");
        }
        assert!(!Template::parse("%t %p %x @@ %%").unwrap().needs_time());
    }
}
