//! One pass over the bytes, with an explicit stack.

use std::cmp::Ordering;

use super::{DecodeError, DecodeErrorReason as Reason, Limits, NotCanonical, NotCanonicalReason, Value};

/// A string, an integer, or the beginning or end of a list or dictionary; the byte at `start` says which.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    /// Offset of the first byte.
    pub(super) start: u32,
    /// String or integer: offset after the last byte. List or dictionary: index of the token after its end token.
    /// End: unused.
    pub(super) link: u32,
}

/// The tokens of the value at the beginning of `input`, and how many bytes it has.
pub(super) fn scan(input: &[u8], limits: Limits) -> Result<(Vec<Token>, usize), DecodeError> {
    let longest = limits.length.min(u32::MAX as usize);
    let within = input.get(..longest).unwrap_or(input);
    let mut scanner = Scanner { input: within, at: 0, tokens: Vec::new(), open: Vec::new(), limits };
    loop {
        let start = scanner.at;
        match scanner.token() {
            Ok(()) if scanner.open.is_empty() => return Ok((scanner.tokens, scanner.at)),
            Ok(()) => {}
            Err(Reason::Truncated | Reason::StringTooLong) if within.len() < input.len() => {
                return Err(DecodeError { offset: longest, reason: Reason::TooLong });
            }
            Err(reason) => return Err(DecodeError { offset: start, reason }),
        }
    }
}

/// A list or dictionary that has not ended yet.
struct Open {
    /// Of its first token.
    index: usize,
    is_dict: bool,
    /// In a dictionary: a key is next, not a value.
    wants_key: bool,
}

struct Scanner<'a> {
    input: &'a [u8],
    at: usize,
    tokens: Vec<Token>,
    open: Vec<Open>,
    limits: Limits,
}

impl Scanner<'_> {
    /// Reads one token; always moves on by at least a byte.
    fn token(&mut self) -> Result<(), Reason> {
        let rest = self.input.get(self.at..).unwrap_or_default();
        let byte = *rest.first().ok_or(Reason::Truncated)?;
        let wants_key = self.open.last().is_some_and(|open| open.is_dict && open.wants_key);
        if wants_key && !byte.is_ascii_digit() && byte != b'e' {
            return Err(Reason::KeyNotString);
        }
        match byte {
            b'd' | b'l' => self.begin(byte == b'd'),
            b'e' => self.end(),
            b'i' => {
                let number = integer(rest)?;
                self.scalar(number.length)
            }
            b'0'..=b'9' => {
                let header = string_header(rest)?;
                let length = usize::try_from(header.value).map_err(|_| Reason::NumberOutOfRange)?;
                let length = header.length.checked_add(length).ok_or(Reason::NumberOutOfRange)?;
                if length > rest.len() {
                    return Err(Reason::StringTooLong);
                }
                self.scalar(length)
            }
            other => Err(Reason::UnexpectedByte(other)),
        }
    }

    fn begin(&mut self, is_dict: bool) -> Result<(), Reason> {
        if self.open.len() >= self.limits.depth {
            return Err(Reason::TooDeep);
        }
        self.open.push(Open { index: self.tokens.len(), is_dict, wants_key: is_dict });
        self.push(0)?;
        self.at = self.at.saturating_add(1);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Reason> {
        let open = self.open.pop().ok_or(Reason::UnexpectedByte(b'e'))?;
        if open.is_dict && !open.wants_key {
            return Err(Reason::KeyWithoutValue);
        }
        self.push(0)?;
        let after = u32::try_from(self.tokens.len()).map_err(|_| Reason::TooManyTokens)?;
        if let Some(token) = self.tokens.get_mut(open.index) {
            token.link = after;
        }
        self.at = self.at.saturating_add(1);
        self.value_done();
        Ok(())
    }

    fn scalar(&mut self, length: usize) -> Result<(), Reason> {
        let end = self.at.saturating_add(length);
        self.push(end)?;
        self.at = end;
        self.value_done();
        Ok(())
    }

    fn push(&mut self, link: usize) -> Result<(), Reason> {
        if self.tokens.len() >= self.limits.tokens {
            return Err(Reason::TooManyTokens);
        }
        let start = u32::try_from(self.at).map_err(|_| Reason::TooLong)?;
        let link = u32::try_from(link).map_err(|_| Reason::TooLong)?;
        if self.tokens.len() == self.tokens.capacity() {
            // Doubling would cost up to three times the final size while it copies; this costs 2.25 times.
            self.tokens.reserve_exact((self.tokens.len() / 4).max(16));
        }
        self.tokens.push(Token { start, link });
        Ok(())
    }

    fn value_done(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.wants_key = open.is_dict && !open.wants_key;
        }
    }
}

