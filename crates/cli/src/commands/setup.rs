//! Founding, inviting, joining, and principals' wallets.

use std::fs;
use std::io::{IsTerminal as _, Write as _, stdin};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use client::Client;
use client::http::Endpoint;
use client::wallet::{PRINCIPAL, Wallet};
use contracts::code;
use contracts::message::{Invite, Join, MemberCard};
use crypto::{Digest, PublicKey, Secret};
use ledger::{Consortium, Epoch, Genesis, Validator};
use node::config::{NodeConfig, Ordering};
use node::setup::{CONFIG_FILE, Founder, Newcomer, Seat};
use serde_json::json;
use wire::{Fixed, Limits};

use super::Surroundings;
use crate::args::{InitArgs, InviteArgs, JoinArgs, RecoverKeyArgs, SeatArgs};
use crate::error::{Doing as _, Failure};
use crate::home::{Home, Session, clock, create, now, profile};
use crate::invitation::Invitation;
use crate::output::{Output, fields, moment};
use crate::recovery::Statement;

/// Where a node is to be found.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where others reach it: `https://host:port`.
    pub(crate) address: String,
    /// Its seat among the validators.
    pub(crate) seat: Option<Seat>,
}

/// A founder or newcomer: the public side of its new home.
#[derive(Clone, Debug)]
pub(crate) struct Established {
    /// The member's card.
    pub(crate) card: MemberCard,
    /// The consortium as it is pinned.
    pub(crate) consortium: Consortium,
}

/// Founds a consortium: an operator's wallet, a node that orders the ledger, the genesis.
///
/// # Errors
/// Where the home is taken, or something cannot be written; then nothing is left of it.
pub(crate) fn found(
    home: &Home,
    member: &str,
    title: &str,
    place: Place,
    regulator: bool,
    passphrase: &Secret<Vec<u8>>,
) -> Result<Established, Failure> {
    let Place { listen, address, seat } = place;
    home.vacant()?;
    check_title(title)?;
    let attempt = || {
        // The node's pin is known only once its keys are made.
        let provisional = profile("operator", Some(member), &address, Digest::from([0; 32]));
        let mut wallet = Wallet::create(&home.operator(), provisional, passphrase)?;
        let founder = Founder {
            member: member.to_owned(),
            consortium: title.to_owned(),
            listen,
            address: address.clone(),
            seat: seat.clone(),
            regulator,
            operator: wallet.key(),
        };
        let (genesis, card) = node::setup::found(&home.node(), &founder, passphrase, now())?;
        check_config(home)?;
        let consortium = founded(&genesis, &card);
        wallet.pin(consortium.clone())?;
        wallet.set_profile(profile("operator", Some(member), &address, card.tls))?;
        Ok(Established { card, consortium })
    };
    attempt().inspect_err(|_: &Failure| clear(home)).doing("the consortium was not founded")
}

/// The consortium of a genesis: its founder alone.
pub(crate) fn founded(genesis: &Genesis, founder: &MemberCard) -> Consortium {
    let mut consortium = Consortium::new(genesis);
    let validators = vec![Validator { name: founder.name.clone(), key: founder.cosigner, ml_dsa: None }];
    consortium.epochs.push(Epoch { number: 1, validators }.pinned(0));
    consortium
}

/// Makes a principal's wallet at its member's node, under a consortium whose fingerprint was compared.
///
/// # Errors
/// Where the home is taken, or something cannot be written.
pub(crate) fn principal(
    home: &Home,
    name: &str,
    member: Option<&str>,
    node: &str,
    pin: Digest,
    consortium: Consortium,
    passphrase: &Secret<Vec<u8>>,
) -> Result<PublicKey, Failure> {
    home.vacant()?;
    Ok(create(home.directory(), profile(name, member, node, pin), consortium, passphrase)?.key())
}

/// Invites an organisation, as the operator of this home: the token's digest goes on the ledger, the token into the
/// invitation. `hours` until it ends.
///
/// # Errors
/// The ledger's refusal; where the home is no member's.
pub(crate) async fn invite(
    home: &Home,
    session: &mut Session,
    name: &str,
    regulator: bool,
    hours: u32,
) -> Result<Invitation, Failure> {
    let invitation = invitation(home, session, name, now() + u64::from(hours) * 3_600_000).await?;
    session.client.submit("members", "invite", &invite_of(&invitation, regulator)).await?;
    Ok(invitation)
}

