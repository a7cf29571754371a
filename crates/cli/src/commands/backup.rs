//! A member's node, copied into one file and made from it again.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use client::Client;
use contracts::code;
use node::backup::{self, BackupError, Manifest};
use serde_json::json;

use super::{Surroundings, node::configuration};
use crate::error::Failure;
use crate::home::{Home, now};
use crate::output::{Output, fields, moment};

/// Makes a backup, by the node that runs or from its files; what it holds is read again before it gets its name.
pub(super) async fn make(
    file: &Path,
    stopped: bool,
    surroundings: &Surroundings,
    output: &Output,
) -> Result<(), Failure> {
    if file.exists() {
        return Err(Failure::new(format!("{} exists", file.display())).hint("choose another name for the backup"));
    }
    let mut draft = file.as_os_str().to_owned();
    draft.push(".part");
    let draft = PathBuf::from(draft);
    let begun = Instant::now();
    let waiting = output.waiting("copying what the node holds");
    let made = match stopped {
        true => {
            let config = configuration(&surroundings.home)?;
            backup::make(&config, &surroundings.passphrase()?, &draft).await.map(drop).map_err(Failure::from)
        }
        false => {
            let session = surroundings.session()?;
            let fetched = fetch(&session.client, &draft).await;
            match fetched {
                Ok(()) => signed(&session.client, &draft, session.member()?).await,
                failed => failed,
            }
        }
    };
    let contents = match made.and_then(|()| Ok(backup::check(&draft)?)) {
        Ok(contents) => contents,
        Err(failure) => {
            // What is there of it is no backup.
            let _ = fs::remove_file(&draft);
            return Err(failure);
        }
    };
    fs::rename(&draft, file).map_err(|error| Failure::file(file, &error))?;
    drop(waiting);
    let of = (&contents.manifest, contents.length);
    told(of, begun.elapsed(), &format!("Copied into {}", file.display()), output);
    Ok(())
}

/// Has the node make one, and takes it as it comes.
async fn fetch(client: &Client, draft: &Path) -> Result<(), Failure> {
    let made = client.begin_backup().await?;
    let mut answer = loop {
        match client.backup(&made).await {
            Err(error) if error.code() == Some(code::BUSY.code) => tokio::time::sleep(PAUSE).await,
            answer => break answer?,
        }
    };
    let refuse = |error| Failure::file(draft, &error);
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft);
    let mut file = file.map_err(refuse)?;
    while let Some(piece) = answer.chunk().await.map_err(client::Error::from)? {
        file.write_all(&piece).map_err(refuse)?;
    }
    file.sync_all().map_err(refuse)
}

/// Checks that the member's own node signed it, by the key on the ledger.
async fn signed(client: &Client, draft: &Path, member: &str) -> Result<(), Failure> {
    let members = client.members().await?;
    let known = members.iter().find(|known| known.card.name == member);
    let known = known.ok_or_else(|| Failure::new(format!("the ledger knows no member `{member}`")))?;
    Ok(backup::check(draft)?.verify(&known.card.node)?)
}

/// Makes the node's directory of this home from a backup.
pub(super) async fn restore(
    file: PathBuf,
    alone: bool,
    surroundings: &Surroundings,
    output: &Output,
) -> Result<(), Failure> {
    let (target, member) = (surroundings.home.node(), operated(&surroundings.home)?);
    let passphrase = surroundings.passphrase()?;
    let begun = Instant::now();
    let waiting = output.waiting("checking the backup, then writing it");
    let (from, to) = (file, target.clone());
    let restored =
        tokio::task::spawn_blocking(move || backup::restore(&from, &to, member.as_deref(), &passphrase, alone, now()));
    let restored = restored.await.map_err(|error| Failure::of(&error))??;
    drop(waiting);
    let of = (&restored.manifest, restored.length);
    told(of, begun.elapsed(), &format!("Restored into {}", target.display()), output);
    output.note(
        "Start it, and wait until its height is the others'. Where it was a validator, it votes again with a new key: \
         `sotto member validators rotate`, then a regulator's or the founder's `sotto member validators begin`. \
         Only one copy of a node may ever run.",
    );
    Ok(())
}

/// Whose home it is, where an operator's wallet says so.
fn operated(home: &Home) -> Result<Option<String>, Failure> {
    let path = home.operator().join("profile.toml");
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| Failure::file(&path, &error))?,
    };
    let profile: toml::Table = text.parse().map_err(|_| Failure::new(format!("{} is no profile", path.display())))?;
    Ok(profile.get("member").and_then(|member| member.as_str()).map(str::to_owned))
}

fn told((manifest, length): (&Manifest, u64), took: Duration, what: &str, output: &Output) {
    let seconds = took.as_secs_f64();
    let value = json!({
        "member": manifest.member, "chain": manifest.chain, "height": manifest.height, "made": manifest.made,
        "version": manifest.version, "files": manifest.files.len(), "bytes": length, "seconds": seconds,
    });
    let rows = fields(&[
        ("member", manifest.member.clone()),
        ("made", moment(manifest.made)),
        ("blocks", manifest.height.to_string()),
        ("files", manifest.files.len().to_string()),
        ("bytes", length.to_string()),
        ("seconds", format!("{seconds:.1}")),
    ]);
    output.result(&value, &manifest.height.to_string(), &format!("{what}.\n\n{rows}"));
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let hint = match &error {
            BackupError::Form(_)
            | BackupError::Altered(_)
            | BackupError::Stray(_)
            | BackupError::Missing(_)
            | BackupError::Signature
            | BackupError::Foreign { .. } => "nothing was written; take another copy of the backup, or an older one",
            BackupError::Version(_) => "use the version of sotto that made it",
            BackupError::OtherMember { .. } => "name that member's home with --home",
            BackupError::Occupied(_) => "move what is there away first: nothing is overwritten",
            BackupError::Leader => {
                "compare heights with all other members; where none is ahead: --no-later-block. Else see docs/operator/README.md"
            }
            BackupError::Elsewhere => "only a node whose node.toml says data_dir = \".\" can be copied and restored",
            BackupError::NoNode(_) => "name a member's home with --home or SOTTO_HOME",
            BackupError::Ledger(_) => "does the node run? without --stopped it copies itself while it does",
            BackupError::Keys(crypto::keystore::Error::Locked) => {
                "the passphrase is that of the node at the time of the backup: --passphrase-file"
            }
            _ => "see what the system says",
        };
        Self::of(&error).hint(hint)
    }
}

/// Between two questions whether the copies are made.
const PAUSE: Duration = Duration::from_millis(200);
