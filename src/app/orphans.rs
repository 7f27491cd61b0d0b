//! Being the first process of a container, which no init runs in: processes whose parent is gone become children of this
//! one, and stay as zombies until somebody waits for them.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, getpid, waitpid};

/// Time between two looks. A zombie of both is nobody's: our own children are waited for as soon as they end.
const LOOK: Duration = Duration::from_secs(2);

/// Waits for those that nobody else waits for, as long as the program runs. Needs a tokio runtime.
pub(super) fn adopt() {
    if getpid().is_init() {
        tokio::spawn(async {
            let mut before = BTreeSet::new();
            loop {
                let zombies = zombies();
                for orphan in zombies.intersection(&before) {
                    let _ = waitpid(Pid::from_raw(*orphan), WaitOptions::NOHANG);
                }
                before = zombies;
                tokio::time::sleep(LOOK).await;
            }
        });
    }
}

fn zombies() -> BTreeSet<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| is_zombie_of_init(&stat))).collect()
}

/// The program's name is in brackets and may hold anything; state and parent follow the last one.
fn is_zombie_of_init(stat: &str) -> bool {
    let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    (fields.next(), fields.next()) == (Some("Z"), Some("1"))
}

#[cfg(test)]
mod tests {
    use super::is_zombie_of_init;

    #[test]
    fn only_zombies_of_the_first_process_are_orphans() {
        assert!(is_zombie_of_init("17 (a) Z 2 (b)) Z 1 17 1 0"));
        assert!(!is_zombie_of_init("17 (a) Z 1 (b) S 1 17 1 0"));
        assert!(!is_zombie_of_init("17 (b) Z 9 17 1 0"));
        assert!(!is_zombie_of_init(""));
    }
}
