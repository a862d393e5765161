//! Times a server from its start to its first 200, in milliseconds, and stops it. It asks over and over, each time on a
//! new connection, and pauses for 0.2 ms in between.
//!
//!     startup --port 9101 --path /hello [--bearer SECRET] -- COMMAND [ARGUMENT...]

use dapi_mock_floor::{Outcome, argument};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Child, Command, ExitCode, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const PAUSE: Duration = Duration::from_micros(200);
const LIMIT: Duration = Duration::from_mins(1);

fn is_ready(port: u16, request: &str) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(request.as_bytes())?;
    let mut status_line = [0; 12];
    stream.read_exact(&mut status_line)?;
    Ok(status_line.ends_with(b" 200"))
}

/// Lets the server close its database: SIGTERM, and SIGKILL after three seconds.
fn stop(server: &mut Child) -> Outcome {
    kill_process(Pid::from_child(server), Signal::TERM)?;
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(3) {
        if server.try_wait()?.is_some() {
            return Ok(());
        }
        sleep(Duration::from_millis(5));
    }
    server.kill()?;
    server.wait()?;
    Ok(())
}

fn main() -> Outcome<ExitCode> {
    let port = argument("port", 9101)?;
    let path = argument("path", "/".to_owned())?;
    let secret = argument("bearer", String::new())?;
    let mut words = std::env::args().skip_while(|word| word != "--").skip(1);
    let program = words.next().ok_or("expected a command after --")?;
    let credential = if secret.is_empty() { String::new() } else { format!("Authorization: Bearer {secret}\r\n") };
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{credential}Connection: close\r\n\r\n");

    let began = Instant::now();
    let mut server =
        Command::new(program).args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let took = loop {
        if is_ready(port, &request).unwrap_or(false) {
            break Some(began.elapsed());
        }
        if began.elapsed() > LIMIT {
            break None;
        }
        sleep(PAUSE);
    };
    stop(&mut server)?;
    Ok(if let Some(took) = took {
        println!("{:.3}", took.as_secs_f64() * 1e3);
        ExitCode::SUCCESS
    } else {
        eprintln!("startup: no 200 within {} s", LIMIT.as_secs());
        ExitCode::FAILURE
    })
}