/// A number and the bytes that it takes with its delimiters.
pub(super) struct Number {
    pub(super) value: i64,
    pub(super) length: usize,
    pub(super) needless_zeros: bool,
}

/// Longer numbers are refused even when the surplus is zeros, so that reading one again takes constant time.
const MAX_DIGITS: usize = 32;

/// Reads `i-12e`.
pub(super) fn integer(bytes: &[u8]) -> Result<Number, Reason> {
    let negative = bytes.get(1) == Some(&b'-');
    number(bytes, if negative { 2 } else { 1 }, b'e', negative)
}

/// Reads `12:`.
pub(super) fn string_header(bytes: &[u8]) -> Result<Number, Reason> {
    number(bytes, 0, b':', false)
}

fn number(bytes: &[u8], first: usize, delimiter: u8, negative: bool) -> Result<Number, Reason> {
    let digits = bytes.get(first..).unwrap_or_default();
    let mut value = 0_i64;
    let mut count = 0_usize;
    for &byte in digits {
        if byte == delimiter {
            break;
        }
        if !byte.is_ascii_digit() {
            return Err(Reason::MalformedNumber);
        }
        if count == MAX_DIGITS {
            return Err(Reason::NumberOutOfRange);
        }
        let digit = i64::from(byte.saturating_sub(b'0'));
        let shifted = value.checked_mul(10).ok_or(Reason::NumberOutOfRange)?;
        // Going down from zero reaches i64::MIN as well.
        value = if negative { shifted.checked_sub(digit) } else { shifted.checked_add(digit) }
            .ok_or(Reason::NumberOutOfRange)?;
        count = count.saturating_add(1);
    }
    if digits.get(count).is_none() {
        return Err(Reason::Truncated);
    }
    if count == 0 {
        return Err(Reason::MalformedNumber);
    }
    let needless_zeros = digits.first() == Some(&b'0') && (count > 1 || negative);
    Ok(Number { value, length: first.saturating_add(count).saturating_add(1), needless_zeros })
}

pub(super) fn check_canonical(value: Value<'_>) -> Result<(), NotCanonical> {
    let mut open: Vec<Level<'_>> = Vec::new();
    for index in value.index..value.next_index() {
        let token = Value { index, ..value };
        let rest = token.input.get(token.start()..).unwrap_or_default();
        let number = match rest.first() {
            Some(byte @ (b'd' | b'l')) => {
                open.push(Level { wants_key: *byte == b'd', ..Level::default() });
                continue;
            }
            Some(b'e') => {
                open.pop();
                Level::value_done(&mut open);
                continue;
            }
            Some(b'i') => integer(rest),
            _ => string_header(rest),
        };
        let reason = if number.is_ok_and(|number| number.needless_zeros) {
            Some(NotCanonicalReason::LeadingZero)
        } else if let Some(dict) = open.last_mut().filter(|level| level.wants_key) {
            dict.take_key(token.as_bytes().unwrap_or_default())
        } else {
            Level::value_done(&mut open);
            None
        };
        if let Some(reason) = reason {
            return Err(NotCanonical { offset: token.start(), reason });
        }
    }
    Ok(())
}

/// An open list or dictionary. Only a dictionary ever has or wants a key.
#[derive(Default)]
struct Level<'a> {
    last_key: Option<&'a [u8]>,
    wants_key: bool,
}

impl<'a> Level<'a> {
    /// Takes the next key, or says what is wrong with it.
    fn take_key(&mut self, key: &'a [u8]) -> Option<NotCanonicalReason> {
        self.wants_key = false;
        match self.last_key.replace(key)?.cmp(key) {
            Ordering::Less => None,
            Ordering::Equal => Some(NotCanonicalReason::DuplicateKey),
            Ordering::Greater => Some(NotCanonicalReason::UnsortedKeys),
        }
    }

    /// After a value, a dictionary wants a key.
    fn value_done(open: &mut [Self]) {
        if let Some(level) = open.last_mut() {
            level.wants_key = level.last_key.is_some();
        }
    }
}
