//! Requests, as the tests' own servers read them.

use std::io::BufRead;

use http::Request;

/// The next request of a connection; none where it ends.
pub(crate) fn read(stream: &mut impl BufRead) -> Option<Request<Vec<u8>>> {
    let first = line(stream)?;
    let mut words = first.split(' ');
    let mut request = Request::builder().method(words.next()?).uri(words.next()?);
    let mut length = 0;
    loop {
        let header = line(stream)?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
        request = request.header(name, value.trim());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    request.body(body).ok()
}

fn line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line) {
        Ok(1..) => Some(line.trim_end().to_owned()),
        _ => None,
    }
}
