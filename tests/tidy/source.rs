//! Rust text as tokens with line numbers, the module each stands in, and the paths it names.
//!
//! As much of the language as the rules of `tidy` need, so that a word in a comment or a string is never taken for code.

/// What a token is; the text of a string is kept for `#[path = "..."]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Word(String),
    Mark(char),
    Text(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Byte range in the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        if let Kind::Word(word) = &self.kind { Some(word) } else { None }
    }

    pub(crate) fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }

    pub(crate) fn is_word(&self, wanted: &str) -> bool {
        self.word() == Some(wanted)
    }
}

/// Splits `text` into words, marks and strings; comments and white space are dropped.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let start = at;
        let rest = &text[at..];
        let kind = if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
            None
        } else if rest.starts_with("/*") {
            at += block_comment(rest);
            None
        } else if let Some(length) = string(rest) {
            at += length;
            Some(Kind::Text(rest[..length].trim_matches(['"', 'b', 'c', 'r', '#']).to_owned()))
        } else if let Some(length) = character(rest) {
            at += length;
            Some(Kind::Text(String::new()))
        } else if bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_' {
            let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            at += length;
            Some(Kind::Word(rest[..length].to_owned()))
        } else {
            let mark = rest.chars().next().expect("at is before the end");
            at += mark.len_utf8();
            (!mark.is_whitespace()).then_some(Kind::Mark(mark))
        };
        if let Some(kind) = kind {
            found.push(Token { kind, line, start, end: at });
        }
        line += text[start..at].matches('\n').count();
    }
    found
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest.as_bytes()[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.as_bytes()[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of the string literal that `rest` begins with.
fn string(rest: &str) -> Option<usize> {
    let prefix = rest.bytes().take(3).position(|byte| matches!(byte, b'"' | b'#'))?;
    if !matches!(&rest[..prefix], "" | "b" | "c" | "r" | "br" | "cr") {
        return None;
    }
    let raw = rest[..prefix].ends_with('r');
    let hashes = rest[prefix..].bytes().take_while(|&byte| byte == b'#').count();
    if !rest[prefix + hashes..].starts_with('"') || (hashes > 0 && !raw) {
        return None;
    }
    let body = prefix + hashes + 1;
    if raw {
        let close = format!("\"{}", "#".repeat(hashes));
        return Some(rest[body..].find(&close).map_or(rest.len(), |at| body + at + close.len()));
    }
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(body) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

/// The length of the character literal that `rest` begins with; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix("b'").or_else(|| rest.strip_prefix('\''))?;
    let quote = rest.len() - body.len();
    if body.starts_with('\\') {
        return body.get(2..)?.find('\'').map(|at| quote + 2 + at + 1);
    }
    let first = body.chars().next()?;
    body[first.len_utf8()..].starts_with('\'').then(|| quote + first.len_utf8() + 1)
}

/// The index of the bracket that closes the one at `open`, or of the last token.
pub(crate) fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('{' | '(' | '[') => depth += 1,
            Kind::Mark('}' | ')' | ']') => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    tokens.len().saturating_sub(1)
}

/// One `mod name;` or `mod name { ... }`.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    /// Token range of the braces' inside; none for a module in a file of its own.
    pub(crate) inside: Option<(usize, usize)>,
    /// Stands behind `#[cfg(test)]`.
    pub(crate) test: bool,
    /// The `#[path = "..."]` before it.
    pub(crate) path: Option<String>,
}

pub(crate) fn modules(tokens: &[Token]) -> Vec<Module> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let (Some(name), true) = (tokens.get(at + 1).and_then(Token::word), tokens[at].is_word("mod")) else {
            continue;
        };
        let inside = match tokens.get(at + 2) {
            Some(token) if token.is('{') => Some((at + 3, closing(tokens, at + 2))),
            Some(token) if token.is(';') => None,
            _ => continue,
        };
        let attributes = attributes_before(tokens, at);
        let test = attributes.windows(3).any(|w| w[0].is_word("cfg") && w[1].is('(') && w[2].is_word("test"));
        let path = attributes.windows(3).find_map(|w| match &w[2].kind {
            Kind::Text(text) if w[0].is_word("path") => Some(text.clone()),
            _ => None,
        });
        found.push(Module { name: name.to_owned(), inside, test, path });
    }
    found
}

/// The tokens of the attributes and the visibility right before `at`.
fn attributes_before(tokens: &[Token], at: usize) -> &[Token] {
    let mut from = at;
    loop {
        let before = &tokens[..from];
        if before.last().is_some_and(|token| token.is_word("pub")) {
            from -= 1;
        } else if before.last().is_some_and(|token| token.is(')'))
            && before
                .iter()
                .rposition(|token| token.is('('))
                .is_some_and(|open| open > 0 && before[open - 1].is_word("pub"))
        {
            from = before.iter().rposition(|token| token.is('(')).expect("found above") - 1;
        } else if before.last().is_some_and(|token| token.is(']')) {
            let Some(open) = before.iter().rposition(|token| token.is('#')) else { break };
            from = open;
        } else {
            break;
        }
    }
    &tokens[from..at]
}

