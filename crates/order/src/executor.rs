//! Executes final slates in their order, and tells the engine once they are on disk.

use std::collections::VecDeque;
use std::sync::Arc;

use commonware_actor::Feedback;
use commonware_consensus::Reporter;
use commonware_consensus::marshal::Update;
use commonware_consensus::marshal::core::Mailbox;
use commonware_consensus::marshal::standard::Standard;
use commonware_consensus::simplex::scheme::ed25519::Scheme;
use commonware_consensus::types::Height;
use commonware_cryptography::Digested;
use commonware_utils::acknowledgement::{Acknowledgement as _, Exact};
use tokio::sync::{mpsc, watch};

use crate::docket::Docket;
use crate::error::Fault;
use crate::slate::Slate;

pub(crate) type Marshal = Mailbox<Scheme, Standard<Slate>>;

/// Takes what the engine says is final.
#[derive(Clone)]
pub(crate) struct Intake {
    slates: mpsc::UnboundedSender<Final>,
    /// The newest final slate.
    finalised: watch::Sender<u64>,
}

/// A slate to execute, and how the engine is told that it was.
type Final = (Digested<Slate>, Exact);

impl Intake {
    /// The engine delivers no more than it has acknowledgements pending: the queue is bounded.
    pub(crate) fn new(finalised: watch::Sender<u64>) -> (Self, mpsc::UnboundedReceiver<Final>) {
        let (slates, queue) = mpsc::unbounded_channel();
        (Self { slates, finalised }, queue)
    }
}

impl Reporter for Intake {
    type Activity = Update<Slate>;

    fn report(&mut self, update: Update<Slate>) -> Feedback {
        match update {
            Update::Tip(_, height, _) => {
                self.finalised.send_replace(height.get());
                Feedback::Ok
            }
            Update::Block(slate, acknowledgement) => match self.slates.send((slate, acknowledgement)) {
                Ok(()) => Feedback::Ok,
                Err(_) => Feedback::Closed,
            },
        }
    }
}

pub(crate) struct Executor {
    pub(crate) docket: Arc<Docket>,
    pub(crate) marshal: Marshal,
    pub(crate) kept: Kept,
}

impl Executor {
    /// Executes what a ledger restored from an older copy lacks, as far as the slates are still kept.
    pub(crate) async fn recover(&self, processed: u64) -> Result<(), Fault> {
        let executed = self.docket.executed();
        for height in executed + 1..=processed {
            let gone = Fault::Behind { executed: height - 1 };
            let slate = self.marshal.get_block(Height::new(height)).await.ok_or(gone)?;
            let outcomes = self.docket.execute(slate.inner())?;
            self.docket.conclude(outcomes.into_iter().collect())?;
        }
        Ok(())
    }

    pub(crate) async fn run(mut self, mut queue: mpsc::UnboundedReceiver<Final>) -> Result<(), Fault> {
        while let Some(first) = queue.recv().await {
            let mut next = Some(first);
            let (mut outcomes, mut acknowledgements) = (Vec::new(), Vec::new());
            // What is there already shares one forced write.
            while let Some((slate, acknowledgement)) = next {
                outcomes.extend(self.docket.execute(slate.inner())?);
                self.kept.add(slate.inner());
                acknowledgements.push(acknowledgement);
                next = queue.try_recv().ok();
            }
            self.docket.conclude(outcomes)?;
            acknowledgements.into_iter().for_each(|acknowledgement| acknowledgement.acknowledge());
            if let Some(oldest) = self.kept.prune() {
                self.marshal.prune(Height::new(oldest));
            }
        }
        Ok(())
    }
}

/// Which slates stay on disk for validators that are behind.
pub(crate) struct Kept {
    /// Heights and sizes, oldest first; those of an earlier run are forgotten, and go with the next ones.
    slates: VecDeque<(u64, usize)>,
    bytes: usize,
    limit: usize,
    least: usize,
}

impl Kept {
    /// Slates stay while newer ones are fewer than `least`, or have fewer than `limit` bytes.
    pub(crate) fn new(limit: usize, least: usize) -> Self {
        Self { slates: VecDeque::new(), bytes: 0, limit, least }
    }

    fn add(&mut self, slate: &Slate) {
        self.slates.push_back((slate.header().height, slate.size()));
        self.bytes += slate.size();
    }

    /// The oldest to keep, where it has changed enough to say so.
    fn prune(&mut self) -> Option<u64> {
        let before = self.slates.len();
        // An empty slate costs a certificate too.
        let heavy = |kept: &Self| kept.bytes + kept.slates.len() * CERTIFICATE > kept.limit;
        if before < self.least + STEP || !heavy(self) {
            return None;
        }
        while self.slates.len() > self.least && heavy(self) {
            let (_, size) = self.slates.pop_front()?;
            self.bytes -= size;
        }
        (self.slates.len() < before).then(|| self.slates.front().map(|(height, _)| *height)).flatten()
    }
}

/// About what is kept beside each slate.
const CERTIFICATE: usize = 1024;

/// Slates to collect before any is removed.
const STEP: usize = 256;