/// An invitation that the ledger does not know yet.
///
/// # Errors
/// Where the home is no member's, or its node does not answer.
pub(super) async fn invitation(
    home: &Home,
    session: &mut Session,
    name: &str,
    expires: u64,
) -> Result<Invitation, Failure> {
    let config = NodeConfig::load(&home.node().join(CONFIG_FILE)).doing("only a member's home can invite")?;
    let Ordering::Solo { leader } = config.ordering;
    let path = home.node().join(GENESIS);
    let genesis = fs::read(&path).map_err(|error| Failure::file(&path, &error))?;
    let genesis: Genesis = wire::from_slice(&genesis, Limits::small())
        .map_err(|error| Failure::of(&error).stops("the genesis is damaged"))?;
    let consortium = session.refresh().await?.clone();
    let (node, tls) = (session.wallet.profile().node.clone(), session.wallet.profile().tls);
    let (name, inviter, token) = (name.to_owned(), config.member, Fixed(crypto::random()));
    Ok(Invitation { name, inviter, expires, node, tls, leader, token, genesis, consortium })
}

/// What the ledger is told of an invitation.
pub(super) fn invite_of(invitation: &Invitation, regulator: bool) -> Invite {
    Invite { name: invitation.name.clone(), token: invitation.token_digest(), expires: invitation.expires, regulator }
}

/// Joins with an invitation whose consortium's fingerprint was compared. Where the connection broke before it was known
/// whether the ledger took it, the same call resumes.
///
/// # Errors
/// Where the home is another's, the inviting node does not answer, or the ledger refuses.
pub(crate) async fn join(
    home: &Home,
    invitation: &Invitation,
    place: Place,
    passphrase: &Secret<Vec<u8>>,
) -> Result<Established, Failure> {
    let pending = home.directory().join(JOINING);
    let join = match fs::read(&pending) {
        Ok(bytes) => {
            let join: Join = wire::from_slice(&bytes, Limits::small()).map_err(|error| Failure::of(&error))?;
            if (join.token, &join.card.name) != (invitation.token, &invitation.name) {
                return Err(Failure::new("another joining was begun in this home")
                    .hint("finish it with its own invitation, or choose another home"));
            }
            join
        }
        Err(_) => {
            home.vacant()?;
            prepare(home, invitation, place, passphrase).inspect_err(|_| clear(home))?
        }
    };
    let wallet = Wallet::open(&home.operator(), passphrase)?;
    let endpoint = Endpoint::new(&invitation.node, invitation.tls, None)?;
    let client = Client::new(endpoint, wallet.keys(), PRINCIPAL, invitation.consortium.chain, clock())?;
    let mut sent = client.submit("members", "join", &join).await;
    if matches!(&sent, Err(client::Error::Refused { code, .. }) if *code == code::ML_DSA_MISSING.code) {
        let chain = invitation.consortium.chain;
        let registration = node::setup::arm(&home.node(), &chain, &invitation.name, passphrase)?;
        sent = client.submit("members", "join", &Join { ml_dsa: Some(registration), ..join.clone() }).await;
    }
    if let Err(error) = sent {
        // Busy nodes and broken lines leave the attempt to be resumed; only the ledger's word ends it.
        let refused = matches!(error, client::Error::Refused { .. });
        // An earlier attempt may have been taken although its answer was lost.
        let member = client.members().await.ok().is_some_and(|all| all.iter().any(|one| one.card == join.card));
        if !member {
            if refused {
                clear(home);
            }
            return Err(Failure::from(error).stops(format!("`{}` did not join", invitation.name)));
        }
    }
    fs::remove_file(&pending).map_err(|error| Failure::file(&pending, &error))?;
    Ok(Established { card: join.card, consortium: invitation.consortium.clone() })
}

