//! Sealing what this member owns: plaintext streams in, ciphertext rests in the vault, a commitment goes on the ledger.

use std::io::{self, Read};

use bytes::Bytes;
use contracts::code;
use contracts::message::{AssetRegister, Commitment};
use contracts::read;
use contracts::record::Asset;
use crypto::keystore::Keys as _;
use crypto::{Digest, Secret};
use query::Table;
use tokio::sync::mpsc;
use vault::{Access, Recipient};

use crate::problem::ApiError;
use crate::service::{Node, RECIPIENT};

/// What arrives at an upload: pieces of the body, an empty one at its end, or why it broke off.
pub(crate) type Pieces = mpsc::Receiver<io::Result<Bytes>>;

/// Seals a body under `name` and registers it; to this member, and to the escrow agents in force unless they are to be left out. Nothing is registered unless the whole body was sealed durably.
///
/// # Errors
/// `malformed` for a table without a header line; the ledger's refusal of the registration.
pub(crate) async fn seal(
    node: &Node,
    actor: &str,
    name: String,
    (kind, escrowed): (String, bool),
    body: Pieces,
) -> Result<Asset, ApiError> {
    let recipient = node.keys.recipient(RECIPIENT)?;
    let escrow = read::escrow(&node.replica.view()?)?.filter(|_| escrowed).map(|epoch| epoch.group.key);
    let vault = node.vault.clone();
    let (table, label) = (kind == "table", name.clone());
    let sealed = tokio::task::spawn_blocking(move || {
        let mut header = Header {
            body: Body { pieces: body, current: Bytes::new(), ended: false },
            line: Vec::new(),
            wanted: table,
        };
        let to = [Recipient::Key(&recipient)].into_iter().chain(escrow.as_ref().map(Recipient::Escrow));
        let summary = vault.put(&mut header, to, label.as_bytes());
        summary.map(|summary| (summary, header.line))
    });
    let (summary, header) = sealed.await.map_err(|error| ApiError::internal(error.to_string()))??;
    let columns = if table { columns(&header)? } else { Vec::new() };
    node.audit
        .record(actor, "asset.seal", &name, "ok", &format!("object {}, {} bytes", summary.id, summary.length))
        .await?;
    let register = AssetRegister {
        name: name.clone(),
        kind,
        columns,
        commitments: vec![Commitment {
            suite: SUITE.into(),
            params: summary.id.as_bytes().to_vec().into(),
            root: summary.root,
        }],
        segments: summary.segments,
        suite: summary.weakest,
    };
    let registered = node.submit_ok(vec![node.prepare("assets", "register", &register)?]).await;
    if let Err(error) = registered {
        // The ledger knows nothing of it, so the vault keeps nothing of it.
        node.vault.erase(&summary.id)?;
        return Err(error);
    }
    let view = node.replica.view()?;
    read::asset_named(&view, &node.replica.chain(), &node.member, &name)?
        .ok_or_else(|| ApiError::internal("a registered asset is in the state"))
}

/// Opens one of this member's assets in memory, for a computation; its root is checked against the ledger's.
pub(crate) async fn open(node: &Node, asset: &Digest) -> Result<Secret<Vec<u8>>, ApiError> {
    let (object, root) = object(node, asset)?;
    node.audit.record("node", "asset.open", &asset.to_string(), "ok", "for a computation, in memory").await?;
    let (vault, keys) = (node.vault.clone(), node.keys.clone());
    let opened = tokio::task::spawn_blocking(move || {
        if vault.summary(&object)?.length > MAX_TABLE {
            return Ok(None);
        }
        let mut plain = Vec::new();
        vault
            .read(&object, &mut plain, &Access::Handle(&*keys, RECIPIENT), Some(&root))
            .map(|_| Some(Secret::new(plain)))
    });
    let opened = opened.await.map_err(|error| ApiError::internal(error.to_string()))??;
    opened
        .ok_or_else(|| ApiError::new(code::OVERSIZE, format!("tables of at most {MAX_TABLE} bytes can be computed on")))
}

/// The vault's object and the registered root of an asset.
pub(crate) fn object(node: &Node, asset: &Digest) -> Result<(Digest, Digest), ApiError> {
    let asset = read::asset(&node.replica.view()?, asset)?
        .ok_or_else(|| ApiError::new(code::UNKNOWN_ASSET, asset.to_string()))?;
    let sealed = asset.registered.commitments.iter().find(|commitment| commitment.suite == SUITE);
    let object = sealed.and_then(|sealed| Some((wire::Fixed::from_slice(&sealed.params).map(Digest)?, sealed.root)));
    object.ok_or_else(|| ApiError::new(code::UNKNOWN_ASSET, "the asset has no sealed object"))
}

/// The pieces of an upload as a blocking reader.
struct Body {
    pieces: Pieces,
    current: Bytes,
    ended: bool,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        if self.current.is_empty() {
            let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the upload was cut off");
            self.current = self.pieces.blocking_recv().ok_or_else(cut)??;
            self.ended = self.current.is_empty();
        }
        let taken = self.current.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&self.current.split_to(taken));
        Ok(taken)
    }
}

/// Keeps a table's first line as it passes.
struct Header {
    body: Body,
    line: Vec<u8>,
    wanted: bool,
}

impl Read for Header {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let taken = self.body.read(buffer)?;
        if self.wanted {
            let end = buffer[..taken].iter().position(|byte| *byte == b'\n');
            self.line.extend_from_slice(&buffer[..end.unwrap_or(taken)]);
            self.wanted = end.is_none() && self.line.len() <= MAX_HEADER;
        }
        Ok(taken)
    }
}

/// The column names of a table, from its first line.
fn columns(line: &[u8]) -> Result<Vec<String>, ApiError> {
    let malformed = |detail: String| ApiError::new(code::MALFORMED, detail);
    if line.len() > MAX_HEADER {
        return Err(malformed(format!("the table's first line has more than {MAX_HEADER} bytes")));
    }
    let table = Table::read(line).map_err(|error| malformed(error.to_string()))?;
    Ok(table.columns().map(str::to_owned).collect())
}

/// The commitment suite of sealed objects; its parameter is the object's id.
pub(crate) const SUITE: &str = "sealed-object-v1";
const MAX_HEADER: usize = 16 * 1024;
/// Largest table that is opened in memory.
const MAX_TABLE: u64 = 1 << 30;
