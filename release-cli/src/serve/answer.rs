//! What is answered to a request.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH,
};
use hyper::{Method, Request, Response, StatusCode};
use release_core::{Digest, Pointer, escape};

use crate::publish::Shelf;

pub(super) type Body = Full<Bytes>;

/// Longest part of a request that is told.
const WORDS: usize = 120;

/// A request, as far as it matters.
#[derive(Debug)]
pub(super) struct Head {
    method: Method,
    path: String,
    /// What the asker has already.
    known: Vec<String>,
    pub(super) words: String,
}

/// A file that is served.
struct Item {
    name: &'static str,
    limit: usize,
    kind: &'static str,
}

const ITEMS: [Item; 3] = [
    Item {
        name: Pointer::FILE,
        limit: Pointer::MAX_LEN,
        kind: "application/json",
    },
    Item {
        name: Pointer::SIGNATURE_FILE,
        limit: Pointer::MAX_SIGNATURE_LEN,
        kind: "text/plain; charset=utf-8",
    },
    Item {
        name: Pointer::SNAPSHOT_FILE,
        limit: Pointer::MAX_SNAPSHOT_LEN,
        kind: "text/plain; charset=utf-8",
    },
];

impl Head {
    pub(super) fn of(request: &Request<Incoming>) -> Self {
        let known = request.headers().get_all(IF_NONE_MATCH).iter();
        let known = known.filter_map(|value| value.to_str().ok());
        Self::new(request.method(), request.uri().path(), known)
    }

    fn new<'a>(method: &Method, path: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let words: String = format!("{method} {path}").chars().take(WORDS).collect();
        Self {
            method: method.clone(),
            path: path.to_owned(),
            known: known
                .flat_map(|value| value.split(','))
                .map(|tag| tag.trim().trim_start_matches("W/").to_owned())
                .collect(),
            words: escape(words.as_bytes()),
        }
    }
}

/// Reads what is asked for, and answers.
pub(super) fn to(head: &Head, shelf: &Shelf) -> Response<Body> {
    let name = head.path.strip_prefix('/');
    let Some(item) = ITEMS.iter().find(|item| Some(item.name) == name) else {
        return plain(StatusCode::NOT_FOUND, "there is nothing here\n");
    };
    if head.method != Method::GET && head.method != Method::HEAD {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "");
        set(&mut refusal, ALLOW, "GET, HEAD");
        return refusal;
    }
    match shelf.read(item.name, item.limit) {
        Ok(Some(content)) => file(head, item, content),
        Ok(None) => plain(StatusCode::NOT_FOUND, "nothing was published yet\n"),
        Err(_) => failed(),
    }
}

/// Somebody who asks again gets the content only if it is another.
fn file(head: &Head, item: &Item, content: Vec<u8>) -> Response<Body> {
    let digest = Digest::of(&content).to_string();
    let tag = format!("\"{}\"", &digest[..32]);
    let is_known = head.known.iter().any(|known| *known == tag || known == "*");
    let mut response = match is_known {
        true => Response::new(Body::default()),
        // Of a HEAD hyper sends the length, and not the content.
        false => Response::new(Body::from(content)),
    };
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        set(&mut response, CONTENT_TYPE, item.kind);
    }
    set(&mut response, ETAG, &tag);
    // What is kept on the way has to be asked about each time.
    set(&mut response, CACHE_CONTROL, "no-cache");
    response
}

/// The disk does not give it.
pub(super) fn failed() -> Response<Body> {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "it can't be read\n")
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "text/plain; charset=utf-8");
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn only_what_was_published_is_served() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(directory.path()).unwrap();
        let status = |method: Method, path: &str| {
            let head = Head::new(&method, path, std::iter::empty());
            to(&head, &shelf).status().as_u16()
        };
        assert_eq!(status(Method::GET, "/snap.txt"), 404);
        for name in ["snap.txt", "release.json", "secret", ".release.json.new"] {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        assert_eq!(status(Method::GET, "/snap.txt"), 200);
        assert_eq!(status(Method::HEAD, "/release.json"), 200);
        assert_eq!(status(Method::POST, "/release.json"), 405);
        for path in [
            "/",
            "",
            "/secret",
            "/.release.json.new",
            "//snap.txt",
            "/./snap.txt",
            "/../snap.txt",
            "/snap.txt/",
            "/snap%2etxt",
            "*",
        ] {
            assert_eq!(status(Method::GET, path), 404, "{path}");
        }
        // Longer than any, or no file at all.
        fs::write(directory.path().join("snap.txt"), vec![b'x'; 500]).unwrap();
        assert_eq!(status(Method::GET, "/snap.txt"), 500);
        fs::remove_file(directory.path().join("snap.txt")).unwrap();
        std::os::unix::fs::symlink("secret", directory.path().join("snap.txt")).unwrap();
        assert_eq!(status(Method::GET, "/snap.txt"), 500);
    }

    #[test]
    fn who_knows_it_is_told_so() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(directory.path()).unwrap();
        fs::write(directory.path().join("snap.txt"), "snap-00000001\n").unwrap();
        let ask = |known: &[&str]| {
            let head = Head::new(&Method::GET, "/snap.txt", known.iter().copied());
            to(&head, &shelf)
        };
        let tag = ask(&[]).headers()[ETAG].to_str().unwrap().to_owned();
        assert!(tag.len() == 34 && tag.starts_with('"'), "{tag}");
        for known in [
            &tag[..],
            "*",
            &format!("W/{tag}"),
            &format!("\"other\", {tag}"),
        ] {
            let response = ask(&[known]);
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(response.headers()[ETAG], tag);
        }
        for other in ["\"other\"", "", &tag[1..]] {
            assert_eq!(ask(&[other]).status(), StatusCode::OK, "{other}");
        }
        fs::write(directory.path().join("snap.txt"), "snap-00000002\n").unwrap();
        assert_eq!(ask(&[&tag]).status(), StatusCode::OK);
    }

    #[test]
    fn what_is_told_is_harmless_and_short() {
        let path = format!("/\u{1b}[2J{}", "x".repeat(1000));
        let words = Head::new(&Method::GET, &path, std::iter::empty()).words;
        assert!(!words.contains('\u{1b}') && words.len() < 200, "{words}");
    }
}