/// Makes a newcomer's wallet and node, and writes down what will be sent.
fn prepare(home: &Home, invitation: &Invitation, place: Place, passphrase: &Secret<Vec<u8>>) -> Result<Join, Failure> {
    let Place { listen, address, seat } = place;
    let (name, consortium) = (&invitation.name, invitation.consortium.clone());
    let provisional = profile("operator", Some(name), &address, Digest::from([0; 32]));
    let mut wallet = create(&home.operator(), provisional, consortium, passphrase)?;
    let newcomer = Newcomer { member: name.clone(), listen, address: address.clone(), seat, operator: wallet.key() };
    let card = node::setup::prepare(&home.node(), &newcomer, &invitation.genesis, &invitation.leader, passphrase)?;
    check_config(home)?;
    wallet.set_profile(profile("operator", Some(name), &address, card.tls))?;
    let join = Join { card, token: invitation.token, ml_dsa: None };
    write_secret(&home.directory().join(JOINING), &wire::to_vec(&join))?;
    Ok(join)
}

/// The address that others use: as given, or made from where the node listens.
///
/// # Errors
/// Where a node that listens everywhere is given no address.
pub(crate) fn address(listen: SocketAddr, given: Option<String>) -> Result<String, Failure> {
    match given {
        Some(address) => Ok(address),
        None if listen.ip().is_unspecified() => Err(Failure::new(format!(
            "{listen} is every address of this machine, so others cannot be told which to use"
        ))
        .hint("name it with --address https://host:port")),
        None => Ok(format!("https://{listen}")),
    }
}

/// Whether two fingerprints are the same, however they are spaced.
pub(crate) fn same_fingerprint(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    plain(one) == plain(other) && !plain(one).is_empty()
}

/// The seat among the validators: where others reach it as given, or made from where the node listens.
///
/// # Errors
/// As [`address`].
fn seat(args: SeatArgs) -> Result<Option<Seat>, Failure> {
    let Some(listen) = args.order_listen else { return Ok(None) };
    match args.order_address {
        Some(address) => Ok(Some(Seat { listen, address })),
        None if listen.ip().is_unspecified() => Err(Failure::new(format!(
            "{listen} is every address of this machine, so the other validators cannot be told which to use"
        ))
        .hint("name it with --order-address host:port")),
        None => Ok(Some(Seat { listen, address: listen.to_string() })),
    }
}

pub(super) fn run_init(args: InitArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let home = &surroundings.home;
    if let Some(name) = &args.principal {
        let path = Path::new(&args.consortium);
        let text = fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
        let consortium = Consortium::parse(&text).doing("this is no consortium file")?;
        let (Some(node), Some(pin)) = (&args.node, args.pin) else { unreachable!("clap requires both") };
        let fingerprint = consortium.fingerprint();
        if let Some(told) = &args.fingerprint {
            compare(told, &fingerprint)?;
        }
        home.vacant()?;
        let passphrase = surroundings.new_passphrase()?;
        let key = principal(home, name, args.member.as_deref(), node, pin, consortium, &passphrase)?;
        let text = fields(&[("name", name.clone()), ("key", key.to_string()), ("fingerprint", fingerprint.clone())]);
        let next = "Have your member's operator add the key: sotto member principal add";
        output.result(
            &json!({ "name": name, "key": key, "fingerprint": fingerprint }),
            &key.to_string(),
            &format!("{text}\n\n{next} {name} --key {key} --role …"),
        );
        return Ok(());
    }
    let (Some(member), Some(listen)) = (&args.member, args.listen) else { unreachable!("clap requires both") };
    let address = address(listen, args.address)?;
    let seat = seat(args.seat)?;
    home.vacant()?;
    let passphrase = surroundings.new_passphrase()?;
    let founded = found(home, member, &args.consortium, Place { listen, address, seat }, args.regulator, &passphrase)?;
    told(&founded, "founded", output);
    Ok(())
}

