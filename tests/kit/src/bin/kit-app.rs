//! The sample app; all of it is `kit::app`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kit::app::main()
}
