//! Writes JSON laid out as cJSON does, on one line or indented with tabs.

/// Appends to a buffer; the caller keeps the order of calls grammatical.
pub(super) struct JsonWriter<'o> {
    pub(super) out: &'o mut Vec<u8>,
    pretty: bool,
    depth: usize,
}

impl<'o> JsonWriter<'o> {
    pub(super) const fn new(out: &'o mut Vec<u8>, pretty: bool) -> Self {
        Self::at_depth(out, pretty, 0)
    }

    /// Goes on inside `depth` arrays and objects.
    pub(super) const fn at_depth(out: &'o mut Vec<u8>, pretty: bool, depth: usize) -> Self {
        Self { out, pretty, depth }
    }

    pub(super) fn begin_object(&mut self) {
        self.out.push(b'{');
        self.depth += 1;
        if self.pretty {
            self.out.push(b'\n');
        }
    }

    /// Comes before each key; `first` in its object or not.
    #[inline]
    pub(super) fn begin_key(&mut self, first: bool) {
        if !first {
            self.out.push(b',');
        }
        if self.pretty {
            if !first {
                self.out.push(b'\n');
            }
            self.indent(self.depth);
        }
    }

    /// Comes between key and value.
    #[inline]
    pub(super) fn end_key(&mut self) {
        self.out.push(b':');
        if self.pretty {
            self.out.push(b'\t');
        }
    }

    /// A key that needs no escapes.
    #[inline]
    pub(super) fn key(&mut self, first: bool, key: &str) {
        self.begin_key(first);
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b'"');
        self.end_key();
    }

    pub(super) fn end_object(&mut self, empty: bool) {
        self.depth = self.depth.saturating_sub(1);
        if self.pretty {
            if !empty {
                self.out.push(b'\n');
            }
            self.indent(self.depth);
        }
        self.out.push(b'}');
    }

    pub(super) fn begin_array(&mut self) {
        self.out.push(b'[');
        self.depth += 1;
    }

    /// Comes before each element but the first.
    pub(super) fn next_element(&mut self) {
        self.out.push(b',');
        if self.pretty {
            self.out.push(b' ');
        }
    }

    pub(super) fn end_array(&mut self) {
        self.out.push(b']');
        self.depth = self.depth.saturating_sub(1);
    }

    /// A string; what is not UTF-8 goes out as it is.
    #[inline]
    pub(super) fn string(&mut self, text: &[u8]) {
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        self.escape(text);
        self.out.push(b'"');
    }

    /// A string as C sees it: what lies behind the first NUL is lost.
    #[inline]
    pub(super) fn c_string(&mut self, text: &[u8]) {
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        self.string(&text[..end]);
    }

    /// A part of a string, without quotes: runs that need no escape are copied whole.
    #[inline]
    pub(super) fn escape(&mut self, text: &[u8]) {
        let mut rest = text;
        while let Some(at) = rest.iter().position(|&byte| needs_escape(byte)) {
            self.out.extend_from_slice(&rest[..at]);
            self.escape_byte(rest[at]);
            rest = &rest[at + 1..];
        }
        self.out.extend_from_slice(rest);
    }

    fn escape_byte(&mut self, byte: u8) {
        let letter = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x0C => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            control => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let (high, low) = (DIGITS[usize::from(control >> 4)], DIGITS[usize::from(control & 15)]);
                self.out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                return;
            }
        };
        self.out.extend_from_slice(&[b'\\', letter]);
    }

    fn indent(&mut self, depth: usize) {
        self.out.extend(std::iter::repeat_n(b'\t', depth));
    }
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_escape_what_json_must_and_nothing_else() {
        let mut out = Vec::new();
        JsonWriter::new(&mut out, false).string(b"/\"\\\x08\x0C\n\r\t\x01\x1F\x7F\xC3\xA9\xFF");
        assert_eq!(out, b"\"/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\xC3\xA9\xFF\"");
    }

    #[test]
    fn c_strings_end_at_their_nul() {
        let mut out = Vec::new();
        JsonWriter::new(&mut out, false).c_string(b"ab\0cd");
        assert_eq!(out, b"\"ab\"");
    }
}
