//! A sender through which a misbehaving validator's messages pass before they leave.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use commonware_actor::{Feedback, Unreliable};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender as _, simulated};
use commonware_runtime::{IoBuf, IoBufs, deterministic};

use super::twist::Twist;

type Inner = simulated::Sender<PublicKey, deterministic::Context>;

/// The network's sender, honest or not.
#[derive(Clone)]
pub(super) struct Sender {
    inner: Inner,
    channel: u64,
    twist: Arc<dyn Twist>,
}

impl Sender {
    pub(super) fn new(inner: Inner, channel: u64, twist: Arc<dyn Twist>) -> Self {
        Self { inner, channel, twist }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl LimitedSender for Sender {
    type PublicKey = PublicKey;
    type Checked<'a> = Checked;

    fn check(&mut self, recipients: Recipients<PublicKey>) -> Result<Checked, SystemTime> {
        let recipients = self.inner.check(recipients)?.recipients();
        Ok(Checked { sender: self.clone(), recipients })
    }
}

pub(super) struct Checked {
    sender: Sender,
    recipients: Vec<PublicKey>,
}

impl CheckedSender for Checked {
    type PublicKey = PublicKey;

    fn recipients(&self) -> Vec<PublicKey> {
        self.recipients.clone()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let Self { sender: Sender { mut inner, channel, twist }, recipients } = self;
        let message = message.into().coalesce().as_ref().to_vec();
        for (recipients, message) in twist.twist(channel, recipients, message) {
            inner.send(Recipients::Some(recipients), IoBuf::from(message), priority);
        }
        Unreliable::new(Feedback::Ok)
    }
}
