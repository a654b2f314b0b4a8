//! Where something is on the web.

use std::fmt;

use hyper::Uri;

/// An `http` or `https` URL, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    text: String,
    https: bool,
    /// A name or an address, without an IPv6 address's brackets.
    host: String,
    authority: String,
    port: u16,
    /// Path and query.
    target: String,
}

/// A text is no such URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no URL that begins with `http://` or `https://`")]
pub(crate) struct UrlError(String);

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let parse = || {
            let uri: Uri = text.parse().ok()?;
            let https = match uri.scheme_str()? {
                "http" => false,
                "https" => true,
                _ => return None,
            };
            let authority = uri.authority()?;
            // Whoever writes a password into it would find it in a log.
            if authority.as_str().contains('@') || authority.host().is_empty() {
                return None;
            }
            let host = authority.host().trim_matches(['[', ']']);
            let target = uri.path_and_query().map_or("/", |target| target.as_str());
            Some(Self {
                text: text.to_owned(),
                https,
                host: host.to_owned(),
                authority: authority.as_str().to_owned(),
                port: authority.port_u16().unwrap_or(if https { 443 } else { 80 }),
                target: target.to_owned(),
            })
        };
        parse().ok_or_else(|| UrlError(text.chars().take(80).collect()))
    }

    pub(crate) const fn is_https(&self) -> bool {
        self.https
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        for (text, https, host, port, target) in [
            ("http://a/release.json", false, "a", 80, "/release.json"),
            ("https://a.b:8443/x?y=1", true, "a.b", 8443, "/x?y=1"),
            (
                "http://[fd00:ec2::254]:81/",
                false,
                "fd00:ec2::254",
                81,
                "/",
            ),
            ("https://10.0.0.1", true, "10.0.0.1", 443, "/"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(
                (url.is_https(), url.host(), url.port(), url.target()),
                (https, host, port, target),
                "{text}"
            );
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "a",
            "/a",
            "ftp://a/",
            "http:///a",
            "http://u:p@a/",
            "http://a b/",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
