//! The stream of committed events.

use std::fmt::Write as _;

use crypto::Digest;

use crate::api::LedgerEvent;
use crate::client::{Client, Error, escape};
use crate::http::{Answer, Error as Transport};

/// From where on, and which events; all of them from now on, unless it says more.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// Those of the transaction at this place of the log and of later ones.
    pub from: Option<u64>,
    /// Those after the event of this id; takes precedence.
    pub after: Option<String>,
    /// Whether the stream waits for more at the end of the log.
    pub wait: bool,
    /// Of this name, or of all names that begin with this word.
    pub name: Option<String>,
    /// That concern this member.
    pub member: Option<String>,
    /// About this.
    pub subject: Option<String>,
    /// That belong to this request.
    pub request: Option<Digest>,
}

impl Which {
    fn path(&self) -> String {
        let Self { from, after, wait, name, member, subject, request } = self;
        let mut path = format!("/v1/events?wait={wait}");
        let texts = [("after", after), ("name", name), ("member", member), ("subject", subject)];
        for (key, value) in texts.into_iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
            _ = write!(path, "&{key}={}", escape(value));
        }
        if let Some(from) = from.filter(|_| after.is_none()) {
            _ = write!(path, "&from={from}");
        }
        if let Some(request) = request {
            _ = write!(path, "&request={request}");
        }
        path
    }
}

impl Client {
    /// `GET /v1/events`: what committed transactions do, in the ledger's order.
    ///
    /// # Errors
    /// As all calls.
    pub async fn events(&self, which: &Which) -> Result<Events, Error> {
        let answer = self.stream(&which.path()).await?;
        Ok(Events { answer, lines: Lines::default(), place: which.after.clone() })
    }
}

/// A stream of events (server-sent events, WHATWG HTML §9.2.6).
pub struct Events {
    answer: Answer,
    lines: Lines,
    place: Option<String>,
}

impl Events {
    /// The next event; nothing at the stream's end.
    ///
    /// # Errors
    /// [`Transport`], where [`Error::is_interruption`] a new stream after [`Events::place`] goes on; a stream that is none is
    /// [`Transport::Malformed`].
    pub async fn next(&mut self) -> Result<Option<LedgerEvent>, Error> {
        loop {
            while let Some(message) = self.lines.message()? {
                self.place = message.id.or(self.place.take());
                if let Some(data) = message.data {
                    let event = serde_json::from_str(&data).map_err(|error| Transport::Malformed(error.to_string()))?;
                    return Ok(Some(event));
                }
            }
            match self.answer.chunk().await? {
                Some(chunk) => self.lines.bytes.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }

    /// The id after which a new stream goes on.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }
}

/// What has come in of a stream and was not read yet.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    message: Message,
}

/// What an empty line ends.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    id: Option<String>,
    data: Option<String>,
}

impl Lines {
    /// The next message that is whole.
    fn message(&mut self) -> Result<Option<Message>, Transport> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8(line).map_err(|error| Transport::Malformed(error.to_string()))?;
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                return Ok(Some(std::mem::take(&mut self.message)));
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "id" => self.message.id = Some(value.to_owned()),
                "data" => {
                    let data = self.message.data.get_or_insert_default();
                    if !data.is_empty() {
                        data.push('\n');
                    }
                    data.push_str(value);
                }
                // A comment, the event's name (which the data has too), or what is unknown.
                _ => {}
            }
            if self.message.data.as_ref().is_some_and(|data| data.len() > MAX_MESSAGE) {
                return Err(Transport::TooLong { limit: MAX_MESSAGE });
            }
        }
        if self.bytes.len() > MAX_MESSAGE {
            return Err(Transport::TooLong { limit: MAX_MESSAGE });
        }
        Ok(None)
    }
}

/// Most bytes of a message: an event's data has at most 256 KiB on the ledger.
const MAX_MESSAGE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Result<Vec<Message>, Transport> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for piece in pieces {
            lines.bytes.extend_from_slice(piece);
            while let Some(message) = lines.message()? {
                found.push(message);
            }
        }
        Ok(found)
    }

    #[test]
    fn a_stream_is_read_however_it_is_cut() {
        let text =
            b":\n\nid: 3.0\nevent: request.applied\ndata: {\"a\":1}\n\nid: 7.1\r\n\r\ndata:x\ndata: y\nretry: 5\n\n";
        let message = |id: &str, data: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Message { id: some(id), data: some(data) }
        };
        let expected = [message("", ""), message("3.0", "{\"a\":1}"), message("7.1", ""), message("", "x\ny")];
        assert_eq!(read(&[text]).unwrap(), expected);
        for cut in 0..text.len() {
            let (head, tail) = text.split_at(cut);
            assert_eq!(read(&[head, tail]).unwrap(), expected);
        }
        // What is not whole is not told.
        assert_eq!(read(&[b"id: 1.0\ndata: z\n"]).unwrap(), []);
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        assert!(matches!(read(&[b"data: \xff\n\n"]), Err(Transport::Malformed(_))));
        assert!(matches!(read(&[&vec![b'a'; MAX_MESSAGE + 1]]), Err(Transport::TooLong { .. })));
        let line = [&b"data: "[..], &vec![b'a'; MAX_MESSAGE / 2 + 1], b"\n"].concat();
        assert!(matches!(read(&[&line, &line]), Err(Transport::TooLong { .. })));
    }

    #[test]
    fn a_question_holds_what_is_asked_and_no_more() {
        assert_eq!(Which::default().path(), "/v1/events?wait=false");
        let which = Which { from: Some(3), wait: true, name: Some("request".into()), ..Which::default() };
        assert_eq!(which.path(), "/v1/events?wait=true&name=request&from=3");
        let which = Which { after: Some("5.1".into()), member: Some("a&b".into()), ..which };
        assert_eq!(which.path(), "/v1/events?wait=true&after=5.1&name=request&member=a%26b");
    }
}
