//! The demo's own command line.

use std::path::PathBuf;

/// What `script/demo --help` prints, and whoever asks for what is not there.
pub(super) const USAGE: &str = include_str!("usage.txt");

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Help,
    Stop,
    Run(Options),
}

/// How the demo is run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    /// `act` runs the workflow.
    pub(super) act: bool,
    pub(super) keep: bool,
    pub(super) json: Option<PathBuf>,
    /// Requests per second.
    pub(super) rate: u32,
}

/// Reads the arguments; the error is one sentence.
pub(super) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Action, String> {
    let mut options = Options { act: false, keep: false, json: None, rate: 250 };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "-h" | "--help" => return Ok(Action::Help),
            "--stop" => return Ok(Action::Stop),
            "--act" => options.act = true,
            "--keep" => options.keep = true,
            "--json" => options.json = Some(value()?.into()),
            "--rate" => {
                let text = value()?;
                let rate = text.parse().ok().filter(|rate| (1..=2000).contains(rate));
                options.rate = rate.ok_or_else(|| format!("--rate {text}: a number from 1 to 2000"))?;
            }
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(Action::Run(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Action, String> {
        read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn arguments() {
        let plain = Options { act: false, keep: false, json: None, rate: 250 };
        assert_eq!(of(""), Ok(Action::Run(plain)));
        let all = Options { act: true, keep: true, json: Some("x.json".into()), rate: 300 };
        assert_eq!(of("--json x.json --rate 300 --keep --act"), Ok(Action::Run(all)));
        assert_eq!(of("--stop"), Ok(Action::Stop));
        assert_eq!(of("--json"), Err("--json needs a value".to_owned()));
        assert_eq!(of("--rate 0"), Err("--rate 0: a number from 1 to 2000".to_owned()));
        assert_eq!(of("--fast"), Err("unknown argument --fast".to_owned()));
    }
}
