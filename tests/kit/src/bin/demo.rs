//! What `script/demo` runs once everything is built; all of it is `kit::demo`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kit::demo::main()
}
