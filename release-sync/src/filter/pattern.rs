//! One pattern, turned into a regular expression over bytes.

/// What a pattern is matched against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// The last component.
    Name,
    /// The whole path.
    Path,
}

/// One pattern, understood.
#[derive(Debug)]
pub(super) struct Pattern {
    /// An expression that matches the whole subject.
    pub(super) regex: String,
    pub(super) subject: Subject,
    /// `false` for a pattern with a leading `!`.
    pub(super) excludes: bool,
    pub(super) only_directories: bool,
}

type Reason = &'static str;

/// Understands a pattern. One that ends in `/***` is two: the directory, and what is inside.
pub(super) fn parse(text: &str) -> Result<Vec<Pattern>, Reason> {
    let (text, excludes) = match text.strip_prefix('!') {
        Some(rest) => (rest, false),
        // Only as the very first character is a `!` magic.
        None if text.starts_with("\\!") => (&text[1..], true),
        None => (text, true),
    };
    // In a pattern without magic a backslash is a backslash, says rsync.
    let has_magic = text.contains(['*', '?', '[']);
    let one = |text: &str| parse_one(text, excludes, has_magic);
    let before_stars = text.trim_end_matches('*');
    match before_stars.strip_suffix('/') {
        Some(directory) if !directory.is_empty() && text.len() >= before_stars.len() + 3 => {
            Ok(vec![
                one(&format!("{directory}/"))?,
                one(&format!("{directory}/**"))?,
            ])
        }
        _ => Ok(vec![one(text)?]),
    }
}

fn parse_one(text: &str, excludes: bool, has_magic: bool) -> Result<Pattern, Reason> {
    let (body, only_directories) = match text.strip_suffix('/') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let (body, anchored) = match body.strip_prefix('/') {
        Some(body) => (body, true),
        None => (body, false),
    };
    for component in body.split('/') {
        match component {
            "" => return Err("a component of it is empty"),
            "." | ".." => return Err("no path in a tree has a `.` or `..` component"),
            _ => {}
        }
    }
    let is_path = anchored || body.contains('/') || body.contains("**");
    let (start, body) = match body.trim_start_matches('*').strip_prefix('/') {
        // A leading `**/` may match nothing at all; one further on takes at least two slashes.
        Some(rest) if body.starts_with("**") => ("(?:.*/)?", rest),
        _ if is_path && !anchored => ("(?:.*/)?", body),
        _ => ("", body),
    };
    Ok(Pattern {
        regex: format!("^{start}{}$", translate(body, has_magic)?),
        subject: if is_path {
            Subject::Path
        } else {
            Subject::Name
        },
        excludes,
        only_directories,
    })
}

fn translate(body: &str, has_magic: bool) -> Result<String, Reason> {
    let mut rest = body.as_bytes();
    let mut regex = String::new();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'*' => {
                let more = rest.iter().take_while(|&&byte| byte == b'*').count();
                regex.push_str(if more > 0 { ".*" } else { "[^/]*" });
                rest = &rest[more..];
            }
            b'?' => regex.push_str("[^/]"),
            b'[' => regex.push_str(&class(&mut rest)?),
            b'\\' if has_magic => {
                let escaped = take(&mut rest).ok_or("it ends in a backslash")?;
                regex.push_str(&literal(escaped));
            }
            _ => regex.push_str(&literal(byte)),
        }
    }
    Ok(regex)
}

/// Translates a class; `rest` starts after its opening bracket and is left after the closing one.
fn class(rest: &mut &[u8]) -> Result<String, Reason> {
    const OPEN: Reason = "a `[` in it is not closed";
    let mut set = String::from("[");
    if let [b'!' | b'^', after @ ..] = *rest {
        set.push('^');
        *rest = after;
    }
    let mut is_first = true;
    loop {
        let byte = take(rest).ok_or(OPEN)?;
        match byte {
            b']' if !is_first => break,
            b'/' => return Err("a class in it holds a slash, which a class never matches"),
            b'[' if rest.first() == Some(&b':') => set.push_str(named_class(rest)?),
            _ => {
                let low = unescape(byte, rest).ok_or(OPEN)?;
                set.push_str(&literal(low));
                // A dash at the end of the class stands for itself.
                if let [b'-', end, after @ ..] = *rest
                    && *end != b']'
                {
                    *rest = after;
                    let high = unescape(*end, rest).ok_or(OPEN)?;
                    if high < low {
                        return Err("a range in it runs backwards");
                    }
                    set.push('-');
                    set.push_str(&literal(high));
                }
            }
        }
        is_first = false;
    }
    Ok(format!("[{set}]&&[^/]]"))
}

/// Translates `[:name:]`; `rest` starts at the first colon.
fn named_class(rest: &mut &[u8]) -> Result<&'static str, Reason> {
    const NAMES: [&str; 12] = [
        "[:alnum:]",
        "[:alpha:]",
        "[:blank:]",
        "[:cntrl:]",
        "[:digit:]",
        "[:graph:]",
        "[:lower:]",
        "[:print:]",
        "[:punct:]",
        "[:space:]",
        "[:upper:]",
        "[:xdigit:]",
    ];
    let name = NAMES
        .into_iter()
        .find(|name| rest.starts_with(&name.as_bytes()[1..]))
        .ok_or("a `[:…:]` in it is no class of characters")?;
    *rest = &rest[name.len() - 1..];
    Ok(name)
}

fn take(rest: &mut &[u8]) -> Option<u8> {
    let (&byte, after) = rest.split_first()?;
    *rest = after;
    Some(byte)
}

fn unescape(byte: u8, rest: &mut &[u8]) -> Option<u8> {
    if byte == b'\\' {
        take(rest)
    } else {
        Some(byte)
    }
}

/// A byte that stands for itself, inside a class or outside.
fn literal(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() {
        char::from(byte).to_string()
    } else {
        format!("\\x{byte:02x}")
    }
}
