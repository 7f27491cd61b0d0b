//! Bounds on a registry's answer. The library that asks reads it whole, however large it is, and cannot be told to stop:
//! so it is watched what this process holds, and the question is dropped with all that was read.

use std::fs;
use std::time::Duration;

/// Longest wait for an answer, in all.
const CALL: Duration = Duration::from_secs(30);
/// Most that it may make this process grow, in KiB: manifests have some KiB, registries take up to 4 MiB.
const GROWTH: u64 = 32 * 1024;
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It takes too long.
    Slow,
    /// There is too much of it.
    Large,
}

impl Cut {
    /// What the registry does, to end a sentence with.
    pub(super) fn does(self) -> String {
        match self {
            Self::Slow => format!("gives no answer within {} s", CALL.as_secs()),
            Self::Large => "sends more than an answer can be".to_owned(),
        }
    }
}

/// Waits for an answer no longer, and for no more of it, than that.
pub(super) async fn bounded<T>(call: impl Future<Output = T>) -> Result<T, Cut> {
    tokio::select! {
        answer = call => Ok(answer),
        () = tokio::time::sleep(CALL) => Err(Cut::Slow),
        () = grown() => Err(Cut::Large),
    }
}

async fn grown() {
    let before = held();
    loop {
        tokio::time::sleep(LOOK).await;
        if held() > before + GROWTH {
            return;
        }
    }
}

/// What this process holds beside its program, in KiB (`proc_pid_status(5)`); 0 where the system does not say.
fn held() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_grows_and_what_takes_too_long_is_dropped() {
        assert_eq!(bounded(async { 5 }).await, Ok(5));
        let grows = async {
            let mut all: Vec<Vec<u8>> = Vec::new();
            loop {
                all.push(vec![1; 1024 * 1024]);
                tokio::task::yield_now().await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        assert_eq!(bounded::<()>(grows).await, Err(Cut::Large));
    }
}