/// Makes a new operator's wallet where the old one's was, and what another member proposes.
pub(super) fn run_recover_key(
    args: RecoverKeyArgs,
    surroundings: &Surroundings,
    output: &Output,
) -> Result<(), Failure> {
    let RecoverKeyArgs { member, node, pin, consortium: path, fingerprint: told, days, out } = args;
    let text = fs::read_to_string(&path).map_err(|error| Failure::file(&path, &error))?;
    let consortium = Consortium::parse(&text).doing("this is no consortium file")?;
    if let Some(told) = &told {
        compare(told, &consortium.fingerprint())?;
    }
    if out.exists() {
        return Err(Failure::file(&out, &std::io::ErrorKind::AlreadyExists.into()));
    }
    let home = &surroundings.home;
    let directory = match home.node().is_dir() {
        // Beside the member's node, where the operator's wallet belongs.
        true if home.operator().exists() => {
            return Err(Failure::new(format!("{} is there", home.operator().display())).hint(
                "move it aside, and keep it: keys are never overwritten, and the old one can still veto a recovery",
            ));
        }
        true => home.operator(),
        false => {
            home.vacant()?;
            home.directory().to_owned()
        }
    };
    let passphrase = surroundings.new_passphrase()?;
    let chain = consortium.chain;
    let wallet = create(&directory, profile("operator", Some(&member), &node, pin), consortium, &passphrase)?;
    let until = now() + u64::from(days) * 24 * 3_600_000;
    let statement = Statement::make(chain, &member, until, &*wallet.keys(), PRINCIPAL)
        .map_err(|error| Failure::of(&error).stops("the new key cannot sign"))?;
    fs::write(&out, statement.to_toml()).map_err(|error| Failure::file(&out, &error))?;
    let key = statement.key;
    let text = format!(
        "{}\n\n{} holds what another member proposes until {} UTC: sotto gov propose recover {}\n\
         Tell that member the key by another way, such as the telephone. Until the members have decided and the delay is over, the key is good for nothing.",
        fields(&[
            ("member", member.clone()),
            ("new key", key.to_string()),
            ("wallet", directory.display().to_string())
        ]),
        out.display(),
        moment(until),
        out.display(),
    );
    let value = json!({ "member": member, "key": key, "until": until, "file": out, "wallet": directory });
    output.result(&value, &key.to_string(), &text);
    Ok(())
}

pub(super) async fn run_invite(args: InviteArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    if args.out.exists() {
        return Err(Failure::file(&args.out, &std::io::ErrorKind::AlreadyExists.into()));
    }
    let mut session = surroundings.session()?;
    let invitation = invite(&surroundings.home, &mut session, &args.name, args.regulator, args.hours).await?;
    write_secret(&args.out, invitation.to_toml().as_bytes())?;
    let fingerprint = invitation.consortium.fingerprint();
    let text = format!(
        "{} holds the invitation of `{}`, good until {} UTC. It is a secret: send it so that nobody else reads it.\n\
         Tell the newcomer the fingerprint by another way, such as the telephone:\n\n  {fingerprint}",
        args.out.display(),
        args.name,
        moment(invitation.expires)
    );
    let value =
        json!({ "name": args.name, "file": args.out, "expires": invitation.expires, "fingerprint": fingerprint });
    output.result(&value, &fingerprint, &text);
    Ok(())
}

pub(super) async fn run_join(args: JoinArgs, surroundings: &Surroundings, output: &Output) -> Result<(), Failure> {
    let text = fs::read_to_string(&args.invitation).map_err(|error| Failure::file(&args.invitation, &error))?;
    let invitation = Invitation::parse(&text)?;
    let place = Place { listen: args.listen, address: address(args.listen, args.address)?, seat: seat(args.seat)? };
    let fingerprint = invitation.consortium.fingerprint();
    output.note(&format!(
        "`{}` invites you to `{}` as `{}`.\nIts fingerprint is\n\n  {fingerprint}\n",
        invitation.inviter, invitation.consortium.name, invitation.name
    ));
    match &args.fingerprint {
        Some(told) => compare(told, &fingerprint)?,
        None => compare(&ask()?, &fingerprint)?,
    }
    let fresh = surroundings.home.vacant().is_ok();
    let passphrase = if fresh { surroundings.new_passphrase()? } else { surroundings.passphrase()? };
    let waiting = output.waiting("joining");
    let joined = join(&surroundings.home, &invitation, place, &passphrase).await?;
    drop(waiting);
    told(&joined, "joined", output);
    Ok(())
}

fn told(established: &Established, what: &str, output: &Output) {
    let Established { card, consortium } = established;
    let fingerprint = consortium.fingerprint();
    let text = fields(&[
        (what, consortium.name.clone()),
        ("as", card.name.clone()),
        ("address", card.address.clone()),
        ("pin", card.tls.to_string()),
        ("fingerprint", fingerprint.clone()),
    ]);
    let value = json!({
        "consortium": consortium.name, "chain": consortium.chain, "member": card.name, "address": card.address,
        "pin": card.tls, "fingerprint": fingerprint,
    });
    output.result(&value, &fingerprint, &format!("{text}\n\nStart the node: sotto node run"));
}

