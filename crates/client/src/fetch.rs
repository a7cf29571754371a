//! Release: redeem a grant, receive the sealed object, check it against the ledger's root and open it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use contracts::record::Asset;
use crypto::{Digest, Sha256};
use tokio::io::AsyncWriteExt as _;
use vault::{Access, Summary};

use crate::api::GrantToken;
use crate::client::{Client, Error};
use crate::flow::Ephemeral;
use crate::http::{self, Answer};

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The sealed object; its root is the one asked for.
    pub object: Summary,
    /// SHA-256 of the plaintext.
    pub sha256: Digest,
}

impl Client {
    /// Fetches what an allowed request releases, into `plaintext`: asks the owner's node for the grant, redeems it,
    /// compares the object's root with the one registered on the ledger, and opens it with the request's key.
    ///
    /// # Errors
    /// [`Error::Unfit`] where the request is not for a release; as [`Client::redeem_to`].
    pub async fn fetch(&self, request: &Digest, ephemeral: &Ephemeral, plaintext: &Path) -> Result<Received, Error> {
        let view = self.request(request).await?;
        let [named] = view.request.apply.contracts.as_slice() else {
            return Err(Error::Unfit("a request under several contracts is for a computation, not for a release"));
        };
        let contract = self.contract(&named.contract).await?;
        let assets = self.assets().await?;
        let asset = assets.into_iter().find(|asset| asset.id == contract.terms.asset);
        let root = asset
            .as_ref()
            .and_then(registered_root)
            .ok_or(Error::Unfit("the asset has no registered root of its sealed object"))?;
        let owner = self.at_member(&contract.owner).await?;
        let token = owner.grant(request).await?;
        owner.redeem_to(&token, &root, ephemeral, plaintext).await
    }

    /// Redeems a grant at this node and opens the object into `plaintext`, which appears only once the whole object was
    /// found to be the one of this root. A broken connection is resumed within the grant's window.
    ///
    /// # Errors
    /// [`Error::Http`] with the node's reason; [`Error::Object`] where the object is not intact, has another root or is
    /// not sealed to this key.
    pub async fn redeem_to(
        &self,
        token: &GrantToken,
        root: &Digest,
        ephemeral: &Ephemeral,
        plaintext: &Path,
    ) -> Result<Received, Error> {
        let sealed = Partial(beside(plaintext, "sealed"));
        self.download(token, &sealed.0).await?;
        let (root, ephemeral, plaintext) = (*root, ephemeral.clone(), plaintext.to_owned());
        let open = move || open(&sealed.0, &root, &ephemeral.access(), &plaintext);
        tokio::task::spawn_blocking(open).await.expect("opening an object does not panic")
    }

    /// Redeems a grant at this node and writes the sealed object to a file.
    ///
    /// # Errors
    /// [`Error::Http`].
    pub async fn download(&self, token: &GrantToken, sealed: &Path) -> Result<(), Error> {
        let file = tokio::fs::File::create(sealed).await.map_err(http::Error::Io)?;
        let mut file = tokio::io::BufWriter::with_capacity(1 << 20, file);
        let mut attempts = 0;
        let mut answer = self.redeem(token).await;
        let mut received = 0;
        loop {
            let interruption = match answer {
                Ok(answer) => match copy(answer, &mut file, &mut received).await {
                    Ok(()) => break,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            attempts += 1;
            if !interruption.is_interruption() || attempts > RESUMPTIONS {
                return Err(interruption);
            }
            // The redemption may have been recorded although its answer never came: only then is there anything to
            // resume, and any other refusal tells less than the interruption.
            answer = match self.resume(&token.grant, received).await {
                Err(error) if received == 0 && !error.is_interruption() => return Err(interruption),
                answer => answer,
            };
        }
        file.flush().await.map_err(http::Error::Io)?;
        file.get_ref().sync_all().await.map_err(http::Error::Io)?;
        Ok(())
    }
}

/// The registered root of an asset's sealed object.
pub fn registered_root(asset: &Asset) -> Option<Digest> {
    let commitments = &asset.registered.commitments;
    commitments.iter().find(|commitment| commitment.suite == "sealed-object-v1").map(|commitment| commitment.root)
}

/// Appends an answer's body to what was `received` before; one that starts over replaces it.
async fn copy(
    mut answer: Answer,
    file: &mut tokio::io::BufWriter<tokio::fs::File>,
    received: &mut u64,
) -> Result<(), Error> {
    if *received > 0 {
        let range = answer.headers().get(::http::header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
        if !range.is_some_and(|range| range.starts_with(&format!("bytes {received}-"))) {
            restart(file).await.map_err(http::Error::Io)?;
            *received = 0;
        }
    }
    while let Some(chunk) = answer.chunk().await? {
        file.write_all(&chunk).await.map_err(http::Error::Io)?;
        *received += chunk.len() as u64;
    }
    Ok(())
}

async fn restart(file: &mut tokio::io::BufWriter<tokio::fs::File>) -> io::Result<()> {
    use tokio::io::AsyncSeekExt as _;
    file.flush().await?;
    file.get_mut().set_len(0).await?;
    file.seek(io::SeekFrom::Start(0)).await.map(drop)
}

/// Opens a transport file into `plaintext`, which only its owner may read.
pub(crate) fn open(sealed: &Path, root: &Digest, access: &Access<'_>, plaintext: &Path) -> Result<Received, Error> {
    let partial = Partial(beside(plaintext, "part"));
    let io = |error| Error::Http(http::Error::Io(error));
    // Never into a file or link that someone else put there; one that an earlier attempt left goes first.
    let _ = fs::remove_file(&partial.0);
    let output = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&partial.0).map_err(io)?;
    let mut output = Digesting { digest: Sha256::new(), inner: BufWriter::with_capacity(1 << 20, output) };
    let input = BufReader::with_capacity(1 << 20, File::open(sealed).map_err(io)?);
    let object = vault::open(input, &mut output, access, Some(root))?;
    let Digesting { digest, inner } = output;
    inner.into_inner().map_err(|error| io(error.into_error()))?.sync_all().map_err(io)?;
    fs::rename(&partial.0, plaintext).map_err(io)?;
    Ok(Received { object, sha256: digest.finish() })
}

/// A file that is removed unless it was renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        // Where it is gone already, it was renamed or never made.
        let _ = fs::remove_file(&self.0);
    }
}

struct Digesting<W> {
    digest: Sha256,
    inner: W,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

const RESUMPTIONS: usize = 3;
