//! Waiting for something that happens in the background. A test never asserts how long it takes.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// No answer takes this long; it only ends a test that would hang.
pub(crate) const NEVER: Duration = Duration::from_secs(20);

pub(crate) async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(NEVER, work).await.expect("an answer in a known time")
}

pub(crate) async fn eventually(mut holds: impl AsyncFnMut() -> bool) {
    in_time(async {
        while !holds().await {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}
