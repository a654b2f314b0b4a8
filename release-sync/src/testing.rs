//! What all tests here have in common.

use proptest::prelude::ProptestConfig;

/// As many cases as `usual`; in proportion more where `PROPTEST_CASES` asks for more than proptest's usual 256.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = u64::from(usual) * u64::from(config.cases) / 256;
    ProptestConfig {
        cases: u32::try_from(cases).unwrap_or(u32::MAX).max(1),
        ..config
    }
}