/// A path that the text names, with `crate`, `super` and `self` resolved: `crate::packet::Text`, `std::io`.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// Index of its first token.
    pub(crate) token: usize,
}

impl Path {
    pub(crate) fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// Every path in the file of the module `module` (`["packet", "topic"]`), the leaves of `use` trees one by one.
pub(crate) fn paths(tokens: &[Token], module: &[String]) -> Vec<Path> {
    let inner = modules(tokens);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begins = tokens[at].word().is_some() && !follows_path(tokens, at);
        if !begins {
            at += 1;
            continue;
        }
        let mut scope: Vec<String> = vec!["crate".into()];
        scope.extend(module.iter().cloned());
        for module in &inner {
            if module.inside.is_some_and(|(from, to)| (from..to).contains(&at)) {
                scope.push(module.name.clone());
            }
        }
        let first = at;
        let mut leaves = Vec::new();
        at = walk(tokens, at, &[], &mut leaves);
        for leaf in leaves {
            found.push(Path { segments: resolve(&leaf, &scope), line: tokens[first].line, token: first });
        }
    }
    found
}

fn follows_path(tokens: &[Token], at: usize) -> bool {
    at >= 2 && tokens[at - 1].is(':') && tokens[at - 2].is(':') && tokens[at - 2].end == tokens[at - 1].start
}

/// Follows one path or `use` tree from the word at `at`; returns the index after it.
fn walk(tokens: &[Token], mut at: usize, before: &[String], leaves: &mut Vec<Vec<String>>) -> usize {
    let mut segments = before.to_vec();
    while let Some(word) = tokens.get(at).and_then(Token::word) {
        segments.push(word.to_owned());
        at += 1;
        let colons = tokens.get(at..at + 2).is_some_and(|two| two.iter().all(|token| token.is(':')));
        if !colons {
            break;
        }
        at += 2;
        if tokens.get(at).is_some_and(|token| token.is('{')) {
            let end = closing(tokens, at);
            at += 1;
            while at < end {
                at = if tokens[at].word().is_some() { walk(tokens, at, &segments, leaves) } else { at + 1 };
                // `as name` renames a leaf; it names no path.
                if tokens[at - 1].is_word("as") || tokens.get(at).is_some_and(|token| token.is_word("as")) {
                    at += 2;
                }
            }
            return end + 1;
        }
    }
    leaves.push(segments);
    at
}

fn resolve(segments: &[String], scope: &[String]) -> Vec<String> {
    let mut base: Vec<String> = match segments[0].as_str() {
        "crate" | "culex" => {
            return std::iter::once("crate".to_owned()).chain(segments[1..].to_vec()).collect();
        }
        "self" if segments.len() > 1 => scope.to_vec(),
        "super" => scope[..scope.len().saturating_sub(1)].to_vec(),
        _ => return segments.to_vec(),
    };
    for segment in &segments[1..] {
        if segment == "super" {
            base.pop();
        } else {
            base.push(segment.clone());
        }
    }
    base
}

/// A function with a body: its name, its first and last line.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) first_line: usize,
    pub(crate) last_line: usize,
}

pub(crate) fn functions(tokens: &[Token]) -> Vec<Function> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let (true, Some(name)) = (tokens[at].is_word("fn"), tokens.get(at + 1).and_then(Token::word)) else {
            continue;
        };
        let mut next = at + 2;
        while let Some(token) = tokens.get(next) {
            match token.kind {
                Kind::Mark('(' | '[') => next = closing(tokens, next),
                Kind::Mark('{') => {
                    let last_line = tokens[closing(tokens, next)].line;
                    found.push(Function { name: name.to_owned(), first_line: tokens[at].line, last_line });
                    break;
                }
                Kind::Mark(';') => break,
                _ => {}
            }
            next += 1;
        }
    }
    found
}

#[test]
fn words_in_comments_and_strings_are_no_code() {
    let text = "// todo!\n/* a /* nested */ todo! */ \"todo!\\\"\" r#\"todo!\"# b'\"' 'x' '\\'' &'a str fn";
    let words: Vec<_> = tokens(text).iter().filter_map(|token| token.word().map(str::to_owned)).collect();
    assert_eq!(words, ["a", "str", "fn"]);
    assert_eq!(tokens(text).last().map(|token| token.line), Some(2));
}

#[test]
fn use_trees_are_resolved_to_their_leaves() {
    let text = "use crate::{broker::Config, time::{self, Time as T}}; use super::text; mod inner { use super::super::topic; }";
    let found = paths(&tokens(text), &["packet".into(), "name".into()]);
    let texts: Vec<_> = found.iter().map(Path::text).filter(|text| text.starts_with("crate::")).collect();
    assert_eq!(
        texts,
        [
            "crate::broker::Config",
            "crate::time::self",
            "crate::time::Time",
            "crate::packet::text",
            "crate::packet::topic"
        ]
    );
}
