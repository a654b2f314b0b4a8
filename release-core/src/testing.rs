//! What tests stand on: as many cases as somebody has time for; for asynchronous code no runtime and no clock.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::ProptestConfig;

use crate::cloud::Timer;

/// As many cases as `usual`; in proportion more where `PROPTEST_CASES` asks for more than proptest's usual 256.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = u64::from(usual) * u64::from(config.cases) / 256;
    ProptestConfig {
        cases: u32::try_from(cases).unwrap_or(u32::MAX).max(1),
        ..config
    }
}

/// Runs a future that waits for nothing.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a future of the tests waits for something"),
    }
}

/// A clock that goes on only when somebody sleeps; it draws one half.
#[derive(Default)]
pub(crate) struct TestTimer(AtomicU64);

impl Timer for TestTimer {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_add(millis, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }

    fn draw(&self) -> f64 {
        0.5
    }
}
