//! The part of STIX patterns that names addresses: comparisons of `ipv4-addr:value` and `ipv6-addr:value` by `=`, `IN` and
//! `ISSUBSET`, joined with `OR` within one observation or between several.
//!
//! Whatever else a pattern asks for together with an address (`AND`, `NOT`, `FOLLOWEDBY`, a time, a count) makes it say
//! less of the address alone, so such a pattern gives none. Alternatives about other things are only counted.

/// Deepest nesting of brackets.
const DEPTH_MAX: usize = 16;

/// What a pattern says of addresses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Addresses and networks, and whether each must be one of IPv4.
    pub(super) networks: Vec<(String, bool)>,
    /// Alternatives about other things.
    pub(super) others: usize,
}

/// Why a pattern gives no addresses.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotRead {
    /// It is a pattern that asks for more than is read here.
    Beyond,
    /// It is no pattern: what is wrong.
    Broken(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    Sign(u8),
    /// A keyword, a path, a number or an operator.
    Word(&'a str),
    Text(String),
}

struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn peek(&self) -> Result<Option<Token<'a>>, NotRead> {
        Tokens { rest: self.rest }.next()
    }

    fn next(&mut self) -> Result<Option<Token<'a>>, NotRead> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.bytes().next() else { return Ok(None) };
        if b"[](),".contains(&first) {
            self.take(1);
            return Ok(Some(Token::Sign(first)));
        }
        if first == b'\'' {
            return self.text().map(Some);
        }
        let is_operator = |byte: u8| b"=!<>".contains(&byte);
        let end =
            if is_operator(first) { self.rest.bytes().position(|byte| !is_operator(byte)) } else { self.word_end()? };
        let word = self.take(end.unwrap_or(self.rest.len()));
        // `t'2026-03-02T09:00:00Z'`, `h'ffd8'`, `b'…'`
        if self.rest.starts_with('\'') && matches!(word, "t" | "h" | "b") {
            self.text()?;
        }
        Ok(Some(Token::Word(word)))
    }

    /// Where a word ends: parts of a path may be quoted or indexed, `file:hashes.'SHA-256'`, `x:y[0].z`.
    fn word_end(&self) -> Result<Option<usize>, NotRead> {
        let (mut is_quoted, mut is_path, mut is_index) = (false, false, false);
        let mut last = 0;
        for (at, byte) in self.rest.bytes().enumerate() {
            match byte {
                b'\'' if is_quoted => is_quoted = false,
                _ if is_quoted => {}
                b'\'' if last == b'.' => is_quoted = true,
                b':' => is_path = true,
                b'[' if is_path => is_index = true,
                b']' if is_index => is_index = false,
                _ if byte.is_ascii_whitespace() || b"[](),=!<>'".contains(&byte) => return Ok(Some(at)),
                _ => {}
            }
            last = byte;
        }
        if is_quoted { Err(NotRead::Broken("a quote that does not end")) } else { Ok(None) }
    }

    fn text(&mut self) -> Result<Token<'a>, NotRead> {
        let mut text = String::new();
        let mut signs = self.rest.char_indices().skip(1);
        while let Some((at, sign)) = signs.next() {
            match sign {
                '\'' => {
                    self.take(at + 1);
                    return Ok(Token::Text(text));
                }
                '\\' => text.extend(signs.next().map(|(_, sign)| sign)),
                _ => text.push(sign),
            }
        }
        Err(NotRead::Broken("a quote that does not end"))
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn sign(&mut self, wanted: u8) -> Result<(), NotRead> {
        match self.next()? {
            Some(Token::Sign(sign)) if sign == wanted => Ok(()),
            _ => Err(NotRead::Broken("a bracket or comma is missing")),
        }
    }

    fn is_sign(&self, sign: u8) -> Result<bool, NotRead> {
        Ok(self.peek()? == Some(Token::Sign(sign)))
    }

    /// Goes over `OR`; what else joins is beyond what is read.
    fn or(&mut self) -> Result<bool, NotRead> {
        match self.peek()? {
            Some(Token::Word("OR")) => self.next().map(|_| true),
            Some(Token::Word("AND" | "FOLLOWEDBY" | "WITHIN" | "REPEATS" | "START" | "STOP")) => Err(NotRead::Beyond),
            Some(Token::Word(_) | Token::Text(_)) => Err(NotRead::Broken("nothing joins two parts of it")),
            Some(Token::Sign(_)) | None => Ok(false),
        }
    }
}

