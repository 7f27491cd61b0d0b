//! `kit-app healthcheck`: what Docker runs, because an empty image has no `curl`.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use super::log;
use super::settings::{Role, Settings};
use super::wire::{Wire, WireError};

const TIMEOUT: Duration = Duration::from_secs(2);

/// Exit code 0 if `/healthz` on this host answers 200; a worker has no port and is healthy as long as it runs.
pub(super) fn run(settings: &Settings) -> ExitCode {
    if settings.role == Role::Worker {
        return ExitCode::SUCCESS;
    }
    match ask(settings.port) {
        Ok(line) if line.starts_with("HTTP/1.1 200 ") => ExitCode::SUCCESS,
        Ok(line) => {
            log(&format!("unhealthy: {line}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            log(&format!("unhealthy: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn ask(port: u16) -> Result<String, WireError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let connect = || {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        (&mut &stream).write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        Ok(stream)
    };
    let stream = connect().map_err(WireError::Io)?;
    Ok(Wire::new(stream).head()?.start)
}
