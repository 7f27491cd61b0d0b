//! What the product costs and how fast it is, measured on this machine with the released program: run by `script/bench`.
//!
//! The figures depend on what else the machine does: ratios within one run say more than seconds. Nothing here is a test.

#![expect(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "a program of its own, which prints to people"
)]

mod figures;
mod footprint;
mod peers;
mod site;
mod soak;
mod swap;

use std::path::PathBuf;
use std::process::ExitCode;

use figures::Figures;

const USAGE: &str = "\
usage: script/bench [--json FILE] [--swaps N] [swap|peers|agent|startup|image|soak ...]

Without a name: all but soak. The product is the static release build; everything runs on this machine's engine.

  swap     poke to proven and poke to only-new, phase by phase, under 400 requests/s
  peers    the same work by `docker compose up -d` and by a swap through Traefik's labels
  agent    memory of an idle agent
  startup  from exec to the first line of the log
  image    the action's image
  soak     200 swaps: descriptors, memory and what is left on the host (script/soak)

  --json FILE  writes the figures
  --swaps N    swaps per measurement (default 12; soak: 200)
";

/// What was asked for.
#[derive(Debug)]
struct Options {
    json: Option<PathBuf>,
    swaps: Option<usize>,
    sections: Vec<String>,
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    const KNOWN: [&str; 6] = ["swap", "peers", "agent", "startup", "image", "soak"];
    let mut options = Options { json: None, swaps: None, sections: Vec::new() };
    while let Some(word) = words.next() {
        match word.as_str() {
            // `cargo bench` adds it.
            "--bench" => {}
            "--json" => options.json = Some(words.next().ok_or("--json needs a file")?.into()),
            "--swaps" => {
                let count = words.next().and_then(|count| count.parse().ok()).filter(|count| *count > 0);
                options.swaps = Some(count.ok_or("--swaps needs a number from 1")?);
            }
            known if KNOWN.contains(&known) => options.sections.push(word),
            other => return Err(format!("{other} is nothing to measure")),
        }
    }
    if options.sections.is_empty() {
        options.sections = KNOWN.iter().filter(|name| **name != "soak").map(|name| (*name).to_owned()).collect();
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut figures = Figures::default();
    for section in &options.sections {
        let swaps = options.swaps.unwrap_or(if section == "soak" { 200 } else { 12 });
        println!("== {section}");
        match section.as_str() {
            "swap" => swap::measure(swaps, &mut figures),
            "peers" => peers::measure(swaps.min(5), &mut figures),
            "agent" => footprint::agent(&mut figures),
            "startup" => footprint::startup(&mut figures),
            "image" => footprint::image(&mut figures),
            _ => soak::run(swaps, &mut figures),
        }
    }
    println!("\n{figures}");
    if let Some(file) = options.json {
        std::fs::write(&file, figures.json()).expect("the file is written");
    }
    if figures.met() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