/// Reads a pattern.
pub(super) fn read(pattern: &str) -> Result<Named, NotRead> {
    let mut tokens = Tokens { rest: pattern };
    let mut named = Named::default();
    observations(&mut tokens, &mut named, 0)?;
    match tokens.next()? {
        None => Ok(named),
        Some(_) => Err(NotRead::Broken("text behind its end")),
    }
}

fn observations(tokens: &mut Tokens<'_>, named: &mut Named, depth: usize) -> Result<(), NotRead> {
    if depth > DEPTH_MAX {
        return Err(NotRead::Broken("brackets nested too deeply"));
    }
    loop {
        if tokens.is_sign(b'(')? {
            tokens.sign(b'(')?;
            observations(tokens, named, depth + 1)?;
            tokens.sign(b')')?;
        } else {
            tokens.sign(b'[')?;
            comparisons(tokens, named, depth + 1)?;
            tokens.sign(b']')?;
        }
        if !tokens.or()? {
            return Ok(());
        }
    }
}

fn comparisons(tokens: &mut Tokens<'_>, named: &mut Named, depth: usize) -> Result<(), NotRead> {
    if depth > DEPTH_MAX {
        return Err(NotRead::Broken("brackets nested too deeply"));
    }
    loop {
        if tokens.is_sign(b'(')? {
            tokens.sign(b'(')?;
            comparisons(tokens, named, depth + 1)?;
            tokens.sign(b')')?;
        } else {
            comparison(tokens, named)?;
        }
        if !tokens.or()? {
            return Ok(());
        }
    }
}

fn comparison(tokens: &mut Tokens<'_>, named: &mut Named) -> Result<(), NotRead> {
    let (path, operator) = match (tokens.next()?, tokens.next()?) {
        (Some(Token::Word("EXISTS" | "NOT")), _) | (_, Some(Token::Word("NOT"))) => return Err(NotRead::Beyond),
        (Some(Token::Word(path)), Some(Token::Word(operator))) if path.contains(':') => (path, operator),
        _ => return Err(NotRead::Broken("not a comparison of a path and a value")),
    };
    let values = values(tokens)?;
    let is_v4 = path == "ipv4-addr:value";
    let is_address = is_v4 || path == "ipv6-addr:value";
    if !is_address || !matches!(operator, "=" | "IN" | "ISSUBSET") {
        named.others += 1;
        return Ok(());
    }
    for value in values {
        let text = value.ok_or(NotRead::Broken("an address that is no text"))?;
        named.networks.push((text, is_v4));
    }
    Ok(())
}

/// The texts of a value or of a list in brackets; `None` for what is none.
fn values(tokens: &mut Tokens<'_>) -> Result<Vec<Option<String>>, NotRead> {
    let value = |token| match token {
        Some(Token::Text(text)) => Ok(Some(text)),
        Some(Token::Word(_)) => Ok(None),
        _ => Err(NotRead::Broken("a value is missing")),
    };
    if !tokens.is_sign(b'(')? {
        return Ok(vec![value(tokens.next()?)?]);
    }
    tokens.sign(b'(')?;
    let mut found = vec![value(tokens.next()?)?];
    while tokens.is_sign(b',')? {
        tokens.sign(b',')?;
        found.push(value(tokens.next()?)?);
    }
    tokens.sign(b')')?;
    Ok(found)
}

#[cfg(test)]
mod tests;