pub(super) fn compare(told: &str, found: &str) -> Result<(), Failure> {
    match same_fingerprint(told, found) {
        true => Ok(()),
        false => Err(Failure::new("the fingerprints differ: this is not the consortium you were told of")
            .because(format!("you were told  {told}"))
            .because(format!("the file says  {found}"))
            .hint("do not go on; ask for the file and the fingerprint again, by separate ways")),
    }
}

/// Asks for the fingerprint as it was told by another way: one that is read off the screen compares nothing.
fn ask() -> Result<String, Failure> {
    let missing = || {
        Failure::new("the fingerprint was not compared")
            .hint("give it with --fingerprint, as you were told it by another way")
    };
    if !stdin().is_terminal() {
        return Err(missing());
    }
    eprint!("Type the fingerprint that you were told: ");
    let mut line = String::new();
    stdin().read_line(&mut line).map_err(|_| missing())?;
    Ok(line)
}

fn check_title(title: &str) -> Result<(), Failure> {
    match (1..=64).contains(&title.len()) && !title.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(Failure::new("a consortium's title has 1 to 64 bytes").hint("choose a shorter one")),
    }
}

/// Reads the new configuration back, so that a bad name or address shows now and not at the first start.
fn check_config(home: &Home) -> Result<(), Failure> {
    NodeConfig::load(&home.node().join(CONFIG_FILE)).map(drop).map_err(Failure::from)
}

/// Removes what an attempt left in a home that was vacant before.
fn clear(home: &Home) {
    // What cannot be removed shows as a taken home at the next attempt.
    let _ = fs::remove_dir_all(home.operator());
    let _ = fs::remove_dir_all(home.node());
    let _ = fs::remove_file(home.directory().join(JOINING));
}

/// Writes a new file that only its owner may read.
pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|error| Failure::file(path, &error))
}

/// The founder's card in the genesis of a member's home.
///
/// # Errors
/// Where it cannot be read.
#[cfg(test)]
fn genesis_founder(home: &Home) -> Result<MemberCard, Failure> {
    let bytes = fs::read(home.node().join(GENESIS)).map_err(|error| Failure::file(&home.node(), &error))?;
    let genesis: Genesis = wire::from_slice(&bytes, Limits::small()).map_err(|error| Failure::of(&error))?;
    Ok(crate::invitation::founder(&genesis)?)
}

const GENESIS: &str = "genesis.cbor";
const JOINING: &str = "joining.cbor";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_compare_by_their_digits() {
        assert!(same_fingerprint("AB12 cd34\n", "ab12cd34"));
        assert!(!same_fingerprint("ab12 cd35", "ab12 cd34"));
        assert!(!same_fingerprint("", ""));
        assert!(compare("ab", "cd").unwrap_err().render(false).contains("do not go on"));
    }

    #[test]
    fn an_address_is_made_only_where_it_is_known() {
        assert_eq!(address("127.0.0.1:7001".parse().unwrap(), None).unwrap(), "https://127.0.0.1:7001");
        assert!(address("0.0.0.0:7001".parse().unwrap(), None).is_err());
    }

    #[test]
    fn a_founder_has_a_wallet_and_a_node_and_keeps_them() {
        let directory = tempfile::tempdir().unwrap();
        let home = Home::at(directory.path().join("home"));
        let passphrase = Secret::new(b"correct horse".to_vec());
        let found = |member| {
            let listen = "127.0.0.1:7001".parse().unwrap();
            let place = super::Place { listen, address: "https://127.0.0.1:7001".into(), seat: None };
            super::found(&home, member, "Trials", place, true, &passphrase)
        };
        assert!(found("Not A Name").is_err() && home.vacant().is_ok(), "a failed attempt leaves nothing");
        let founded = found("health-authority").unwrap();
        assert_eq!(founded.card, genesis_founder(&home).unwrap());
        let session = home.open(&passphrase).unwrap();
        assert_eq!(session.wallet.key(), founded.card.operator);
        assert_eq!(session.wallet.profile().tls, founded.card.tls);
        assert_eq!(*session.wallet.consortium().unwrap(), founded.consortium);
        assert!(found("health-authority").is_err(), "a home is never overwritten");
    }
}
