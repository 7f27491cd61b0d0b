//! What exit codes mean.

/// What an exit code usually means, for a sentence (Docker's documented 125–127; 128 + signal by shell convention).
#[must_use]
pub fn exit_meaning(code: i64) -> String {
    match code {
        0 => "ended by itself without an error; a service must keep running".to_owned(),
        1 => "the application's general error".to_owned(),
        125 => "the engine could not run the container".to_owned(),
        126 => "the command exists but cannot be executed (permission, or built for another architecture)".to_owned(),
        127 => "the command does not exist in the image".to_owned(),
        134 => "aborted (SIGABRT)".to_owned(),
        137 => "killed (SIGKILL)".to_owned(),
        139 => "crashed (SIGSEGV)".to_owned(),
        143 => "ended by SIGTERM".to_owned(),
        129..=192 => format!("ended by signal {}", code - 128),
        _ => "the application's own exit code".to_owned(),
    }
}
