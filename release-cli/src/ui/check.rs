//! What `doctor` found.

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Ok,
    /// A deploy works, perhaps not as one would like.
    Warning,
    /// A deploy would not work.
    Fault,
}

impl Finding {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Check {
    /// A word that does not change from build to build.
    pub(crate) name: &'static str,
    pub(crate) finding: Finding,
    /// What was found.
    pub(crate) text: String,
    /// What to do about it.
    pub(crate) mend: Option<String>,
}

impl Check {
    pub(crate) fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(name, Finding::Ok, text, None)
    }

    pub(crate) fn warning(
        name: &'static str,
        text: impl Into<String>,
        mend: Option<String>,
    ) -> Self {
        Self::new(name, Finding::Warning, text, mend)
    }

    pub(crate) fn fault(name: &'static str, text: impl Into<String>, mend: Option<String>) -> Self {
        Self::new(name, Finding::Fault, text, mend)
    }

    fn new(
        name: &'static str,
        finding: Finding,
        text: impl Into<String>,
        mend: Option<String>,
    ) -> Self {
        Self {
            name,
            finding,
            text: text.into(),
            mend,
        }
    }
}

/// What all checks come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Health {
    pub(crate) faults: usize,
    pub(crate) warnings: usize,
    pub(crate) seconds: f64,
}
